"""``$filter`` of the Table service: OData's comparisons and logic, as text and as a tree.

Pure. Comparisons of a property with a literal (on either side), ``and``, ``or``, ``not``,
parentheses, and a boolean property alone. What else OData knows (functions, arithmetic) the
service says it has not implemented.

Syntax: https://learn.microsoft.com/rest/api/storageservices/querying-tables-and-entities
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple, NoReturn, cast

from triggerfish_storage import errors
from triggerfish_storage.errors import StorageError
from triggerfish_storage.tables.edm import Comparable, parse_date_time, parse_guid

Operator = Literal["eq", "ne", "gt", "ge", "lt", "le"]

COMPARISONS_LIMIT: Final = 500
DEPTH_LIMIT: Final = 101  # a hundred comparisons as clients combine them, pair by pair
_OPERATORS: Final = frozenset({"eq", "ne", "gt", "ge", "lt", "le"})
_ARITHMETIC: Final = frozenset({"add", "sub", "mul", "div", "mod"})
_FUNCTIONS: Final = frozenset(
    {
        *("cast", "ceiling", "concat", "day", "endswith", "floor", "hour", "indexof", "isof"),
        *("length", "minute", "month", "replace", "round", "second", "startswith", "substring"),
        *("substringof", "tolower", "toupper", "trim", "year"),
    }
)
_MIRRORED: Final[dict[str, Operator]] = {
    "eq": "eq",
    "ne": "ne",
    "gt": "lt",
    "ge": "le",
    "lt": "gt",
    "le": "ge",
}
_TOKEN: Final = re.compile(
    r"""\s*(?:
      (?P<parenthesis>[()])
    | (?P<typed>(?i:datetime|guid|binary|X))'(?P<content>(?:[^']|'')*)'
    | '(?P<text>(?:[^']|'')*)'
    | (?P<number>[+-]?(?:\d+\.\d*|\.\d+|\d+)(?:[eE][+-]?\d+)?)(?P<suffix>[lLdDfFmM]?)(?!\w)
    | (?P<special>-?INF|NaN)(?!\w)
    | (?P<word>[^\s()']+)
    )""",
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Compare:
    """``name operator value``."""

    name: str
    operator: Operator
    value: Comparable


@dataclass(frozen=True, slots=True)
class Not:
    """``not …``"""

    operand: Filter


@dataclass(frozen=True, slots=True)
class All:
    """``… and … and …``"""

    operands: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """``… or … or …``"""

    operands: tuple[Filter, ...]


Filter = Compare | Not | All | AnyOf

EVERYTHING: Final = All(())


class _Token(NamedTuple):
    kind: Literal["(", ")", "word", "literal", "end"]
    text: str = ""
    value: Comparable = ("string", "")


_Node = Filter | _Token  # a token is a property or a value, which may stand in parentheses too


def parse_filter(text: str) -> Filter:
    """Return the tree of a filter; an empty one lets everything through."""
    if not text.strip():
        return EVERYTHING
    return _Parser(text).parse()


class _Parser:
    """Recursive descent; ``not`` binds tighter than ``and``, that tighter than ``or``."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = _tokens(text)
        self._token = next(self._tokens)
        self._depth = 0
        self._comparisons = 0

    def parse(self) -> Filter:
        found = self._truth(self._any_of())
        if self._token.kind != "end":
            self._refuse()
        return found

    def _any_of(self) -> _Node:
        self._depth += 1
        if self._depth > DEPTH_LIMIT:
            self._refuse("it is nested too deep")
        operands = [self._all_of()]
        while self._takes("or"):
            operands.append(self._all_of())
        self._depth -= 1
        return operands[0] if len(operands) == 1 else AnyOf(tuple(map(self._truth, operands)))

    def _all_of(self) -> _Node:
        operands = [self._one()]
        while self._takes("and"):
            operands.append(self._one())
        return operands[0] if len(operands) == 1 else All(tuple(map(self._truth, operands)))

    def _one(self) -> _Node:
        negations = 0
        while self._takes("not"):
            negations += 1
        found = self._comparison()
        return Not(self._truth(found)) if negations % 2 else found

    def _comparison(self) -> _Node:
        left = self._term()
        if self._token.kind != "word" or self._token.text not in _OPERATORS:
            return left
        operator = cast("Operator", self._next().text)
        right = self._term()
        self._count()
        if isinstance(left, _Token) and isinstance(right, _Token):
            if left.kind == "word" and right.kind == "literal":
                return Compare(left.text, operator, right.value)
            if left.kind == "literal" and right.kind == "word":
                return Compare(right.text, _MIRRORED[operator], left.value)
        return self._refuse("a comparison has a property on one side and a value on the other")

    def _term(self) -> _Node:
        found = self._next()
        if found.kind == "(":
            inside = self._any_of()
            if self._next().kind != ")":
                self._refuse()
            return inside
        if found.kind not in ("word", "literal"):
            self._refuse()
        is_function = self._token.kind == "(" and found.text in _FUNCTIONS
        if is_function or (self._token.kind == "word" and self._token.text in _ARITHMETIC):
            raise StorageError(errors.NOT_IMPLEMENTED)
        return found

    def _truth(self, node: _Node) -> Filter:
        """Return what stands where something true or false has to."""
        if not isinstance(node, _Token):
            return node
        self._count()
        if node.kind == "word":
            return Compare(node.text, "eq", ("bool", 1))
        if node.value[0] == "bool":
            return EVERYTHING if node.value[1] else AnyOf(())
        return self._refuse()

    def _count(self) -> None:
        self._comparisons += 1
        if self._comparisons > COMPARISONS_LIMIT:
            self._refuse("it has too many comparisons")

    def _takes(self, word: str) -> bool:
        if self._token.kind == "word" and self._token.text == word:
            self._next()
            return True
        return False

    def _next(self) -> _Token:
        token = self._token
        if token.kind != "end":
            self._token = next(self._tokens)
        return token

    def _refuse(self, reason: str = "it is malformed") -> NoReturn:
        refuse(self._text, reason)


def refuse(text: str, reason: str) -> NoReturn:
    """Raise the documented error for a filter."""
    raise StorageError(errors.INVALID_INPUT, Reason=f"The filter '{text[:200]}': {reason}.")


def _tokens(text: str) -> Iterator[_Token]:
    at, end = 0, len(text.rstrip())
    while at < end:
        found = _TOKEN.match(text, at)
        if found is None:
            refuse(text, f"it makes no sense from character {at + 1} on")
        at = found.end()
        yield _token(found, text)
    while True:
        yield _Token("end")


def _token(found: re.Match[str], text: str) -> _Token:
    if found["parenthesis"]:
        return _Token("(" if found["parenthesis"] == "(" else ")")
    if found["word"]:
        word = found["word"]
        boolean = word.lower()  # .NET and Python write them with a capital
        if boolean in ("true", "false"):
            return _Token("literal", value=("bool", int(boolean == "true")))
        if not word.isidentifier():  # as the names of properties are; ``\w`` has fewer letters
            refuse(text, f"'{word[:60]}' is neither a name nor a value")
        return _Token("word", word)
    if found["text"] is not None:
        return _Token("literal", value=("string", found["text"].replace("''", "'")))
    if found["typed"]:
        return _Token("literal", value=_typed(found["typed"].lower(), found["content"], text))
    if found["special"]:
        return _Token("literal", value=("number", float(found["special"])))
    return _Token("literal", value=("number", _number(found["number"], found["suffix"], text)))


def _typed(kind: str, content: str, text: str) -> Comparable:
    if kind in ("x", "binary"):
        try:
            return "binary", bytes.fromhex(content)
        except ValueError:
            refuse(text, "a binary literal has two hexadecimal digits for each byte")
    try:
        if kind == "datetime":
            return "datetime", parse_date_time(content)
        return "guid", parse_guid(content)
    except StorageError:
        refuse(text, f"'{content[:60]}' is no {kind}")


def _number(digits: str, suffix: str, text: str) -> int | float:
    if len(digits) > 400:
        refuse(text, "a number is too long")
    if suffix.lower() in ("d", "f", "m") or not digits.lstrip("+-").isdigit():
        return float(digits)
    value = int(digits)
    if not -(2**63) <= value < 2**63:
        refuse(text, f"{digits[:40]} has no 64 bits")
    return value
