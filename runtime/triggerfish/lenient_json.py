"""JSON as the real host reads and writes it: lenient in, indented out.

Owns which deviations are accepted (comments, trailing commas, single quotes, names without
quotes, a byte-order mark, raw control characters in texts) and what an error says. Used for
configuration files, message payloads and request bodies; never reads a file itself.
Behaviour: spec host-and-worker.md (2.1), queue-trigger.md (10, 11.2), http-trigger.md (5.3).
"""

from __future__ import annotations

import json
import re
from typing import Any, Final, NoReturn

from triggerfish.worker.json_text import encoder

MAX_DEPTH: Final = 64  # that of the real host's parser


class LenientJsonError(ValueError):
    """A text that is no JSON, even leniently read; lines and columns count from 1."""

    def __init__(self, message: str, *, line: int, column: int) -> None:
        super().__init__(f"line {line}, column {column}: {message}")
        self.message = message
        self.line = line
        self.column = column


def loads(text: str) -> Any:
    """Return the value of a JSON document; of names given twice the last wins.

    Raises ``LenientJsonError``, also for documents nested deeper than ``MAX_DEPTH``.
    """
    text = text.removeprefix("\ufeff")
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = _Parser(text).document()
    else:
        if text.count("{") + text.count("[") > MAX_DEPTH and _is_too_deep(value):
            raise _too_deep(text, len(text))
    if "\\u" in text and _SURROGATE_ESCAPE.search(text):
        return _whole_characters(value)
    return value


def indented(value: Any) -> str:
    """Return ``value`` as the real host writes JSON: two spaces, nothing escaped needlessly."""
    if isinstance(value, dict) and value and _NESTED.isdisjoint(map(type, value.values())):
        # With an indent the standard library writes in Python; this is ten times as fast.
        return f"{{\n  {_members_on_lines(value)[1:-1]}\n}}"
    return json.dumps(value, indent=2, ensure_ascii=False)


