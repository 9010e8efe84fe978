"""Path patterns of blob triggers: which blobs they match and what they capture.

Pure. Templates that are filled in (``blob`` inputs and outputs) are another language, in
``expressions``. Behaviour: spec blob-trigger.md, section 2.
https://learn.microsoft.com/azure/azure-functions/functions-bindings-storage-blob-trigger
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from triggerfish.captures import capture_spans
from triggerfish.expressions import ExpressionError, split_braces
from triggerfish.model import TriggerfishError
from triggerfish.names import blob_name_problem, container_name_problem


class PathPatternError(TriggerfishError):
    """A ``path`` that no blob trigger can have."""


_NAME: Final = re.compile(r"[^\W\d]\w*")


@dataclass(frozen=True, slots=True)
class PathPattern:
    """``container/pattern``: literals around captures.

    There is one literal more than there are names. ``matches_all`` is a path without blob
    part: every blob of the container, nothing captured.
    """

    text: str
    container: str
    literals: tuple[str, ...]
    names: tuple[str, ...]
    matches_all: bool = False

    @classmethod
    def parse(cls, text: str) -> PathPattern:
        """Parse a trigger's ``path``, settings already replaced. Raises ``PathPatternError``."""
        container, slash, blob = text.partition("/")
        if not container or (slash and not blob) or "\\" in text:
            raise PathPatternError(f"path '{text}': must have the form container/blob.")
        if "{" in container or "}" in container:
            raise PathPatternError(
                f"path '{text}': container paths cannot contain {{resolve}} tokens."
            )
        literals, names = _parse_blob(text, blob)
        problem = container_name_problem(container.lower() if names else container)
        if slash and not names:
            problem = problem or blob_name_problem(literals[0])
        if problem:
            raise PathPatternError(f"path '{text}': {problem}.")
        return cls(text, container, literals, names, matches_all=not slash)

    @property
    def container_name(self) -> str:
        """The container to watch; with captures the letter case of the pattern is ignored."""
        return self.container.lower() if self.names else self.container

    def match(self, container: str, blob: str) -> dict[str, str] | None:
        """Return what a blob's path captures, or None where the pattern does not match it."""
        if (container.lower() if self.names else container) != self.container_name:
            return None
        if self.matches_all:
            return {}
        if not self.names:
            return {} if blob == self.literals[0] else None
        return self._capture(blob)

    def _capture(self, blob: str) -> dict[str, str] | None:
        spans = capture_spans(blob, self.literals)
        if spans is None:
            return None
        captured = [blob[start:end] for start, end in spans]
        if any("\n" in text for text in captured):
            return None
        return dict(zip(self.names, captured, strict=True))


def _parse_blob(path: str, blob: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    literals, names = [""], []
    try:
        for piece in split_braces(blob):
            if piece.braced:
                names.append(_capture_name(path, piece.text))
                literals.append("")
            else:
                literals[-1] += piece.text
    except ExpressionError as error:
        raise PathPatternError(f"path '{path}': {error}") from error
    return tuple(literals), tuple(names)


def _capture_name(path: str, name: str) -> str:
    if "." in name or ":" in name:
        raise PathPatternError(
            f"path '{path}': capture expressions cannot contain dot operators or formats, "
            f"as '{{{name}}}' does."
        )
    if not _NAME.fullmatch(name):
        raise PathPatternError(f"path '{path}': the parameter name '{name}' is invalid.")
    return name
