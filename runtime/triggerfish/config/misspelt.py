"""Keys of a settings file that look like misspelt ones, which the host would ignore in silence.

A key that looks like none is left alone: it may be of another tool, or a comment. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from triggerfish.config.notes import warning
from triggerfish.config.settings_table import Setting
from triggerfish.config.tree import ENVIRONMENT, Member, Tree
from triggerfish.model import LogLine

_LIKENESS: Final = 0.8  # of 1; one letter or ending more or less passes, another word does not

_Names = Mapping[str, Mapping[str, str]]  # by path of the parent: names as written, by lower case


def misspelt(rows: Iterable[Setting], root: Tree, *, file: str) -> list[LogLine]:
    """Return a line for every key beside those of ``rows`` that is almost one of them."""
    names: dict[str, dict[str, str]] = {}
    for row in rows:
        parent = ""
        for name in row.key.split("."):
            names.setdefault(parent, {})[name.lower()] = name
            parent = f"{parent}{name.lower()}."
    return [
        warning(f"{_place(member, path, file)} is not known and is ignored: {meant} may be meant.")
        for path, member, meant in _walk(names, root, "")
    ]


def _walk(names: _Names, branch: Tree, parent: str) -> Iterator[tuple[str, Member, str]]:
    known = names.get(parent.lower(), {})
    for name, member in branch.items():
        path = f"{parent}{member.name}"
        if name in known:
            if isinstance(member.value, dict):
                yield from _walk(names, member.value, f"{path}.")
        elif alike := _most_like(name, known):
            yield path, member, known[alike]


def _most_like(name: str, known: Iterable[str]) -> str:
    """Return the name that is almost ``name``; empty where none is."""
    from difflib import get_close_matches  # most files need it for nothing

    return next(iter(get_close_matches(name, list(known), n=1, cutoff=_LIKENESS)), "")


def _place(member: Member, path: str, file: str) -> str:
    return f"{ENVIRONMENT}: {member.variable}" if member.variable else f"{file}: {path}"
