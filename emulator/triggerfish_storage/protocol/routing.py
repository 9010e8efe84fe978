"""Which operation a request is: templates and demands compiled once, looked up by dictionary.

The template that says most of a path wins, and of its rows the one that asks most of the
request. What no row wants is answered with the documented error that comes closest to what
the request got wrong.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic
from urllib.parse import unquote

from triggerfish_storage import errors
from triggerfish_storage.errors import ErrorCode, StorageError
from triggerfish_storage.protocol.operations import Operation, S

ANY: Final = "*"
_VARIABLE: Final = re.compile(r"\{(\w+)(\.\.\.)?\}")
_Key = tuple[str, int, str, str]
_NOTHING: Final[Mapping[Any, Any]] = {}


class _Template:
    """A path taken apart: which segments are a text, fit a pattern, or are a value."""

    def __init__(self, path: str) -> None:
        parts = path.strip("/").split("/") if path != "/" else []
        self.count = len(parts)
        self.has_rest = False
        self._literals: list[tuple[int, str]] = []
        self._patterns: list[tuple[int, re.Pattern[str]]] = []
        self._names: list[tuple[int, str]] = []
        for position, part in enumerate(parts):
            whole = _VARIABLE.fullmatch(part)
            if whole:
                self._names.append((position, whole[1]))
                self.has_rest = whole[2] is not None
            elif "{" in part:
                self._patterns.append((position, re.compile(_pattern(part), re.DOTALL)))
            else:
                self._literals.append((position, part))
        self.weight = 2 * len(self._literals) + len(self._patterns) - self.has_rest

    def takes(self, count: int) -> bool:
        """Whether a path of ``count`` segments can fit."""
        return count == self.count or (self.has_rest and count > self.count)

    def values(self, given: list[str]) -> dict[str, str] | None:
        """Return the values in a path's segments, of which there are enough; None if none fit."""
        for position, literal in self._literals:
            if given[position] != literal:
                return None
        if self.has_rest:
            last = self.count - 1
            given = [*given[:last], "/".join(given[last:])]
        found: dict[str, str] = {}
        for position, pattern in self._patterns:
            match = pattern.fullmatch(given[position])
            if match is None:
                return None
            found |= match.groupdict()
        for position, name in self._names:
            found[name] = given[position]
        return found


@dataclass(frozen=True, slots=True)
class _Row(Generic[S]):
    """An operation, and what a request for it must carry beside ``comp`` and ``restype``."""

    operation: Operation[S]
    template: _Template
    query: tuple[tuple[str, str], ...]
    headers: tuple[tuple[str, str], ...]

    @property
    def weight(self) -> int:
        demands = (*self.operation.query.values(), *self.operation.headers.values())
        return sum(2 if value == ANY else 3 for value in demands)

    def wants(self, query: Mapping[str, str], headers: Mapping[str, str]) -> bool:
        return _has(query, self.query) and _has(headers, self.headers)


def _has(given: Mapping[str, str], demands: tuple[tuple[str, str], ...]) -> bool:
    for name, wanted in demands:
        value = given.get(name)
        if value is None or (wanted != ANY and value.lower() != wanted):
            return False
    return True


