"""Searches by tags cost by what the tag matches, whatever else is stored."""

import sqlite3

import pytest

from triggerfish_storage.blobs import tag_search
from triggerfish_storage.blobs.containers import create_container
from triggerfish_storage.blobs.lifecycle import put_blob
from triggerfish_storage.blobs.model import Address, Draft
from triggerfish_storage.blobs.tag_filter import Comparison
from triggerfish_storage.blobs.tag_search import TagPosition, find_blobs
from triggerfish_storage.contents import Content

EMPTY = Content(0, b"", b"", None)


@pytest.fixture
async def tagged(store, clock):
    """Three containers with five blobs of the same tag each."""
    for container in ("one", "three", "two"):
        await store.create_container(container, now=clock.now())
        for number in range(5):
            draft = Draft(tags={"kind": "order", "number": str(number)})
            await store.put(container, f"b{number}", b"", draft, now=clock.now())
    return store


async def pages_of(database, *comparisons: Comparison) -> list[list[str]]:
    def unit(tx: sqlite3.Connection) -> list[list[str]]:
        pages: list[list[str]] = []
        position: TagPosition | None = TagPosition()
        while position is not None:
            found, position = find_blobs(
                tx, "devstoreaccount1", comparisons, start=position, limit=4
            )
            pages.append([f"{entry.container}/{entry.name}" for entry in found])
        return pages

    return await database.read(unit)


async def test_a_search_in_a_container_that_is_missing_is_refused_but_finds_nothing_by_its_name(
    sdk, refusal
):
    async def search(client, where):
        return [found.name async for found in client.find_blobs_by_tags(where)]

    assert await search(sdk, "@container='missing' AND kind='order'") == []
    missing = sdk.get_container_client("missing")
    assert await refusal(search(missing, "kind='order'")) == "404 ContainerNotFound"


async def test_a_search_passes_over_containers_without_tags(database, tagged, clock, effort):
    def fill(tx: sqlite3.Connection) -> None:
        for number in range(2_000):
            create_container(tx, Address("devstoreaccount1", f"o{number:04}"), now=clock.now())

    def search(tx: sqlite3.Connection) -> int:
        kind = Comparison("kind", "=", "order")
        return effort(
            tx,
            lambda tx: find_blobs(tx, "devstoreaccount1", [kind], start=TagPosition(), limit=20),
        )

    before = await database.read(search)
    await database.write(fill)

    assert await database.read(search) < before * 1.2


@pytest.fixture
async def alike(database, clock):
    """5,000 blobs of one kind, each with a number of its own."""

    def fill(tx: sqlite3.Connection) -> None:
        create_container(tx, Address("devstoreaccount1", "many"), now=clock.now())
        for number in range(5_000):
            tags = {"kind": "same", "number": f"{number:04}"}
            address = Address("devstoreaccount1", "many", f"b{number:04}")
            put_blob(tx, address, EMPTY, Draft(tags=tags), now=clock.now())

    await database.write(fill)


@pytest.fixture
def cost_of(database, effort):
    """Return the work that SQLite has with a page, the page's names, and where the next begins."""

    async def measured(*comparisons: Comparison, start: TagPosition, limit: int):
        pages: list = []

        def search(tx: sqlite3.Connection) -> None:
            pages.append(find_blobs(tx, "devstoreaccount1", comparisons, start=start, limit=limit))

        cost = await database.read(lambda tx: effort(tx, search))
        [(found, following)] = pages
        return cost, [one.name for one in found], following

    return measured


@pytest.mark.parametrize(
    "comparison", [Comparison("kind", "=", "same"), Comparison("number", ">", "")]
)
async def test_a_page_far_behind_costs_what_the_first_one_costs(alike, cost_of, comparison):
    first, _, _ = await cost_of(comparison, start=TagPosition(), limit=20)
    _, _, far = await cost_of(comparison, start=TagPosition(), limit=4_000)

    behind, names, _ = await cost_of(comparison, start=far, limit=20)

    assert names == [f"b{number:04}" for number in range(4_000, 4_020)]
    assert behind < first * 1.2


async def test_of_equalities_the_rarest_is_walked(alike, cost_of):
    same, one = Comparison("kind", "=", "same"), Comparison("number", "=", "4567")

    cost, names, _ = await cost_of(same, one, start=TagPosition(), limit=20)
    other, none, _ = await cost_of(
        same, Comparison("number", "=", "x"), start=TagPosition(), limit=20
    )

    assert (names, none) == (["b4567"], [])
    assert max(cost, other) < 2_500


async def test_a_search_goes_on_where_another_equality_was_walked(alike, cost_of):
    """Which of them is rarer may change between two pages."""
    same = Comparison("kind", "=", "same")
    _, _, following = await cost_of(same, start=TagPosition(), limit=10)

    _, names, _ = await cost_of(same, start=following._replace(value="zzz"), limit=2)

    assert names == ["b0010", "b0011"]


async def test_a_search_that_has_looked_at_enough_goes_on_with_the_next_page(
    database, tagged, monkeypatch
):
    monkeypatch.setattr(tag_search, "LOOKED_AT_LIMIT", 4)

    pages = await pages_of(
        database, Comparison("kind", "=", "order"), Comparison("number", ">=", "3")
    )

    assert [name for page in pages for name in page] == [
        *("one/b3", "one/b4", "three/b3", "three/b4", "two/b3", "two/b4"),
    ]
    assert [] in pages


async def test_what_other_accounts_and_deleted_containers_hold_is_not_found(
    database, tagged, clock
):
    await tagged.delete_container("one", now=clock.now())

    pages = await pages_of(database, Comparison("number", "=", "4"))

    assert pages == [["three/b4", "two/b4"]]
