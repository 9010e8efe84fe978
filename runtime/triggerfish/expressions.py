"""Binding expressions: ``%setting%`` and ``{expression}`` in the properties of bindings.

Owns both languages and the data that expressions name; what a JSON payload adds to that
data is in ``payload``. Capturing patterns of blob triggers (``path_pattern``) and HTTP routes
(``http.routes``) look alike but are other languages. Behaviour: spec binding-expressions.md.
https://learn.microsoft.com/azure/azure-functions/functions-bindings-expressions-patterns
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Final, NamedTuple
from uuid import UUID, uuid4

from triggerfish.dotnet_text import format_date, format_guid, scalar_text
from triggerfish.model import TriggerfishError

Lookup = Callable[[str], str | None]


class ExpressionError(TriggerfishError):
    """A setting or template that cannot be parsed, or has no value now."""


# --- settings ---------------------------------------------------------------------------------


def setting_lookup(environ: Mapping[str, str]) -> Lookup:
    """Return the look-up of a setting: by its name, else with ``:`` written as ``__``."""

    def lookup(name: str) -> str | None:
        value = environ.get(name)
        return environ.get(name.replace(":", "__")) if value is None else value

    return lookup


def resolve_settings(text: str, lookup: Lookup) -> str:
    """Replace every ``%name%`` by its setting; values are not looked into again."""
    pieces = text.split("%")
    if len(pieces) % 2 == 0:
        position = len(text) - len(pieces[-1]) - 1
        raise ExpressionError(f"The '%' at position {position} of '{text}' has no closing '%'.")
    for index in range(1, len(pieces), 2):
        value = lookup(pieces[index])
        if value is None or not pieces[index]:
            raise ExpressionError(f"'%{pieces[index]}%' does not resolve to a value.")
        pieces[index] = value
    return "".join(pieces)


# --- binding data -----------------------------------------------------------------------------


class BindingData(Mapping[str, object]):
    """What expressions may name, whatever the letter case; of several layers the first wins.

    Values keep their types, because rendering depends on them (section 4.2): ``datetime``
    without zone, ``UUID``, ``str`` and ``int`` have a text, mappings have members. Iterating
    gives names in lower case. ``why_missing`` says why there may be less than expected.
    """

    def __init__(self, *layers: Mapping[str, object], why_missing: Callable[[], str] = str) -> None:
        self._layers = layers
        self.why_missing = why_missing

    @cached_property
    def _values(self) -> dict[str, object]:
        """All layers as one; most invocations of constant templates never ask."""
        layers = reversed(self._layers)
        return {name.lower(): value for layer in layers for name, value in layer.items()}

    def __getitem__(self, name: str) -> object:
        return self._values[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


# --- templates --------------------------------------------------------------------------------


class Piece(NamedTuple):
    """A literal of a template, or what stands between two braces."""

    text: str
    braced: bool


_PIECE: Final = re.compile(r"\{\{|\}\}|\{[^{}]*\}|[^{}]+|[{}]")


def split_braces(text: str) -> Iterator[Piece]:
    """Part a template, or a pattern, at its braces; ``{{`` and ``}}`` are literal braces."""
    for match in _PIECE.finditer(text):
        found, position = match.group(), match.start() + 1
        if found in ("{", "}"):
            missing = "closing" if found == "{" else "opening"
            raise ExpressionError(
                f"Invalid template '{text}': missing {missing} bracket at position {position}."
            )
        if found == "{}":
            raise ExpressionError(
                f"Invalid template '{text}': the parameter name at position {position} is empty."
            )
        if found in ("{{", "}}"):
            yield Piece(found[0], False)
        elif found[0] == "{":
            yield Piece(found[1:-1], True)
        else:
            yield Piece(found, False)


@dataclass(frozen=True, slots=True)
class Template:
    """A parsed template; parse once, render for every invocation."""

    text: str
    _parts: tuple[str | _Expression, ...] = field(repr=False)

    @classmethod
    def parse(cls, text: str) -> Template:
        """Parse ``text``, settings already replaced. Raises ``ExpressionError``."""
        return cls(
            text,
            tuple(
                _parse_expression(piece.text, text) if piece.braced else piece.text
                for piece in split_braces(text)
            ),
        )

    @property
    def is_constant(self) -> bool:
        """Whether every invocation gets the same text."""
        return all(isinstance(part, str) for part in self._parts)

    def render(
        self,
        data: Mapping[str, object],
        *,
        function: str,
        now: datetime,
        new_guid: Callable[[], UUID] = uuid4,
        hundred_nanoseconds: int = 0,
    ) -> str:
        """Return the text for one invocation. Raises ``ExpressionError``.

        ``hundred_nanoseconds`` is the digit of ``now`` that ``datetime`` cannot hold.
        """
        scope = _Scope(
            data if isinstance(data, BindingData) else BindingData(data),
            function,
            now,
            new_guid,
            hundred_nanoseconds,
        )
        try:
            return "".join(
                part if isinstance(part, str) else part.evaluate(scope) for part in self._parts
            )
        except (ValueError, ExpressionError) as error:
            raise ExpressionError(f"{error} (in '{self.text}')") from error


class _Scope(NamedTuple):
    data: BindingData
    function: str
    now: datetime
    new_guid: Callable[[], UUID]
    hundred_nanoseconds: int

    def time_text(self, format_text: str) -> str:
        return format_date(self.now, format_text, hundred_nanoseconds=self.hundred_nanoseconds)

    def guid_text(self, format_text: str) -> str:
        return format_guid(self.new_guid(), format_text)


_MISSING: Final = object()
_CLOCK: Final = "datetime"
_GUID: Final = "rand-guid"
_SYSTEM: Final = "sys"


@dataclass(frozen=True, slots=True)
class _Expression:
    """``{path:format}``; for built-ins known by their prefix the format is part of the path."""

    path: tuple[str, ...]
    format: str

    def evaluate(self, scope: _Scope) -> str:
        first = self.path[0].lower()
        value = scope.data.get(first, _MISSING)
        if value is _MISSING:
            return self._built_in(first, scope)
        for part in self.path[1:]:
            value = _member(value, part)
        return _text(value, self.format, in_json=len(self.path) > 1)

    def _built_in(self, first: str, scope: _Scope) -> str:
        if first.startswith(_CLOCK):
            return scope.time_text(self.path[0].partition(":")[2])
        if first.startswith(_GUID):
            return scope.guid_text(self.path[0].partition(":")[2])
        if first == _SYSTEM:
            return self._system_value(scope)
        reason = scope.data.why_missing()
        raise ExpressionError(
            f"No value for named parameter '{self.path[0]}'" + (f": {reason}." if reason else ".")
        )

    def _system_value(self, scope: _Scope) -> str:
        match tuple(part.lower() for part in self.path[1:]):
            case ():
                return ""
            case ("methodname",):
                return scope.function
            case ("utcnow",):
                return scope.time_text(self.format)
            case ("randguid",):
                return scope.guid_text(self.format)
            case ("methodname" | "utcnow" | "randguid", *_):
                raise _no_member(self.path[2])
        raise _no_member(self.path[1])


def _member(value: object, part: str) -> object:
    if not isinstance(value, Mapping):
        raise _no_member(part)
    if part in value:
        return value[part]
    folded = part.lower()
    for name, member in value.items():
        if str(name).lower() == folded:
            return member
    raise _no_member(part)


def _no_member(part: str) -> ExpressionError:
    return ExpressionError(f"Error while accessing '{part}': property doesn't exist.")


def _text(value: object, format_text: str, *, in_json: bool) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool | float):
        return scalar_text(value) if in_json else ""
    if isinstance(value, int):
        return str(value)
    if isinstance(value, datetime) and value.tzinfo is None:
        return format_date(value, format_text)
    if isinstance(value, UUID):
        return format_guid(value, format_text)
    return ""


def _parse_expression(body: str, template: str) -> _Expression:
    if body.lower().startswith((_CLOCK, _GUID)):
        return _Expression(tuple(body.split(".")), "")
    path, _, format_text = body.partition(":")
    first, *rest = path.split(".")
    if not _is_name(first) or not all(_is_name(part) for part in rest if part):
        raise ExpressionError(
            f"Invalid template '{template}': invalid template expression '{{{body}}}'."
        )
    if "-" in first:
        raise ExpressionError(
            f"Invalid template '{template}': the parameter name '{first}' is invalid."
        )
    if not all(rest):
        raise ExpressionError(f"Illegal expression '{{{body}}}' in '{template}'.")
    return _Expression((first, *rest), format_text)


_LATER_CATEGORIES: Final = frozenset(("Nd", "Nl", "Pc", "Mn", "Mc", "Cf"))


def _is_name(text: str) -> bool:
    """Whether ``text`` is a name; dashes pass, because only the first of a path has none."""
    first = text[:1]
    return (first.isalpha() or first in ("_", "-")) and all(map(_may_follow, text[1:]))


def _may_follow(character: str) -> bool:
    return (
        character.isalpha()
        or character == "-"
        or unicodedata.category(character) in _LATER_CATEGORIES
    )
