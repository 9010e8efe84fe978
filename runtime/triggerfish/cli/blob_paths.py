"""Paths of blobs on the command line: ``container/name``, with ``*``, ``?`` and ``**``.

Pure, but for ``local_path``, which makes sure that a blob's name cannot lead out of the folder
it is written to.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from triggerfish.model import TriggerfishError
from triggerfish.names import container_name_problem

_WILD: Final = re.compile(r"\*\*/?|\*|\?")


@dataclass(frozen=True, slots=True)
class BlobPath:
    """A container, and what follows the first slash: a name, a pattern or nothing."""

    container: str
    name: str = ""

    @classmethod
    def parse(cls, text: str) -> BlobPath:
        """Take ``container/name`` apart. Raises ``ValueError``, which says why."""
        container, _, name = text.partition("/")
        problem = container_name_problem(container)
        if problem:
            raise ValueError(f"'{text}': {problem}.")
        return cls(container, name)

    @property
    def is_pattern(self) -> bool:
        return _WILD.search(self.name) is not None

    @property
    def fixed(self) -> str:
        """How the names that match begin, for the service to look only there."""
        return _WILD.split(self.name)[0]

    def matches(self, name: str) -> bool:
        """Whether ``name`` fits: ``*`` and ``?`` stay within a folder, ``**`` crosses them."""
        return _compiled(self.name).fullmatch(name) is not None

    def __str__(self) -> str:
        return f"{self.container}/{self.name}" if self.name else self.container


def _compiled(pattern: str) -> re.Pattern[str]:
    parts, end = [], 0
    for wild in _WILD.finditer(pattern):
        parts += [re.escape(pattern[end : wild.start()]), _expression(wild[0])]
        end = wild.end()
    return re.compile("".join((*parts, re.escape(pattern[end:]))), re.DOTALL)


def _expression(wild: str) -> str:
    if wild == "**/":
        return "(?:.*/)?"
    return {"**": ".*", "*": "[^/]*", "?": "[^/]"}[wild]


def folder_of(path: BlobPath) -> str:
    """Return the part of a pattern's names that is left out when they are written to a folder."""
    return path.fixed[: path.fixed.rfind("/") + 1]


def local_path(folder: Path, relative: str) -> Path:
    """Return the file in ``folder`` for a blob's name. Raises for one that leads out of it."""
    parts = PurePosixPath(relative).parts
    target = folder.joinpath(*parts)
    outside = not parts or ".." in parts or PurePosixPath(relative).is_absolute()
    if outside or not target.absolute().is_relative_to(folder.absolute()):
        raise TriggerfishError(
            f"Blob '{relative}' would be written outside of {folder}. Get it alone, with the name "
            "of a file: triggerfish blob get CONTAINER/BLOB FILE."
        )
    return target
