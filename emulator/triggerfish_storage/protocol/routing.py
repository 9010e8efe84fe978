"""Which operation a request is: templates and demands compiled once, looked up by dictionary.

The template that says most of a path wins, and of its rows the one that asks most of the
request. What no row wants is answered with the documented error that comes closest to what
the request got wrong.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Generic
from urllib.parse import unquote

from triggerfish_storage import errors
from triggerfish_storage.errors import ErrorCode, StorageError
from triggerfish_storage.protocol.operations import Operation, S

ANY: Final = "*"
_VARIABLE: Final = re.compile(r"\{(\w+)(\.\.\.)?\}")
_Key = tuple[str, int, str, str]


class _Template:
    """A path taken apart: which segments are a text, fit a pattern, or are a value."""

    def __init__(self, path: str) -> None:
        parts = path.strip("/").split("/") if path != "/" else []
        self.count = len(parts)
        self.has_rest = False
        self._rest = ""  # the name of what takes all segments that are left
        self._literals: list[tuple[int, str]] = []
        self._patterns: list[tuple[int, str, str, re.Pattern[str]]] = []
        self._names: list[tuple[int, str]] = []
        for position, part in enumerate(parts):
            whole = _VARIABLE.fullmatch(part)
            if whole and whole[2]:
                self.has_rest, self._rest = True, whole[1]
            elif whole:
                self._names.append((position, whole[1]))
            elif "{" in part:
                start, end = part[: part.index("{")], part[part.rindex("}") + 1 :]
                pattern = re.compile(_pattern(part), re.DOTALL)
                self._patterns.append((position, start, end, pattern))
            else:
                self._literals.append((position, part))
        self.weight = 2 * len(self._literals) + len(self._patterns) - self.has_rest
        is_text = len(self._literals) == self.count
        self.text = tuple(literal for _, literal in self._literals) if is_text else None

    def takes(self, count: int) -> bool:
        """Whether a path of ``count`` segments can fit."""
        return count == self.count or (self.has_rest and count > self.count)

    def values(self, given: list[str]) -> dict[str, str] | None:
        """Return the values in a path's segments, of which there are enough; None if none fit."""
        for position, literal in self._literals:
            if given[position] != literal:
                return None
        found: dict[str, str] = {}
        for position, start, end, pattern in self._patterns:
            segment = given[position]
            if (start and not segment.startswith(start)) or not segment.endswith(end):
                return None  # sooner than a pattern would find out
            match = pattern.fullmatch(segment)
            if match is None:
                return None
            found |= match.groupdict()
        for position, name in self._names:
            found[name] = given[position]
        if self.has_rest:
            found[self._rest] = "/".join(given[self.count - 1 :])
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
        return not (
            (self.query and _lacks(query, self.query))
            or (self.headers and _lacks(headers, self.headers))
        )


def _lacks(given: Mapping[str, str], demands: tuple[tuple[str, str], ...]) -> bool:
    for name, wanted in demands:
        value = given.get(name)
        if value is None or (wanted != ANY and value.lower() != wanted):
            return True
    return False


class _Choice(Generic[S]):
    """The rows for requests of one kind, by template: those that are all text, and the others."""

    def __init__(self) -> None:
        self.texts: dict[tuple[str, ...], list[_Row[S]]] = {}
        self.others: dict[_Template, list[_Row[S]]] = {}

    def add(self, row: _Row[S]) -> None:
        text = row.template.text
        if text is not None:
            self.texts.setdefault(text, []).append(row)
        else:
            self.others.setdefault(row.template, []).append(row)


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
        self._index: dict[_Key, _Choice[S]] = {}
        for row in self._rows:
            query, template = row.operation.query, row.template
            comp, restype = query.get("comp", "").lower(), query.get("restype", "").lower()
            last = self._most if template.has_rest else template.count
            for count in range(template.count, last + 1):
                key = (row.operation.method, count, comp, restype)
                self._index.setdefault(key, _Choice()).add(row)

    def match(
        self, method: str, path: str, query: Mapping[str, str], headers: Mapping[str, str]
    ) -> tuple[Operation[S], dict[str, str]]:
        """Return the operation and its path's values; ``path`` is raw and has no first slash."""
        given = path.split("/") if path else []
        if len(given) == 2 and not given[1]:
            given.pop()  # a container's name with a slash behind it
        if "%" in path:
            given = [_decoded(segment) for segment in given]
        choice = self._choice(method, len(given), query)
        if choice is None:
            raise self._refusal(method, given, query, headers)
        if choice.texts:
            for row in choice.texts.get(tuple(given), ()):
                if row.wants(query, headers):
                    return row.operation, {}
        for template, rows in choice.others.items():
            values = template.values(given)
            if values is not None:
                for row in rows:
                    if row.wants(query, headers):
                        return row.operation, values
        raise self._refusal(method, given, query, headers)

    def _choice(self, method: str, count: int, query: Mapping[str, str]) -> _Choice[S] | None:
        if count > self._most:
            count = self._most
        if not query:
            return self._index.get((method, count, "", ""))
        comp, restype = query.get("comp", ""), query.get("restype", "")
        return self._index.get((method, count, comp.lower(), restype.lower()))

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
