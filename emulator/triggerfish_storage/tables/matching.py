"""What a filter says of an entity, and between which keys it can be true at all.

Pure. A property that an entity does not have, or that is of another kind than the literal,
makes a comparison false, whichever it is. Bounds of keys are what lets a query read by index
instead of going through the table.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping, Set
from dataclasses import dataclass
from typing import Any, Final, TypeGuard

from triggerfish_storage.tables.edm import Property, comparable
from triggerfish_storage.tables.filter import EVERYTHING, All, AnyOf, Compare, Filter, Not

_TESTS: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "eq": operator.eq,
    "ne": operator.ne,
    "gt": operator.gt,
    "ge": operator.ge,
    "lt": operator.lt,
    "le": operator.le,
}


def matches(tree: Filter, properties: Mapping[str, Property]) -> bool:
    """Whether a filter is true for these properties."""
    match tree:
        case Compare(name, symbol, (family, value)):
            prop = properties.get(name)
            if prop is None:
                return False
            own_family, own = comparable(prop)
            return own_family == family and _TESTS[symbol](own, value)
        case Not(operand):
            return not matches(operand, properties)
        case All(operands):
            return all(matches(operand, properties) for operand in operands)
        case AnyOf(operands):
            return any(matches(operand, properties) for operand in operands)


def without_case(tree: Filter) -> Filter:
    """Return a filter whose texts are in lower case, for values that are folded like this too."""
    match tree:
        case Compare(name, symbol, ("string", value)):
            return Compare(name, symbol, ("string", str(value).lower()))
        case Compare():
            return tree
        case Not(operand):
            return Not(without_case(operand))
        case All(operands):
            return All(tuple(without_case(operand) for operand in operands))
        case AnyOf(operands):
            return AnyOf(tuple(without_case(operand) for operand in operands))


def names_of(tree: Filter) -> frozenset[str]:
    """Return the names of the properties that a filter looks at."""
    match tree:
        case Compare(name):
            return frozenset((name,))
        case Not(operand):
            return names_of(operand)
        case All(operands) | AnyOf(operands):
            return frozenset().union(*(names_of(operand) for operand in operands))


@dataclass(frozen=True, slots=True)
class Bounds:
    """From which text on a key must lie, and before which; ``end`` is None where there is none."""

    first: str = ""
    end: str | None = None

    @property
    def single(self) -> str | None:
        """The one key that is possible, None where there are several."""
        return self.first if self.end == next_text(self.first) else None

    def within(self, other: Bounds) -> Bounds:
        """Return what both allow."""
        ends = [end for end in (self.end, other.end) if end is not None]
        return Bounds(max(self.first, other.first), min(ends, default=None))


def bounds_of(tree: Filter, name: str) -> Bounds:
    """Return the bounds that a filter's conjunctions put on a key."""
    bounds = Bounds()
    for part in conjunction(tree):
        if _is_bound(part, {name}):
            bounds = bounds.within(_bounds(part.operator, str(part.value[1])))
    return bounds


def residue(tree: Filter, bounded: frozenset[str]) -> Filter:
    """Return what of a filter is left to be checked within the bounds of these names."""
    left = tuple(part for part in conjunction(tree) if not _is_bound(part, bounded))
    return All(left) if left else EVERYTHING


def _is_bound(part: Filter, names: Set[str]) -> TypeGuard[Compare]:
    """Whether a bound of one of these keys says all that a part of a conjunction does."""
    return (
        isinstance(part, Compare)
        and part.name in names
        and part.value[0] == "string"
        and part.operator != "ne"
    )


def conjunction(tree: Filter) -> Iterator[Filter]:
    """Give the conditions that a filter wants to be true all together."""
    if isinstance(tree, All):
        for operand in tree.operands:
            yield from conjunction(operand)
    else:
        yield tree


def _bounds(symbol: str, value: str) -> Bounds:
    match symbol:
        case "eq":
            return Bounds(value, next_text(value))
        case "gt":
            return Bounds(next_text(value))
        case "ge":
            return Bounds(value)
        case "lt":
            return Bounds(end=value)
        case _:
            return Bounds(end=next_text(value))


def next_text(text: str) -> str:
    """Return the next possible text."""
    return text + "\0"
