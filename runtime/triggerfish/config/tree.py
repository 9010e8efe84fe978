"""A configuration document as the host reads it: names without case, each value with its place.

The environment overrides single values; every value therefore remembers what the user has
to edit to change it. Pure. Behaviour: spec host-and-worker.md, 2.1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from triggerfish.config.errors import ConfigError

OVERRIDE_PREFIX: Final = "AzureFunctionsJobHost__"
ENVIRONMENT: Final = "environment"


@dataclass(slots=True)
class Member:
    """A named value: a scalar, or members by lower-case name (arrays by index)."""

    name: str
    value: Any
    variable: str = ""  # the environment variable that set it, empty for the file


Tree = dict[str, Member]


def tree(document: Mapping[str, Any]) -> Tree:
    """Return a JSON object as a tree; of names that differ in case only, the last wins."""
    return {name.lower(): Member(name, _branch(value)) for name, value in document.items()}


def _branch(value: Any) -> Any:
    if isinstance(value, dict):
        return tree(value)
    if isinstance(value, list):
        return tree({str(index): element for index, element in enumerate(value)})
    return value


def override(root: Tree, settings: Mapping[str, str]) -> None:
    """Put the values of ``AzureFunctionsJobHost__…`` settings over those of the file."""
    for variable in sorted(settings):
        path = variable.replace(":", "__")
        if path.lower().startswith(OVERRIDE_PREFIX.lower()):
            names = path[len(OVERRIDE_PREFIX) :].split("__")
            if all(names):
                _put(root, names, settings[variable], variable)


def _put(branch: Tree, names: list[str], value: str, variable: str) -> None:
    *parents, last = names
    for name in parents:
        member = branch.setdefault(name.lower(), Member(name, {}, variable))
        if not isinstance(member.value, dict):
            member.value, member.variable = {}, variable
        branch = member.value
    branch[last.lower()] = Member(last, value, variable)


def find(root: Tree, path: str, *, file: str) -> Member | None:
    """Return what stands at ``path`` (names joined by dots), None where nothing or null does.

    Raises ``ConfigError`` where something above it is no object.
    """
    branch = root
    *parents, last = path.lower().split(".")
    for depth, name in enumerate(parents, start=1):
        member = branch.get(name)
        if member is None or member.value is None:
            return None
        if not isinstance(member.value, dict) or _is_list(member.value):
            key = ".".join(path.split(".")[:depth])
            raise misplaced(member, key, file=file)
        branch = member.value
    found = branch.get(last)
    return None if found is None or found.value is None else found


def misplaced(member: Member, key: str, *, file: str) -> ConfigError:
    """Return the error for a plain value where an object must stand."""
    return ConfigError(
        f"{shown(member.value)} stands where an object is expected",
        file=ENVIRONMENT if member.variable else file,
        key=member.variable or key,
        remedy=f'Write "{member.name}": {{ … }} or remove it.',
    )


def plain(value: Any) -> Any:
    """Return a member's value as JSON has it: objects, arrays and scalars."""
    if not isinstance(value, dict):
        return value
    if _is_list(value):
        return [plain(value[index].value) for index in sorted(value, key=int)]
    return {member.name: plain(member.value) for member in value.values()}


def _is_list(branch: Tree) -> bool:
    return bool(branch) and all(name.isdecimal() for name in branch)


def shown(value: Any) -> str:
    """Return a value as error messages show it."""
    if isinstance(value, dict):
        return "a list" if _is_list(value) else "an object"
    if isinstance(value, bool):
        return str(value).lower()
    text = str(value)
    return f"'{text}'" if len(text) <= 60 else f"'{text[:60]}…'"
