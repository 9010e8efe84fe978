"""Between which keys a filter can be true: what a query reads, and nothing else.

Pure. A filter that names keys one by one (``or``) has as many ranges, in the order of the keys and
without overlaps; what a filter says of other properties does not narrow them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import reduce
from typing import Final, NamedTuple

from triggerfish_storage.tables.entity import Keys
from triggerfish_storage.tables.filter import All, AnyOf, Compare, Filter, Not
from triggerfish_storage.tables.matching import Bounds, bounds_of, conjunction

RANGES_LIMIT: Final = 1_000  # of one filter; more are read as what lies around them

_BEHIND_ALL_TEXT: Final = b""  # bytes sort behind any text


class End(NamedTuple):
    """The keys that entities lie before; bytes are behind all that a key can be."""

    partition: str | bytes
    row: str | bytes


class KeyRange(NamedTuple):
    """Keys from ``start`` on that lie before ``end``."""

    start: Keys
    end: End


class _Box(NamedTuple):
    """Bounds of both keys."""

    partition: Bounds = Bounds()
    row: Bounds = Bounds()


FIRST: Final = Keys("", "")
BEHIND_ALL: Final = End(_BEHIND_ALL_TEXT, "")
_ANYWHERE: Final = (_Box(),)


def key_ranges(tree: Filter) -> list[KeyRange]:
    """Return the ranges of keys that a filter can be true for, in their order."""
    return _joined(map(_range_of, _boxes(tree)))


def _boxes(tree: Filter) -> Sequence[_Box]:
    match tree:
        case Compare(("PartitionKey" | "RowKey") as name, "ne", ("string", _) as value):
            return [*_boxes(Compare(name, "lt", value)), *_boxes(Compare(name, "gt", value))]
        case Compare() as part:
            return (_Box(bounds_of(part, "PartitionKey"), bounds_of(part, "RowKey")),)
        case Not():
            return _ANYWHERE
        case All():
            return reduce(_both, map(_boxes, conjunction(tree)), _ANYWHERE)
        case AnyOf(operands):
            found = [box for operand in operands for box in _boxes(operand)]
            return found if len(found) <= RANGES_LIMIT else _ANYWHERE


def _both(some: Sequence[_Box], others: Sequence[_Box]) -> Sequence[_Box]:
    """Return where two conditions can be true together; if these are too many, where ``some`` can.

    A single comparison is one box, so it always narrows what was there before: ``residue`` counts
    on that.
    """
    if len(others) > 1 and len(some) * len(others) > RANGES_LIMIT:
        return some
    return [
        _Box(one.partition.within(other.partition), one.row.within(other.row))
        for one in some
        for other in others
    ]


def _range_of(box: _Box) -> KeyRange:
    partition, row = box
    if partition.single is not None:
        end = _BEHIND_ALL_TEXT if row.end is None else row.end
        return KeyRange(Keys(partition.first, row.first), End(partition.single, end))
    # Rows are bounded within one partition only; over several the filter has to look at them.
    end_of_all = BEHIND_ALL if partition.end is None else End(partition.end, "")
    return KeyRange(Keys(partition.first, ""), end_of_all)


def _joined(ranges: Iterable[KeyRange]) -> list[KeyRange]:
    """Return ranges in order, those that overlap as one, without empty ones."""
    found: list[KeyRange] = []
    for one in sorted(ranges, key=lambda one: one.start):
        if _order(one.start) >= _order(one.end):
            continue
        if found and _order(one.start) <= _order(found[-1].end):
            last = found.pop()
            one = KeyRange(last.start, max(last.end, one.end, key=_order))
        found.append(one)
    return found


def _order(keys: Keys | End) -> tuple[tuple[bool, str], ...]:
    return tuple((False, key) if isinstance(key, str) else (True, "") for key in keys)
