"""Queries: order, filters, and properties that are selected."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from azure.data.tables import EdmType, EntityProperty

if TYPE_CHECKING:
    from conftest import Tables

ANN = {"PartitionKey": "people", "RowKey": "ann"}


async def test_entities_are_listed_by_key_however_small_the_pages(tables: Tables) -> None:
    table = await tables.create("people")
    keys = [(partition, f"{row:02}") for partition in ("a", "b", "ü") for row in range(5)]
    for partition, row in reversed(keys):
        await tables.run(table.create_entity, {"PartitionKey": partition, "RowKey": row})

    found = await tables.query(table, results_per_page=2)

    assert [(entity["PartitionKey"], entity["RowKey"]) for entity in found] == keys


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("PartitionKey eq 'p'", "0123456789"),
        ("PartitionKey eq 'p' and RowKey eq '3'", "3"),
        ("PartitionKey eq 'p' and RowKey gt '7'", "89"),
        ("PartitionKey eq 'p' and RowKey ge '2' and RowKey lt '5'", "234"),
        ("PartitionKey gt 'p'", ""),
        ("number ge 8", "89"),
        ("number gt 7L and number lt 9.5", "89"),
        ("big eq 5000000000L", "5"),
        ("half eq 1.5", "3"),
        ("even eq true", "02468"),
        ("not even", "13579"),
        ("not (number lt 8) or RowKey eq '0'", "089"),
        ("name eq 'it''s 4'", "4"),
        ("name ne 'it''s 4' and number lt 6 and number gt 2", "35"),
        ("when lt datetime'2024-05-01T02:00:00Z'", "01"),
        ("id eq guid'00000000-0000-0000-0000-000000000007'", "7"),
        ("data eq X'0009' or data eq binary'0008'", "89"),
        ("missing eq 1 or missing ne 1", ""),
        ("name gt 5", ""),
        ("5 gt number", "01234"),
    ],
)
async def test_a_filter_lets_through_what_it_says(tables: Tables, text: str, expected: str) -> None:
    table = await tables.create("numbers")
    batch = [
        (
            "create",
            {
                "PartitionKey": "p",
                "RowKey": str(number),
                "number": number,
                "big": EntityProperty(number * 10**9, EdmType.INT64),
                "half": number / 2,
                "even": number % 2 == 0,
                "name": f"it's {number}",
                "when": datetime(2024, 5, 1, number, tzinfo=UTC),
                "id": UUID(int=number),
                "data": bytes((0, number)),
            },
        )
        for number in range(10)
    ]
    await tables.run(table.submit_transaction, batch)

    found = await tables.query(table, text)

    assert "".join(entity["RowKey"] for entity in found) == expected


async def test_a_filter_that_makes_no_sense_is_refused(
    tables: Tables, refused: Callable[..., Any]
) -> None:
    table = await tables.create("people")

    with refused(400, "InvalidInput"):
        await tables.query(table, "PartitionKey eq")


async def test_selected_properties_come_alone_and_missing_ones_as_nothing(tables: Tables) -> None:
    table = await tables.create("people")
    await tables.run(table.create_entity, {**ANN, "age": 5, "name": "Ann", "data": b"x"})

    [found] = await tables.query(table, select=["RowKey", "age", "data", "missing"])

    assert dict(found) == {"RowKey": "ann", "age": 5, "data": b"x", "missing": None}
    assert found.metadata["etag"]
