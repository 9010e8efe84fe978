"""Which operation a request is: templates and demands compiled once, looked up by dictionary.

The row that asks most of a request wins; what no row wants is answered with the documented
error that comes closest to what the request got wrong.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Generic
from urllib.parse import unquote

from triggerfish_storage import errors
from triggerfish_storage.errors import StorageError
from triggerfish_storage.protocol.operations import Operation, S

ANY: Final = "*"
_VARIABLE: Final = re.compile(r"\{(\w+)(\.\.\.)?\}")
_Key = tuple[str, int, str, str]


@dataclass(frozen=True, slots=True)
class _Row(Generic[S]):
    """An operation with its template taken apart: per segment a literal, a name or a pattern."""

    operation: Operation[S]
    segments: tuple[str | re.Pattern[str], ...]
    names: tuple[str, ...]
    has_rest: bool
    demands: tuple[tuple[str, str], ...]

    @property
    def weight(self) -> int:
        fixed = sum(isinstance(segment, re.Pattern) for segment in self.segments)
        literal = sum(isinstance(segment, str) and segment != "" for segment in self.segments)
        demands = (*self.operation.query.values(), *self.operation.headers.values())
        asked = sum(2 if value == ANY else 3 for value in demands)
        return 2 * literal + fixed + asked - self.has_rest

    def takes(self, count: int) -> bool:
        """Whether a path of ``count`` segments can fit."""
        return count == len(self.segments) or (self.has_rest and count > len(self.segments))

    def values(self, path: str, given: list[str]) -> dict[str, str] | None:
        """Return the template's values in ``path``, None where it does not fit."""
        found: dict[str, str] = {}
        for position, segment in enumerate(self.segments):
            if isinstance(segment, re.Pattern):
                match = segment.fullmatch(_decoded(given[position]))
                if match is None:
                    return None
                found.update(match.groupdict())
            elif segment:
                if given[position] != segment:
                    return None
            elif self.has_rest and position == len(self.segments) - 1:
                found[self.names[position]] = _decoded(path.split("/", position)[position])
            else:
                found[self.names[position]] = _decoded(given[position])
        return found

    def wants(self, query: Mapping[str, str], headers: Mapping[str, str]) -> bool:
        for name, value in self.demands:
            given = query.get(name)
            if given is None or (value != ANY and given.lower() != value):
                return False
        for name, value in self.operation.headers.items():
            given = headers.get(name)
            if given is None or (value != ANY and given.lower() != value.lower()):
                return False
        return True


class Router(Generic[S]):
    """The operations of one service, ready to be matched."""

    def __init__(self, operations: Iterable[Operation[S]]) -> None:
        self._rows = sorted((_compile(row) for row in operations), key=lambda row: -row.weight)
        self._most = max((len(row.segments) for row in self._rows), default=0) + 1
        self._index: dict[_Key, list[_Row[S]]] = {}
        for row in self._rows:
            query = row.operation.query
            comp, restype = query.get("comp", "").lower(), query.get("restype", "").lower()
            last = self._most if row.has_rest else len(row.segments)
            for count in range(len(row.segments), last + 1):
                key = (row.operation.method, count, comp, restype)
                self._index.setdefault(key, []).append(row)

    def match(
        self, method: str, path: str, query: Mapping[str, str], headers: Mapping[str, str]
    ) -> tuple[Operation[S], dict[str, str]]:
        """Return the operation and its path's values; ``path`` is raw and has no first slash."""
        given = path.split("/") if path else []
        if len(given) == 2 and not given[1]:
            given.pop()  # a container's name with a slash behind it
        comp, restype = query.get("comp", ""), query.get("restype", "")
        key = (method, min(len(given), self._most), comp.lower(), restype.lower())
        for row in self._index.get(key, ()):
            if row.wants(query, headers):
                values = row.values(path, given)
                if values is not None:
                    return row.operation, values
        raise self._refusal(method, path, given, query, headers)

    def _refusal(
        self,
        method: str,
        path: str,
        given: list[str],
        query: Mapping[str, str],
        headers: Mapping[str, str],
    ) -> StorageError:
        fitting = [
            row
            for row in self._rows
            if (
                len(row.segments) == len(given) or (row.has_rest and len(given) > len(row.segments))
            )
            and row.values(path, given) is not None
        ]
        if not fitting:
            return StorageError(errors.INVALID_URI)
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


def _compile(operation: Operation[S]) -> _Row[S]:
    segments: list[str | re.Pattern[str]] = []
    names: list[str] = []
    has_rest = False
    for part in operation.path.strip("/").split("/") if operation.path != "/" else []:
        whole = _VARIABLE.fullmatch(part)
        if whole:
            segments.append("")
            has_rest = whole[2] is not None
        elif "{" in part:
            segments.append(re.compile(_pattern(part), re.DOTALL))
        else:
            segments.append(part)
        names.append(whole[1] if whole else "")
    demands = tuple(
        (name, value.lower())
        for name, value in operation.query.items()
        if name not in ("comp", "restype") or value == ANY
    )
    return _Row(operation, tuple(segments), tuple(names), has_rest, demands)


def _pattern(part: str) -> str:
    """Return the regular expression of a segment such as ``{table}({keys})``."""
    pieces: list[str] = []
    at = 0
    for variable in _VARIABLE.finditer(part):
        pieces += [re.escape(part[at : variable.start()]), f"(?P<{variable[1]}>.+?)"]
        at = variable.end()
    return "".join(pieces) + re.escape(part[at:])


def _decoded(segment: str) -> str:
    if "%" not in segment:
        return segment
    try:
        return unquote(segment, errors="strict")
    except UnicodeDecodeError as error:
        raise StorageError(errors.INVALID_URI) from error
