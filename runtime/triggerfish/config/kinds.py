"""What the value of a setting can be, and how its text is read.

A kind reads a JSON value, or the text of an environment variable that stands for one:
numbers and booleans may be written as texts. Pure. Behaviour: spec host-and-worker.md, 2.1.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Protocol

from triggerfish.model import LogLevel
from triggerfish.timespan import parse_timespan, timespan_text


class KindError(ValueError):
    """A value that is not of the kind; ``expected`` of the kind says what would be."""


class Kind(Protocol):
    """One kind of value."""

    @property
    def expected(self) -> str:
        """What is valid, as the rest of the sentence "expected …"."""
        ...

    def read(self, raw: object) -> object:
        """Return the value that ``raw`` stands for. Raises ``ValueError``."""
        ...


@dataclass(frozen=True, slots=True)
class Text:
    """Any text; numbers and booleans are taken as written."""

    expected: str = "a text"

    def read(self, raw: object) -> str:
        if isinstance(raw, dict | list):
            raise KindError
        return str(raw).lower() if isinstance(raw, bool) else str(raw)


@dataclass(frozen=True, slots=True)
class Flag:
    """True or false; ``numbers`` takes 1 and 0 too, as the variables of Python programs do."""

    numbers: bool = False

    @property
    def expected(self) -> str:
        return "true or false (1 or 0)" if self.numbers else "true or false"

    def read(self, raw: object) -> bool:
        text = str(raw).strip().lower()
        if text in ("true", "false"):
            return text == "true"
        if self.numbers and text in ("1", "0"):
            return text == "1"
        raise KindError


@dataclass(frozen=True, slots=True)
class Integer:
    """A whole number within bounds; None is no bound."""

    low: int | None = None
    high: int | None = None

    @property
    def expected(self) -> str:
        if self.low is None:
            return "an integer" if self.high is None else f"an integer of at most {self.high}"
        if self.high is None:
            return f"an integer of at least {self.low}"
        return f"an integer from {self.low} to {self.high}"

    def read(self, raw: object) -> int:
        if isinstance(raw, bool | float) or not _DIGITS.fullmatch(text := str(raw).strip()):
            raise KindError
        number = int(text)
        too_low = self.low is not None and number < self.low
        too_high = self.high is not None and number > self.high
        if too_low or too_high:
            raise KindError
        return number


_DIGITS: Final = re.compile(r"[+-]?[0-9]{1,18}")


@dataclass(frozen=True, slots=True)
class Timespan:
    """A length of time as .NET writes it; ``None`` is "without end" where that is allowed.

    ``bare_number`` says whether ``5`` is taken, which .NET reads as five days.
    """

    low: timedelta
    high: timedelta | None = None
    endless: tuple[str, ...] = ()
    bare_number: bool = True

    @property
    def expected(self) -> str:
        bounds = f"of at least {timespan_text(self.low)}"
        if self.high is not None:
            bounds = f"from {timespan_text(self.low)} to {timespan_text(self.high)}"
        also = f", or {self.endless[0]} for no limit" if self.endless else ""
        hint = "" if self.bare_number else " (a bare number would be read as days)"
        return f"a timespan hh:mm:ss {bounds}{also}{hint}"

    def read(self, raw: object) -> timedelta | None:
        if isinstance(raw, bool | dict | list):
            raise KindError
        text = str(raw).strip()
        if text in self.endless:
            return None
        if not self.bare_number and ":" not in text:
            raise KindError
        length = parse_timespan(text)
        if length < self.low or (self.high is not None and length > self.high):
            raise KindError
        return length


@dataclass(frozen=True, slots=True)
class Choice:
    """One of some words, in any letter case; the value has the case given here."""

    words: tuple[str, ...]

    @property
    def expected(self) -> str:
        return f"{', '.join(self.words[:-1])} or {self.words[-1]}"

    def read(self, raw: object) -> str:
        wanted = str(raw).strip().lower()
        for word in self.words:
            if word.lower() == wanted:
                return word
        raise KindError


@dataclass(frozen=True, slots=True)
class Level:
    """A log level by its name."""

    @property
    def expected(self) -> str:
        return "Trace, Debug, Information, Warning, Error, Critical or None"

    def read(self, raw: object) -> LogLevel:
        name = str(raw).strip().upper()
        if name not in LogLevel.__members__:
            raise KindError
        return LogLevel[name]


@dataclass(frozen=True, slots=True)
class Names:
    """A list of texts."""

    expected: str

    def read(self, raw: object) -> tuple[str, ...]:
        if raw == {}:  # an empty list: the tree of a document does not keep them apart
            return ()
        if not isinstance(raw, list) or not all(isinstance(name, str) for name in raw):
            raise KindError
        return tuple(raw)


@dataclass(frozen=True, slots=True)
class Members:
    """An object whose members all have one kind, under names that the user chooses."""

    of: Kind
    named: str

    @property
    def expected(self) -> str:
        return f"an object of {self.named} with {self.of.expected}"

    def read(self, raw: object) -> Mapping[str, object]:
        if not isinstance(raw, dict):
            raise KindError
        return {name: self.of.read(value) for name, value in raw.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Anything:
    """A value that is not looked into."""

    expected: str = "anything"

    def read(self, raw: object) -> object:
        return raw
