"""A query by any filter finds what a plain look at all entities finds."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from itertools import product, starmap
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triggerfish_storage.schema import connect_writer
from triggerfish_storage.tables import directory, key_ranges, rows, search
from triggerfish_storage.tables.edm import Property
from triggerfish_storage.tables.entity import Entity, Keys, system_properties
from triggerfish_storage.tables.filter import All, AnyOf, Compare, Filter, Not
from triggerfish_storage.tables.matching import matches
from triggerfish_storage.tables.search import Query
from triggerfish_storage.testing import START

ACCOUNT = "devstoreaccount1"
MIGRATION = (Path(rows.__file__).parent.parent / "migrations" / "0003_tables.sql").read_text(
    encoding="utf-8"
)
COMPARISONS = st.builds(
    Compare,
    st.sampled_from(["PartitionKey", "RowKey", "x"]),
    st.sampled_from(["eq", "ne", "gt", "ge", "lt", "le"]),
    st.one_of(
        st.tuples(st.just("string"), st.sampled_from(["", "a", "b", "c"])),
        st.tuples(st.just("number"), st.integers(0, 2)),
    ),
)
TREES = st.recursive(
    COMPARISONS,
    lambda inner: st.one_of(
        st.builds(Not, inner),
        st.builds(All, st.lists(inner, min_size=2, max_size=4).map(tuple)),
        st.builds(AnyOf, st.lists(inner, min_size=2, max_size=3).map(tuple)),
    ),
    max_leaves=8,
)
# As clients name keys: some of several, and more that is asked of all.
KEYS = st.builds(
    Compare,
    st.sampled_from(["PartitionKey", "RowKey"]),
    st.sampled_from(["eq", "eq", "eq", "ge", "lt"]),
    st.tuples(st.just("string"), st.sampled_from(["a", "b", "c"])),
)
CONJUNCTIONS = st.lists(
    KEYS | st.builds(AnyOf, st.lists(KEYS, min_size=2, max_size=3).map(tuple)),
    min_size=2,
    max_size=4,
).map(lambda parts: All(tuple(parts)))


@pytest.fixture(scope="module")
def grid() -> Iterator[tuple[sqlite3.Connection, list[Entity]]]:
    """Nine entities, in order."""
    tx = connect_writer(Path(":memory:"), "process")
    tx.executescript(MIGRATION)
    directory.create(tx, ACCOUNT, "people")
    entities = [
        rows.insert(
            tx, ACCOUNT, "people", keys, {"x": Property("Edm.Int32", number % 3)}, now=START
        )
        for number, keys in enumerate(starmap(Keys, product("abc", "abc")))
    ]
    yield tx, entities
    tx.close()


@given(
    tree=TREES | CONJUNCTIONS,
    limit=st.sampled_from([1, 2, 1000]),
    look_at=st.sampled_from([1, 2, 20_000]),
    ranges=st.sampled_from([1, 2, 3, 1000]),
    chunk=st.sampled_from([1, 2, 128]),
)
def test_pages_of_a_query_have_together_all_that_its_filter_lets_through(
    grid: tuple[sqlite3.Connection, list[Entity]],
    tree: Filter,
    limit: int,
    look_at: int,
    ranges: int,
    chunk: int,
) -> None:
    tx, entities = grid
    found: list[Entity] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(search, "LOOKED_AT_LIMIT", look_at)
        patch.setattr(search, "CHUNK", chunk)
        patch.setattr(key_ranges, "RANGES_LIMIT", ranges)
        starts: list[Keys | None] = [None]
        while len(starts) == 1 or starts[-1] is not None:
            page = search.find(tx, 1, Query(tree, limit, starts[-1]))
            assert len(page.entities) <= limit
            assert page.following not in starts[1:]
            found += page.entities
            starts.append(page.following)

    assert found == [
        entity
        for entity in entities
        if matches(tree, entity.properties() | system_properties(entity.keys, entity.timestamp))
    ]
