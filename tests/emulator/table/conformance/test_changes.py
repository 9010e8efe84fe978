"""Entities are inserted, updated, merged and deleted, by whoever knows their state."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from azure.core import MatchConditions
from azure.data.tables import UpdateMode

if TYPE_CHECKING:
    from conftest import Tables

ANN = {"PartitionKey": "people", "RowKey": "ann"}


async def test_an_entity_is_inserted_once(tables: Tables, refused: Callable[..., Any]) -> None:
    table = await tables.create("people")
    await tables.run(table.create_entity, {**ANN, "age": 1})

    with refused(409, "EntityAlreadyExists"):
        await tables.run(table.create_entity, {**ANN, "age": 2})

    assert (await tables.run(table.get_entity, "people", "ann"))["age"] == 1


@pytest.mark.parametrize(
    ("mode", "expected"),
    [(UpdateMode.MERGE, {"age": 2, "name": "Ann"}), (UpdateMode.REPLACE, {"age": 2})],
)
async def test_an_update_merges_or_replaces(
    tables: Tables, mode: UpdateMode, expected: dict[str, object]
) -> None:
    table = await tables.create("people")
    await tables.run(table.create_entity, {**ANN, "age": 1, "name": "Ann"})

    await tables.run(table.update_entity, {**ANN, "age": 2}, mode=mode)
    updated = await tables.run(table.get_entity, "people", "ann")
    await tables.run(table.upsert_entity, {**ANN, "age": 3}, mode=mode)
    upserted = await tables.run(table.get_entity, "people", "ann")

    assert dict(updated) == ANN | expected
    assert dict(upserted) == ANN | expected | {"age": 3}


@pytest.mark.parametrize("mode", [UpdateMode.MERGE, UpdateMode.REPLACE])
async def test_a_missing_entity_is_upserted_but_not_updated(
    tables: Tables, mode: UpdateMode, refused: Callable[..., Any]
) -> None:
    table = await tables.create("people")

    with refused(404, "ResourceNotFound"):
        await tables.run(table.update_entity, {**ANN, "age": 1}, mode=mode)
    await tables.run(table.upsert_entity, {**ANN, "age": 2}, mode=mode)

    assert (await tables.run(table.get_entity, "people", "ann"))["age"] == 2


async def test_every_write_has_an_etag_of_its_own(tables: Tables) -> None:
    table = await tables.create("people")

    first = await tables.run(table.create_entity, ANN)
    second = await tables.run(table.update_entity, {**ANN, "age": 1})
    found = await tables.run(table.get_entity, "people", "ann")

    assert first["etag"] != second["etag"] == found.metadata["etag"]
    assert found.metadata["timestamp"].tzinfo is not None


@pytest.mark.parametrize("action", ["update", "merge", "delete"])
async def test_a_stale_etag_changes_nothing(
    tables: Tables, action: str, refused: Callable[..., Any]
) -> None:
    table = await tables.create("people")
    stale = (await tables.run(table.create_entity, ANN))["etag"]
    fresh = (await tables.run(table.update_entity, {**ANN, "age": 1}))["etag"]

    async def change(etag: str) -> None:
        options = {"etag": etag, "match_condition": MatchConditions.IfNotModified}
        if action == "delete":
            await tables.run(table.delete_entity, "people", "ann", **options)
        else:
            mode = UpdateMode.MERGE if action == "merge" else UpdateMode.REPLACE
            await tables.run(table.update_entity, {**ANN, "age": 2}, mode=mode, **options)

    with refused(412, "UpdateConditionNotSatisfied"):
        await change(stale)
    assert (await tables.run(table.get_entity, "people", "ann"))["age"] == 1
    await change(fresh)


async def test_what_is_missing_is_not_found(tables: Tables, refused: Callable[..., Any]) -> None:
    table = await tables.create("people")
    nowhere = tables.client.get_table_client("missing")

    with refused(404, "ResourceNotFound"):
        await tables.run(table.get_entity, "people", "ann")
    for call in (nowhere.create_entity, nowhere.upsert_entity):
        with refused(404, "TableNotFound"):
            await tables.run(call, ANN)
    with refused(404, "TableNotFound"):
        await tables.run(nowhere.get_entity, "people", "ann")


@pytest.mark.parametrize(
    ("extra", "code"),
    [
        ({f"p{number}": 1 for number in range(253)}, "TooManyProperties"),
        ({"text": "x" * 32769}, "PropertyValueTooLarge"),
        ({"data": b"x" * 65537}, "PropertyValueTooLarge"),
        ({f"p{number}": "x" * 32000 for number in range(17)}, "EntityTooLarge"),
        ({"n" * 256: 1}, "PropertyNameTooLong"),
        ({"a-b": 1}, "PropertyNameInvalid"),
        ({"PartitionKey": "x" * 513}, "KeyValueTooLarge"),
        ({"RowKey": "a/b"}, "OutOfRangeInput"),
        ({"RowKey": "a\tb"}, "OutOfRangeInput"),
    ],
    ids=lambda value: str(value)[:20],
)
async def test_limits_are_as_documented(
    tables: Tables, extra: dict[str, object], code: str, refused: Callable[..., Any]
) -> None:
    table = await tables.create("people")

    with refused(400, code):
        await tables.run(table.create_entity, {**ANN, **extra})
