"""Expressions over blob tags: ``x-ms-if-tags`` conditions and Find Blobs by Tags.

Pure: text to a value that answers whether tags match, and that a search can take its
starting point from. Values compare as text, as the service compares them.

Grammar: https://learn.microsoft.com/rest/api/storageservices/find-blobs-by-tags#remarks
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from triggerfish_storage import errors
from triggerfish_storage.errors import StorageError

CONTAINER: Final = "@container"
_COMPARE: Final[Mapping[str, Callable[[str, str], bool]]] = {
    "=": operator.eq,
    "<>": operator.ne,
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}
_TOKEN: Final = re.compile(
    r"""\s*(?:
        (?P<key>"[^"]*"|@container\b|(?!(?:and|or)\b)[a-z_][a-z0-9_]*)
      | (?P<operator><>|>=|<=|=|>|<)
      | '(?P<value>(?:[^']|'')*)'
      | (?P<joint>and\b|or\b)
    )\s*""",
    re.VERBOSE | re.IGNORECASE,
)
_LENGTH_LIMIT: Final = 8192


@dataclass(frozen=True, slots=True)
class Comparison:
    """One ``"key" = 'value'``; a missing tag meets only ``<>``."""

    key: str
    operator: str
    value: str

    def matches(self, tags: Mapping[str, str]) -> bool:
        """Whether the tags meet it."""
        actual = tags.get(self.key)
        if actual is None:
            return self.operator == "<>"
        return _COMPARE[self.operator](actual, self.value)


@dataclass(frozen=True, slots=True)
class TagFilter:
    """Comparisons joined by AND, such groups joined by OR."""

    alternatives: tuple[tuple[Comparison, ...], ...]

    def matches(self, tags: Mapping[str, str]) -> bool:
        """Whether the tags meet all comparisons of one alternative."""
        return any(all(c.matches(tags) for c in group) for group in self.alternatives)


def parse_tag_condition(text: str) -> TagFilter:
    """Return the condition of an ``x-ms-if-tags`` header."""
    found = _parse(text)
    if found is None or any(c.key == CONTAINER for group in found.alternatives for c in group):
        raise StorageError(errors.INVALID_HEADER_VALUE, HeaderName="x-ms-if-tags", HeaderValue=text)
    return found


def parse_tag_search(text: str) -> TagFilter:
    """Return the ``where`` of a search: AND only, no ``<>``, the container only by ``=``."""
    found = _parse(text)
    if found is None or len(found.alternatives) != 1:
        raise _bad_search(text)
    for comparison in found.alternatives[0]:
        if comparison.operator == "<>":
            raise _bad_search(text)
        if comparison.key == CONTAINER and comparison.operator != "=":
            raise _bad_search(text)
    return found


def _bad_search(text: str) -> StorageError:
    return StorageError(
        errors.INVALID_QUERY_PARAMETER_VALUE,
        QueryParameterName="where",
        QueryParameterValue=text,
        Reason="This query parameter value is invalid.",
    )


def _parse(text: str) -> TagFilter | None:
    tokens = _tokens(text)
    if not tokens or len(tokens) % 4 != 3:
        return None
    groups: list[list[Comparison]] = [[]]
    for at in range(0, len(tokens), 4):
        (key_kind, key), (sign_kind, sign), (value_kind, value) = tokens[at : at + 3]
        if (key_kind, sign_kind, value_kind) != ("key", "operator", "value"):
            return None
        name = key[1:-1] if key.startswith('"') else key
        name = CONTAINER if name.lower() == CONTAINER else name
        groups[-1].append(Comparison(name, sign, value.replace("''", "'")))
        if at + 3 < len(tokens):
            kind, joint = tokens[at + 3]
            if kind != "joint":
                return None
            if joint.lower() == "or":
                groups.append([])
    return TagFilter(tuple(tuple(group) for group in groups))


def _tokens(text: str) -> list[tuple[str, str]] | None:
    if len(text) > _LENGTH_LIMIT:
        return None
    found: list[tuple[str, str]] = []
    position = 0
    while position < len(text):
        token = _TOKEN.match(text, position)
        if token is None or token.lastgroup is None:
            return None
        found.append((token.lastgroup, token[token.lastgroup]))
        position = token.end()
    return found
