"""What a Table service does, as both official clients see it."""

from __future__ import annotations

import math
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import UUID

import pytest
from azure.core import MatchConditions
from azure.data.tables import EdmType, EntityProperty, TableAccessPolicy, TableCorsRule, UpdateMode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Tables

    from triggerfish_storage.testing import ManualClock

ANN = {"PartitionKey": "people", "RowKey": "ann"}
WHEN = datetime(2024, 5, 1, 12, 30, 15, 123456, tzinfo=UTC)
GUID = UUID("c9da6455-213d-42c9-9a79-3e9149a57833")


@contextmanager
def refused(status: int, code: str) -> Iterator[pytest.ExceptionInfo[Exception]]:
    with pytest.raises(Exception, match=f"^{status} {code}$") as caught:
        yield caught


# --- tables -----------------------------------------------------------------------------------


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


async def test_a_name_in_another_case_is_the_same_table(tables: Tables) -> None:
    await tables.create("Orders")

    with refused(409, "TableAlreadyExists"):
        await tables.create("ORDERS")
    other = tables.client.get_table_client("oRDERS")
    await tables.run(other.create_entity, ANN)

    assert len(await tables.query(other)) == 1


async def test_a_deleted_table_is_gone_and_may_come_back_empty(tables: Tables) -> None:
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


# --- values -----------------------------------------------------------------------------------


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


# --- changes ----------------------------------------------------------------------------------


async def test_an_entity_is_inserted_once(tables: Tables) -> None:
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
    tables: Tables, mode: UpdateMode
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
async def test_a_stale_etag_changes_nothing(tables: Tables, action: str) -> None:
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


async def test_what_is_missing_is_not_found(tables: Tables) -> None:
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
    tables: Tables, extra: dict[str, object], code: str
) -> None:
    table = await tables.create("people")

    with refused(400, code):
        await tables.run(table.create_entity, {**ANN, **extra})


# --- queries ----------------------------------------------------------------------------------


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


async def test_a_filter_that_makes_no_sense_is_refused(tables: Tables) -> None:
    table = await tables.create("people")

    with refused(400, "InvalidInput"):
        await tables.query(table, "PartitionKey eq")


async def test_selected_properties_come_alone_and_missing_ones_as_nothing(tables: Tables) -> None:
    table = await tables.create("people")
    await tables.run(table.create_entity, {**ANN, "age": 5, "name": "Ann", "data": b"x"})

    [found] = await tables.query(table, select=["RowKey", "age", "data", "missing"])

    assert dict(found) == {"RowKey": "ann", "age": 5, "data": b"x", "missing": None}
    assert found.metadata["etag"]


# --- batches ----------------------------------------------------------------------------------


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
