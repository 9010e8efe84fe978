"""Values come back with their types, and keys whatever they are."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import UUID

import pytest
from azure.data.tables import EdmType, EntityProperty, UpdateMode

if TYPE_CHECKING:
    from conftest import Tables

ANN = {"PartitionKey": "people", "RowKey": "ann"}
WHEN = datetime(2024, 5, 1, 12, 30, 15, 123456, tzinfo=UTC)
GUID = UUID("c9da6455-213d-42c9-9a79-3e9149a57833")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("", ""),
        ("text ünï ☃ 𝄞 '\"\\\n\t<>", "text ünï ☃ 𝄞 '\"\\\n\t<>"),
        ("x" * 32768, "x" * 32768),
        (0, 0),
        (-(2**31), -(2**31)),
        (2**31 - 1, 2**31 - 1),
        (
            EntityProperty(2**63 - 1, EdmType.INT64),
            EntityProperty(2**63 - 1, EdmType.INT64),
        ),
        (True, True),
        (False, False),
        (1.5, 1.5),
        (2.0, 2.0),
        (-1e300, -1e300),
        (math.inf, math.inf),
        (-math.inf, -math.inf),
        (WHEN, WHEN),
        (GUID, GUID),
        (b"", b""),
        (bytes(range(256)) * 256, bytes(range(256)) * 256),
    ],
    ids=lambda value: repr(value)[:20],
)
async def test_a_value_comes_back_with_its_type(
    tables: Tables, value: object, expected: object
) -> None:
    table = await tables.create("people")

    await tables.run(table.create_entity, {**ANN, "value": value})
    found = await tables.run(table.get_entity, "people", "ann")

    assert found["value"] == expected
    assert isinstance(found["value"], type(expected))


async def test_no_number_stays_no_number(tables: Tables) -> None:
    table = await tables.create("people")

    await tables.run(table.create_entity, {**ANN, "value": math.nan})

    assert math.isnan((await tables.run(table.get_entity, "people", "ann"))["value"])


async def test_seven_digits_of_a_second_survive(tables: Tables) -> None:
    table = await tables.create("people")
    text = "2024-05-01T12:30:15.1234567Z"

    await tables.run(table.create_entity, {**ANN, "value": EntityProperty(text, EdmType.DATETIME)})
    found = await tables.run(table.get_entity, "people", "ann")

    assert found["value"].tables_service_value == text


async def test_none_is_not_stored(tables: Tables) -> None:
    table = await tables.create("people")

    await tables.run(table.create_entity, {**ANN, "age": None})

    assert "age" not in await tables.run(table.get_entity, "people", "ann")


@pytest.mark.parametrize("key", ["it's", "a b", "(1)", "ünï ☃", "a,b='c'", "+&=%25", ""])
async def test_any_key_finds_its_entity(tables: Tables, key: str) -> None:
    table = await tables.create("people")
    entity = {"PartitionKey": key, "RowKey": key, "age": 1}

    await tables.run(table.create_entity, entity)
    await tables.run(table.update_entity, {**entity, "age": 2}, mode=UpdateMode.REPLACE)
    found = await tables.run(table.get_entity, key, key)
    await tables.run(table.delete_entity, key, key)

    assert dict(found) == {**entity, "age": 2}
    assert await tables.query(table) == []
