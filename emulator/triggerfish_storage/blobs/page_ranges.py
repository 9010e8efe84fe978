"""Which ranges of a page blob are written, and which differ from an older state.

Pure. Contents never change, so two stretches that refer to the same bytes of the same content
are equal, and any others are a difference: nothing is read to compare.

Protocol: https://learn.microsoft.com/rest/api/storageservices/get-page-ranges
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, repeat

from triggerfish_storage.blobs.extents import Extent

Range = tuple[int, int]
_Source = tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class PageRanges:
    """Written and cleared ranges, each from a begin up to an (exclusive) end.

    ``following`` is where those begin that were cut off.
    """

    written: Sequence[Range]
    cleared: Sequence[Range] = ()
    following: int | None = None

    def cut(self, limit: int) -> PageRanges:
        """Return the first ``limit`` ranges, and where the next one begins."""
        begins = sorted(begin for begin, _ in (*self.written, *self.cleared))
        if len(begins) <= limit:
            return self
        end = begins[limit]
        return PageRanges(
            [one for one in self.written if one[0] < end],
            [one for one in self.cleared if one[0] < end],
            end,
        )


def written_ranges(
    extents: Iterable[Extent], begin: int, end: int, limit: int | None = None
) -> PageRanges:
    """Return what was written between two offsets, neighbours joined.

    With a ``limit`` no more extents are looked at than tell so many ranges, and that more follow.
    """
    inside = (
        (max(extent.start, begin), min(extent.start + extent.length, end)) for extent in extents
    )
    joined = _joined(one for one in inside if one[0] < one[1])
    return PageRanges(list(joined if limit is None else islice(joined, limit + 1)))


def difference(
    extents: Sequence[Extent],
    older: Sequence[Extent],
    begin: int,
    end: int,
    *,
    between: Sequence[Sequence[Extent]] = (),
) -> PageRanges:
    """Return what was written and what was cleared since the older state.

    What was not there then, was in a state ``between`` and is no more was cleared too.
    """
    edges = {begin, end}
    for state in (extents, older, *between):
        for extent in state:
            edges |= {extent.start, extent.start + extent.length}
    inside = sorted(edge for edge in edges if begin <= edge <= end)
    now, before = _sources(extents, inside), _sources(older, inside)
    others = zip(*(_sources(state, inside) for state in between), strict=True)
    written: list[Range] = []
    cleared: list[Range] = []
    for start, stop, source, former, meanwhile in zip(
        inside, inside[1:], now, before, others if between else repeat(()), strict=False
    ):
        if source is not None:
            if source != former:
                written.append((start, stop))
        elif any(state is not None for state in (former, *meanwhile)):
            cleared.append((start, stop))
    return PageRanges(list(_joined(written)), list(_joined(cleared)))


def _sources(extents: Sequence[Extent], edges: Sequence[int]) -> Iterator[_Source]:
    """Give for each stretch between edges which content it shows, and shifted by how much."""
    waiting = iter(extents)
    current = next(waiting, None)
    for edge in edges:
        while current is not None and current.start + current.length <= edge:
            current = next(waiting, None)
        if current is None or current.start > edge:
            yield None
        else:
            yield current.content_id, current.offset - current.start


def _joined(ranges: Iterable[Range]) -> Iterator[Range]:
    last: Range | None = None
    for begin, end in ranges:
        if last is not None and last[1] == begin:
            last = (last[0], end)
            continue
        if last is not None:
            yield last
        last = (begin, end)
    if last is not None:
        yield last