class Router(Generic[S]):
    """The operations of one service, ready to be matched.

    ``unknown`` is the answer to a path that no operation has.
    """

    def __init__(
        self, operations: Sequence[Operation[S]], *, unknown: ErrorCode = errors.INVALID_URI
    ) -> None:
        self._unknown = unknown
        templates = {path: _Template(path) for path in {row.path for row in operations}}
        rows = [_compile(row, templates[row.path]) for row in operations]
        self._rows = sorted(rows, key=lambda row: (-row.template.weight, -row.weight))
        self._most = max((template.count for template in templates.values()), default=0) + 1
        self._index: dict[_Key, dict[_Template, list[_Row[S]]]] = {}
        for row in self._rows:
            query, template = row.operation.query, row.template
            comp, restype = query.get("comp", "").lower(), query.get("restype", "").lower()
            last = self._most if template.has_rest else template.count
            for count in range(template.count, last + 1):
                key = (row.operation.method, count, comp, restype)
                self._index.setdefault(key, {}).setdefault(template, []).append(row)

    def match(
        self, method: str, path: str, query: Mapping[str, str], headers: Mapping[str, str]
    ) -> tuple[Operation[S], dict[str, str]]:
        """Return the operation and its path's values; ``path`` is raw and has no first slash."""
        given = path.split("/") if path else []
        if len(given) == 2 and not given[1]:
            given.pop()  # a container's name with a slash behind it
        if "%" in path:
            given = [_decoded(segment) for segment in given]
        comp, restype = query.get("comp", ""), query.get("restype", "")
        key = (method, min(len(given), self._most), comp.lower(), restype.lower())
        for template, rows in self._index.get(key, _NOTHING).items():
            values = template.values(given)
            if values is not None:
                for row in rows:
                    if row.wants(query, headers):
                        return row.operation, values
        raise self._refusal(method, given, query, headers)

    def _refusal(
        self,
        method: str,
        given: list[str],
        query: Mapping[str, str],
        headers: Mapping[str, str],
    ) -> StorageError:
        fitting = [
            row
            for row in self._rows
            if row.template.takes(len(given)) and row.template.values(given) is not None
        ]
        if not fitting:
            return StorageError(self._unknown)
        fitting = [row for row in fitting if row.operation.method == method]
        if not fitting:
            return StorageError(errors.UNSUPPORTED_HTTP_VERB)
        for name in ("restype", "comp"):
            value = query.get(name, "")
            matching = [
                row
                for row in fitting
                if row.operation.query.get(name, "").lower() in (value.lower(), ANY)
            ]
            if not matching and value:
                return StorageError(
                    errors.INVALID_QUERY_PARAMETER_VALUE,
                    QueryParameterName=name,
                    QueryParameterValue=value,
                )
            fitting = matching or fitting
        return _unmet(fitting[-1], query, headers)


def _unmet(row: _Row[S], query: Mapping[str, str], headers: Mapping[str, str]) -> StorageError:
    """Return what the row that asks least still misses."""
    for name, value in row.operation.headers.items():
        if name not in headers:
            return StorageError(errors.MISSING_REQUIRED_HEADER, HeaderName=name)
        if value != ANY and headers[name].lower() != value.lower():
            return StorageError(
                errors.INVALID_HEADER_VALUE, HeaderName=name, HeaderValue=headers[name]
            )
    for name in row.operation.query:
        if name not in query:
            return StorageError(errors.MISSING_REQUIRED_QUERY_PARAMETER, QueryParameterName=name)
    return StorageError(errors.INVALID_QUERY_PARAMETER_VALUE)


def _compile(operation: Operation[S], template: _Template) -> _Row[S]:
    query = tuple(
        (name, value.lower())
        for name, value in operation.query.items()
        if name not in ("comp", "restype") or value == ANY
    )
    headers = tuple((name, value.lower()) for name, value in operation.headers.items())
    return _Row(operation, template, query, headers)


def _pattern(part: str) -> str:
    """Return the regular expression of a segment such as ``{table}({keys})``.

    A value ends where the next literal begins; the last one may hold anything.
    """
    pieces: list[str] = []
    at = 0
    for variable in _VARIABLE.finditer(part):
        is_last = "{" not in part[variable.end() :]
        inside = "." if is_last else f"[^{re.escape(part[variable.end()])}]"
        pieces += [re.escape(part[at : variable.start()]), f"(?P<{variable[1]}>{inside}+)"]
        at = variable.end()
    return "".join(pieces) + re.escape(part[at:])


def _decoded(segment: str) -> str:
    if "%" not in segment:
        return segment
    try:
        return unquote(segment, errors="strict")
    except UnicodeDecodeError as error:
        raise StorageError(errors.INVALID_URI) from error