def compact(value: Any) -> str:
    """Return ``value`` on one line without blanks."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


_NESTED: Final = frozenset((dict, list, tuple))
_members_on_lines: Final = encoder(",\n  ", ": ", ascii_only=False)
_SURROGATE_ESCAPE: Final = re.compile(r"\\u[dD][89a-fA-F]")
_BLANK: Final = re.compile(r"(?:\s+|//[^\r\n]*|/\*.*?\*/)*", re.DOTALL)
_NAME: Final = re.compile(r"[\w$]+")
_NUMBER: Final = re.compile(
    r"-?(?:0[xX][0-9a-fA-F]+|(?:0|[1-9]\d*)?\.\d+(?:[eE][+-]?\d+)?"
    r"|(?:0|[1-9]\d*)\.?(?:[eE][+-]?\d+)?)",
    re.ASCII,
)
_TEXT: Final = {
    '"': re.compile(r'"([^"\\]*(?:\\.[^"\\]*)*)"', re.DOTALL),
    "'": re.compile(r"'([^'\\]*(?:\\.[^'\\]*)*)'", re.DOTALL),
}
_ESCAPE: Final = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)
_ESCAPES: Final = {
    "b": "\b",
    "f": "\f",
    "n": "\n",
    "r": "\r",
    "t": "\t",
    "/": "/",
    "\\": "\\",
    '"': '"',
    "'": "'",
}
_WORDS: Final = {
    "true": True,
    "false": False,
    "null": None,
    "NaN": float("nan"),
    "Infinity": float("inf"),
    "-Infinity": float("-inf"),
}
_LONGEST_HEXADECIMAL: Final = 19  # a sign, 0x and 64 bits
_WORD: Final = re.compile(r"-?[A-Za-z]+")
_NOT_AFTER_A_SCALAR: Final = ("_", "$", "-", "+", ".")


class _Parser:
    """Reads one document; ``_depth`` keeps recursion within ``MAX_DEPTH``."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._depth = 0

    def document(self) -> Any:
        if not self._peek():
            self._fail("the document is empty")
        value = self._value()
        if self._peek():
            self._fail("unexpected text after the end of the document")
        return value

    def _value(self) -> Any:
        start = self._peek()
        if start in ("{", "["):
            if self._depth == MAX_DEPTH:
                raise _too_deep(self._text, self._at)
            self._depth += 1
            value = self._object() if start == "{" else self._array()
            self._depth -= 1
            return value
        if start in _TEXT:
            return self._string(start)
        return self._scalar()

    def _object(self) -> dict[str, Any]:
        self._at += 1
        members: dict[str, Any] = {}
        while (start := self._peek()) != "}":
            name = self._string(start) if start in _TEXT else self._bare_name()
            if self._peek() != ":":
                self._fail("':' expected after a property name")
            self._at += 1
            members[name] = self._value()
            self._separator("}")
        self._at += 1
        return members

    def _array(self) -> list[Any]:
        self._at += 1
        elements: list[Any] = []
        while self._peek() != "]":
            elements.append(self._value())
            self._separator("]")
        self._at += 1
        return elements

    def _separator(self, end: str) -> None:
        found = self._peek()
        if found == ",":
            self._at += 1
        elif found != end:
            self._fail(f"',' or '{end}' expected")

    def _bare_name(self) -> str:
        match = _NAME.match(self._text, self._at)
        if match is None:
            self._fail("a property name or '}' expected")
        self._at = match.end()
        return match.group()

    def _string(self, quote: str) -> str:
        match = _TEXT[quote].match(self._text, self._at)
        if match is None:
            self._fail("a text without its closing quote")
        start, content = match.start(1), match.group(1)
        if "\\" in content:
            content = _ESCAPE.sub(lambda escape: self._unescape(escape, start), content)
            content = _join_surrogates(content)
        self._at = match.end()
        return content

    def _unescape(self, escape: re.Match[str], start: int) -> str:
        code = escape.group(1)
        if len(code) == 5:
            return chr(int(code[1:], 16))
        if code not in _ESCAPES:
            self._at = start + escape.start()
            self._fail(f"unknown escape '\\{code}'")
        return _ESCAPES[code]

    def _scalar(self) -> Any:
        number = _NUMBER.match(self._text, self._at)
        match = number or _WORD.match(self._text, self._at)
        following = self._text[match.end() : match.end() + 1] if match else ""
        if match is None or following.isalnum() or following in _NOT_AFTER_A_SCALAR:
            found = self._text[self._at : self._at + 20]
            self._fail(f"a value expected, not {repr(found) if found else 'the end'}")
        value = self._number(match.group()) if number else self._word(match.group())
        self._at = match.end()
        return value

    def _number(self, digits: str) -> int | float:
        try:
            if "x" in digits.lower() and len(digits) <= _LONGEST_HEXADECIMAL:
                return int(digits, 16)
            return float(digits) if any(mark in digits for mark in ".eE") else int(digits)
        except ValueError:  # Python limits the number of digits
            self._fail("a number with too many digits")

    def _word(self, word: str) -> Any:
        if word not in _WORDS:
            self._fail(f"a value expected, not '{word[:20]}'")
        return _WORDS[word]

    def _peek(self) -> str:
        """Return the next character that means something, empty at the end."""
        if blank := _BLANK.match(self._text, self._at):
            self._at = blank.end()
        if self._text.startswith("/*", self._at):
            self._fail("a comment without its end '*/'")
        return self._text[self._at : self._at + 1]

    def _fail(self, message: str) -> NoReturn:
        raise _error(message, self._text, self._at)


def _error(message: str, text: str, at: int) -> LenientJsonError:
    before = text[:at]
    line = before.count("\n") + 1
    return LenientJsonError(message, line=line, column=at - (before.rfind("\n") + 1) + 1)


def _too_deep(text: str, at: int) -> LenientJsonError:
    return _error(f"nested deeper than {MAX_DEPTH} levels", text, at)


def _is_too_deep(value: Any) -> bool:
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [
            child
            for parent in level
            for child in (parent.values() if isinstance(parent, dict) else parent)
            if isinstance(child, dict | list)
        ]
        if not level:
            return False
    return True


def _join_surrogates(text: str) -> str:
    """Make one character of two escaped halves; half a character alone becomes U+FFFD."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _whole_characters(value: Any) -> Any:
    if isinstance(value, str):
        return _join_surrogates(value)
    if isinstance(value, list):
        return [_whole_characters(element) for element in value]
    if isinstance(value, dict):
        return {_join_surrogates(name): _whole_characters(v) for name, v in value.items()}
    return value
