"""Page blobs, through the official client, and their ranges against comparing unit by unit."""

import re

import pytest
from azure.storage.blob import SequenceNumberAction
from hypothesis import given
from hypothesis import strategies as st

from triggerfish_storage.blobs.extents import Extent
from triggerfish_storage.blobs.page_ranges import PageRanges, difference, written_ranges
from triggerfish_storage.blobs.wire import page_list

PAGE = 512


@pytest.fixture
async def disk(container):
    blob = container.get_blob_client("disk")
    await blob.create_page_blob(size=8 * PAGE, sequence_number=7)
    return blob


def page(letter: str, count: int = 1) -> bytes:
    return letter.encode() * PAGE * count


async def ranges(blob, **given) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Return written and cleared ranges in pages, the end exclusive."""
    found = [one async for one in blob.list_page_ranges(results_per_page=1, **given)]
    return tuple(
        [(one.start // PAGE, (one.end + 1) // PAGE) for one in found if one.cleared is cleared]
        for cleared in (False, True)
    )


async def test_pages_never_written_are_zeros(disk, content):
    await disk.upload_page(page("a"), offset=PAGE, length=PAGE)

    assert await content(disk) == bytes(PAGE) + page("a") + bytes(6 * PAGE)
    assert await ranges(disk) == ([(1, 2)], [])


async def test_pages_are_written_over_and_cleared_in_place(disk, content):
    await disk.upload_page(page("a", 6), offset=0, length=6 * PAGE)
    await disk.upload_page(page("b", 2), offset=PAGE, length=2 * PAGE)
    await disk.clear_page(offset=4 * PAGE, length=PAGE)

    expected = page("a") + page("b", 2) + page("a") + bytes(PAGE) + page("a") + bytes(2 * PAGE)
    assert await content(disk) == expected
    assert await ranges(disk) == ([(0, 4), (5, 6)], [])
    assert await ranges(disk, offset=3 * PAGE, length=5 * PAGE) == ([(3, 4), (5, 6)], [])
    part = await (await disk.download_blob(offset=PAGE - 1, length=PAGE + 2)).readall()
    assert part == b"a" + page("b") + b"b"


async def test_its_sequence_number_is_told_whatever_property_is_set(disk, raw):
    answer = await raw("PUT", "/data/disk?comp=properties", x_ms_blob_content_type="a/b")

    assert answer.headers["x-ms-blob-sequence-number"] == "7"


async def test_ranges_are_of_whole_pages_whatever_bytes_are_asked_about(disk, raw):
    await disk.upload_page(page("a", 4), offset=PAGE, length=4 * PAGE)

    listed = await raw("GET", "/data/disk?comp=pagelist", x_ms_range="bytes=1030-1599")

    assert b"<PageRange><Start>1024</Start><End>2047</End></PageRange>" in listed.body


async def test_more_ranges_than_a_page_may_have_are_asked_for(disk, raw):
    await disk.upload_page(page("a"), offset=PAGE, length=PAGE)

    listed = await raw("GET", "/data/disk?comp=pagelist&maxresults=10001")

    assert listed.status == 200
    assert listed.body.count(b"<PageRange>") == 1


async def test_a_difference_names_what_changed_since_a_snapshot(disk):
    await disk.upload_page(page("a", 4), offset=0, length=4 * PAGE)
    taken = await disk.create_snapshot()
    await disk.upload_page(page("b"), offset=PAGE, length=PAGE)
    await disk.upload_page(page("c"), offset=6 * PAGE, length=PAGE)
    await disk.clear_page(offset=3 * PAGE, length=PAGE)

    found = await ranges(disk, previous_snapshot=taken["snapshot"])
    assert found == ([(1, 2), (6, 7)], [(3, 4)])


async def test_a_disks_client_names_the_older_snapshot_by_its_url(disk, refusal):
    await disk.upload_page(page("a", 2), offset=0, length=2 * PAGE)
    first = await disk.create_snapshot()
    await disk.upload_page(page("b"), offset=PAGE, length=PAGE)
    second = await disk.create_snapshot()
    await disk.clear_page(offset=0, length=PAGE)

    newest, cleared = await disk.get_page_range_diff_for_managed_disk(
        f"{disk.url}?snapshot={first['snapshot']}"
    )
    assert [one["start"] for one in newest] == [PAGE]
    assert [one["start"] for one in cleared] == [0]

    for url, expected in (
        (disk.url, "400 InvalidHeaderValue"),
        (f"{disk.url}2?snapshot={second['snapshot']}", "400 InvalidHeaderValue"),
        ("http://[", "400 InvalidHeaderValue"),
        (f"{disk.url}?snapshot=2020-01-01T00:00:00.0000000Z", "409 PreviousSnapshotNotFound"),
    ):
        assert await refusal(disk.get_page_range_diff_for_managed_disk(url)) == expected


def test_a_difference_is_listed_in_the_order_of_places():
    document = page_list(PageRanges([(0, 512), (1024, 1536)], [(512, 1024)]))

    assert re.findall(rb"<(\w+)><Start>(\d+)", document) == [
        (b"PageRange", b"0"),
        (b"ClearRange", b"512"),
        (b"PageRange", b"1024"),
    ]


async def test_what_only_a_snapshot_between_had_was_cleared_since(disk):
    first = await disk.create_snapshot()
    await disk.upload_page(page("a", 3), offset=0, length=3 * PAGE)
    second = await disk.create_snapshot()
    await disk.clear_page(offset=PAGE, length=PAGE)

    assert await ranges(disk, previous_snapshot=first["snapshot"]) == ([(0, 1), (2, 3)], [(1, 2)])
    assert await ranges(disk, previous_snapshot=second["snapshot"]) == ([], [(1, 2)])


async def test_a_difference_needs_an_older_snapshot_that_exists(disk, refusal):
    missing = ranges(disk, previous_snapshot="2020-01-01T00:00:00.0000000Z")
    assert await refusal(missing) == "409 PreviousSnapshotNotFound"


async def test_there_is_no_difference_to_a_snapshot_of_before_the_blob_was_written_anew(
    disk, clock, refusal
):
    before = await disk.create_snapshot()
    clock.move(seconds=1)
    await disk.create_page_blob(8 * PAGE)
    between = await disk.create_snapshot()
    await disk.upload_page(page("a"), offset=0, length=PAGE)

    overwritten = await refusal(ranges(disk, previous_snapshot=before["snapshot"]))

    assert overwritten == "409 BlobOverwritten"
    assert await ranges(disk, previous_snapshot=between["snapshot"]) == ([(0, 1)], [])


async def test_a_page_blob_is_resized(disk, content):
    await disk.upload_page(page("a", 8), offset=0, length=8 * PAGE)
    await disk.resize_blob(2 * PAGE)
    await disk.resize_blob(3 * PAGE)

    assert await content(disk) == page("a", 2) + bytes(PAGE)


async def test_the_sequence_number_guards_writes(disk, refusal):
    write = {"page": page("a"), "offset": 0, "length": PAGE}
    assert (await disk.get_blob_properties()).page_blob_sequence_number == 7

    await disk.upload_page(**write, if_sequence_number_eq=7)
    for condition in (
        {"if_sequence_number_eq": 8},
        {"if_sequence_number_lt": 7},
        {"if_sequence_number_lte": 6},
    ):
        outcome = await refusal(disk.upload_page(**write, **condition))
        assert outcome == "412 SequenceNumberConditionNotMet"
    assert await refusal(disk.upload_page(**write, if_sequence_number_lt=-1)) == "400 InvalidInput"

    await disk.set_sequence_number(SequenceNumberAction.Increment)
    await disk.set_sequence_number(SequenceNumberAction.Max, "3")
    assert (await disk.get_blob_properties()).page_blob_sequence_number == 8
    await disk.set_sequence_number(SequenceNumberAction.Update, "3")
    assert (await disk.get_blob_properties()).page_blob_sequence_number == 3


async def test_pages_outside_the_blob_are_refused(disk, refusal):
    outside = disk.upload_page(page("a"), offset=8 * PAGE, length=PAGE)

    assert await refusal(outside) == "416 InvalidPageRange"


async def test_a_snapshot_of_a_page_blob_stays_while_pages_change(container, disk, content):
    await disk.upload_page(page("a", 2), offset=0, length=2 * PAGE)
    taken = await disk.create_snapshot()
    await disk.upload_page(page("b"), offset=0, length=PAGE)
    await disk.clear_page(offset=PAGE, length=PAGE)

    snapshot = container.get_blob_client("disk", snapshot=taken["snapshot"])
    assert (await content(snapshot))[: 2 * PAGE] == page("a", 2)


WRITES = st.lists(st.tuples(st.integers(0, 9), st.integers(1, 5), st.integers(0, 3)), max_size=6)


def painted(writes) -> tuple[list[Extent], list[int | None]]:
    """Return extents, and per unit which content they show and where in it."""
    cells: list[tuple[int, int] | None] = [None] * 16
    for start, length, content_id in writes:
        for at in range(start, start + length):
            cells[at] = (content_id, at - start) if content_id else None
    extents = [Extent(at, 1, cell[0], cell[1]) for at, cell in enumerate(cells) if cell is not None]
    return extents, cells


@given(WRITES, st.lists(WRITES, max_size=2), WRITES, st.integers(0, 15), st.integers(0, 16))
def test_ranges_and_differences_are_what_comparing_unit_by_unit_gives(
    old, meanwhile, new, begin, end
):
    older, before = painted(old)
    between = [painted(writes) for writes in meanwhile]
    extents, now = painted(new)
    units = range(begin, max(begin, end))

    written = written_ranges(extents, begin, max(begin, end))
    changed = difference(
        extents, older, begin, max(begin, end), between=[state for state, _ in between]
    )

    def covered(found) -> set[int]:
        return {unit for first, last in found for unit in range(first, last)}

    def was_there(unit: int) -> bool:
        return any(cells[unit] for cells in (before, *(cells for _, cells in between)))

    assert covered(written.written) == {unit for unit in units if now[unit]}
    assert covered(changed.written) == {u for u in units if now[u] and now[u] != before[u]}
    assert covered(changed.cleared) == {u for u in units if was_there(u) and not now[u]}
