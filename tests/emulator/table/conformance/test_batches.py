"""Batches do all of their changes or none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Tables


async def test_a_batch_does_everything_in_order(tables: Tables) -> None:
    table = await tables.create("people")
    for name in ("old", "gone", "merged"):
        await tables.run(
            table.create_entity, {"PartitionKey": "p", "RowKey": name, "age": 1, "name": name}
        )

    results = await tables.run(
        table.submit_transaction,
        [
            ("create", {"PartitionKey": "p", "RowKey": "new", "age": 2}),
            ("update", {"PartitionKey": "p", "RowKey": "old", "age": 2}, {"mode": "replace"}),
            ("delete", {"PartitionKey": "p", "RowKey": "gone"}),
            ("upsert", {"PartitionKey": "p", "RowKey": "merged", "age": 2}),
            ("upsert", {"PartitionKey": "p", "RowKey": "it's", "age": 2}),
        ],
    )

    found = {entity["RowKey"]: dict(entity) for entity in await tables.query(table)}
    assert [bool(result.get("etag")) for result in results] == [True, True, False, True, True]
    assert set(found) == {"new", "old", "merged", "it's"}
    assert found["old"] == {"PartitionKey": "p", "RowKey": "old", "age": 2}
    assert found["merged"]["name"] == "merged"


async def test_of_a_batch_that_fails_nothing_is_done(tables: Tables) -> None:
    table = await tables.create("people")
    await tables.run(table.create_entity, {"PartitionKey": "p", "RowKey": "there"})

    with pytest.raises(Exception, match="EntityAlreadyExists") as caught:
        await tables.run(
            table.submit_transaction,
            [
                ("create", {"PartitionKey": "p", "RowKey": "one"}),
                ("create", {"PartitionKey": "p", "RowKey": "there"}),
            ],
        )

    assert caught.value.index == 1  # type: ignore[attr-defined]
    assert [entity["RowKey"] for entity in await tables.query(table)] == ["there"]


async def test_a_batch_takes_a_hundred_and_no_more(tables: Tables) -> None:
    table = await tables.create("people")
    batch = [("create", {"PartitionKey": "p", "RowKey": f"{n:03}"}) for n in range(101)]

    with pytest.raises(Exception, match="InvalidInput"):
        await tables.run(table.submit_transaction, batch)
    await tables.run(table.submit_transaction, batch[:100])

    assert len(await tables.query(table)) == 100


async def test_a_batch_is_about_one_partition_and_each_entity_once(tables: Tables) -> None:
    table = await tables.create("people")
    twice = {"PartitionKey": "p", "RowKey": "one"}

    with pytest.raises(Exception, match="InvalidDuplicateRow"):
        await tables.run(table.submit_transaction, [("upsert", twice), ("upsert", twice)])

    assert await tables.query(table) == []
