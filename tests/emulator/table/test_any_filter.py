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
from triggerfish_storage.tables import directory, rows, search
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


@given(tree=TREES)
def test_a_query_finds_all_that_its_filter_lets_through(
    grid: tuple[sqlite3.Connection, list[Entity]], tree: Filter
) -> None:
    tx, entities = grid

    found = search.find(tx, 1, Query(tree)).entities

    assert found == [
        entity
        for entity in entities
        if matches(tree, entity.properties() | system_properties(entity.keys, entity.timestamp))
    ]
