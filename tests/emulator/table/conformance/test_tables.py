"""Tables as both official clients see them: made, listed, gone; and the service around them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from azure.data.tables import TableAccessPolicy, TableCorsRule

if TYPE_CHECKING:
    from conftest import Tables

    from triggerfish_storage.testing import ManualClock

ANN = {"PartitionKey": "people", "RowKey": "ann"}
WHEN = datetime(2024, 5, 1, 12, 30, 15, 123456, tzinfo=UTC)


async def test_tables_are_listed_by_name_and_keep_their_case(tables: Tables) -> None:
    for name in ("Orders", "customers", "Zebra"):
        await tables.create(name)

    assert await tables.names() == ["customers", "Orders", "Zebra"]
    assert await tables.names("TableName eq 'Orders'") == ["Orders"]
    assert await tables.names("TableName gt 'A'", results_per_page=1) == [
        "customers",
        "Orders",
        "Zebra",
    ]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ("TableName eq 'oRDERS'", ["Orders"]),
        ("TableName ne 'orders'", ["apples", "Bread", "Zebra"]),
        ("TableName ge 'B'", ["Bread", "Orders", "Zebra"]),
        ("TableName gt 'bread'", ["Orders", "Zebra"]),
        ("TableName ge 'o' and TableName lt 'P'", ["Orders"]),
        ("TableName lt 'orders'", ["apples", "Bread"]),
        ("TableName le 'ORDERS' and not (TableName eq 'APPLES')", ["Bread", "Orders"]),
        ("TableName eq 'BREAD' or TableName eq 'zebra'", ["Bread", "Zebra"]),
        ("TableName gt 5", []),
    ],
)
async def test_a_filter_compares_names_of_tables_without_regard_to_case(
    tables: Tables, wanted: str, expected: list[str]
) -> None:
    for name in ("Orders", "apples", "Zebra", "Bread"):
        await tables.create(name)

    assert await tables.names(wanted, results_per_page=1) == expected


async def test_a_name_in_another_case_is_the_same_table(
    tables: Tables, refused: Callable[..., Any]
) -> None:
    await tables.create("Orders")

    with refused(409, "TableAlreadyExists"):
        await tables.create("ORDERS")
    other = tables.client.get_table_client("oRDERS")
    await tables.run(other.create_entity, ANN)

    assert len(await tables.query(other)) == 1


async def test_a_deleted_table_is_gone_and_may_come_back_empty(
    tables: Tables, refused: Callable[..., Any]
) -> None:
    table = await tables.create("people")
    await tables.run(table.create_entity, ANN)

    await tables.run(tables.client.delete_table, "people")
    await tables.run(tables.client.delete_table, "people")  # the SDK swallows the 404

    with refused(404, "TableNotFound"):
        await tables.query(table)
    await tables.create("people")
    assert await tables.query(table) == []


async def test_access_policies_are_kept(tables: Tables) -> None:
    table = await tables.create("people")
    policy = TableAccessPolicy(permission="raud", expiry=WHEN, start=WHEN)

    await tables.run(table.set_table_access_policy, {"mine": policy, "none": None})
    found = await tables.run(table.get_table_access_policy)

    assert found["mine"].permission == "raud"
    assert found["mine"].expiry == WHEN.replace(microsecond=0) or found["mine"].expiry == WHEN
    assert set(found) == {"mine", "none"}


async def test_the_secondary_is_live_and_in_step(tables: Tables, clock: ManualClock) -> None:
    stats = await tables.run(tables.client.get_service_stats)

    replication = stats["geo_replication"]
    assert (replication["status"], replication["last_sync_time"]) == ("live", clock.now())


async def test_service_properties_are_kept(tables: Tables) -> None:
    before = await tables.run(tables.client.get_service_properties)

    rule = TableCorsRule(["http://example.org"], ["GET"], max_age_in_seconds=5)
    await tables.run(tables.client.set_service_properties, cors=[rule])
    after = await tables.run(tables.client.get_service_properties)

    assert before["cors"] == []
    assert [found.allowed_origins for found in after["cors"]] == [["http://example.org"]]
