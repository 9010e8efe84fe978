"""What an answer tells beside values: the three levels of metadata, and preferences."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from conftest import Raw

ADDRESS = "/people(PartitionKey='p',RowKey='it''s')"
ETAG = "W/\"datetime'2024-05-01T12%3A00%3A00.0000000Z'\""
TIMESTAMP = "2024-05-01T12:00:00.0000000Z"


def levelled(level: str) -> dict[str, str]:
    return {"accept": f"application/json;odata={level}"}


async def test_no_metadata_is_values_alone(people: Raw) -> None:
    answer = await people.send("GET", ADDRESS, headers=levelled("nometadata"))

    assert answer.document == {
        "PartitionKey": "p",
        "RowKey": "it's",
        "Timestamp": TIMESTAMP,
        "age": 5,
        "big": "50",
    }
    assert answer.headers["content-type"].startswith("application/json;odata=nometadata")


async def test_minimal_metadata_tells_etag_and_types(people: Raw) -> None:
    answer = await people.send("GET", ADDRESS, headers=levelled("minimalmetadata"))

    assert answer.document == {
        "odata.metadata": f"{people.root}/devstoreaccount1/$metadata#people/@Element",
        "odata.etag": ETAG,
        "PartitionKey": "p",
        "RowKey": "it's",
        "Timestamp": TIMESTAMP,
        "age": 5,
        "big@odata.type": "Edm.Int64",
        "big": "50",
    }
    assert answer.headers["etag"] == ETAG


@pytest.mark.parametrize("address", [ADDRESS, "/people()", "/people(PartitionKey='p',RowKey='no')"])
async def test_no_answer_is_for_a_cache(people: Raw, address: str) -> None:
    answer = await people.send("GET", address, headers=levelled("nometadata"))

    assert answer.headers["cache-control"] == "no-cache"
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("address", "described"),
    [("people(PartitionKey='p',RowKey='it''s')", "people/@Element"), ("people()", "people")],
)
async def test_a_selection_is_part_of_what_describes_entities(
    people: Raw, address: str, described: str
) -> None:
    target, headers = f"/{address}?$select=age,big", levelled("minimalmetadata")

    answer = await people.send("GET", target, headers=headers)

    context = answer.document["odata.metadata"].partition("#")[2]
    assert context == f"{described}&$select=age,big"


@pytest.mark.parametrize(
    ("names", "properties"), [("odata.etag,age", {"age": 5}), ("odata.etag", {})]
)
async def test_an_etag_is_told_whether_it_is_selected_or_not(
    people: Raw, names: str, properties: dict[str, int]
) -> None:
    target, headers = f"/people()?$select={names}", levelled("minimalmetadata")

    answer = await people.send("GET", target, headers=headers)

    assert answer.document["value"] == [{"odata.etag": ETAG, **properties}]


async def test_full_metadata_tells_addresses_too(people: Raw) -> None:
    answer = await people.send("GET", "/people()", headers=levelled("fullmetadata"))

    address = "people(PartitionKey='p',RowKey='it''s')"
    [found] = answer.document["value"]
    assert found == {
        "odata.type": "devstoreaccount1.people",
        "odata.id": f"{people.root}/devstoreaccount1/{address}",
        "odata.etag": ETAG,
        "odata.editLink": address,
        "PartitionKey": "p",
        "RowKey": "it's",
        "Timestamp@odata.type": "Edm.DateTime",
        "Timestamp": TIMESTAMP,
        "age": 5,
        "big@odata.type": "Edm.Int64",
        "big": "50",
    }


@pytest.mark.parametrize(
    ("level", "expected"),
    [
        ("nometadata", {"TableName": "people"}),
        ("minimalmetadata", {"TableName": "people"}),
        (
            "fullmetadata",
            {
                "odata.type": "devstoreaccount1.Tables",
                "odata.id": "ROOT/Tables('people')",
                "odata.editLink": "Tables('people')",
                "TableName": "people",
            },
        ),
    ],
)
async def test_tables_have_the_same_three_levels(
    people: Raw, level: str, expected: dict[str, str]
) -> None:
    answer = await people.send("GET", "/Tables", headers=levelled(level))
    single = await people.send("GET", "/Tables('people')", headers=levelled(level))

    root = f"{people.root}/devstoreaccount1"
    expected = {name: text.replace("ROOT", root) for name, text in expected.items()}
    assert answer.document["value"] == [expected]
    assert {**single.document, "odata.metadata": ""} == {**expected, "odata.metadata": ""}


async def test_the_format_may_stand_in_the_address(people: Raw) -> None:
    target = f"{ADDRESS}?$format=application/json;odata%3Dnometadata"

    answer = await people.send("GET", target, headers={"accept": "application/atom+xml"})

    assert "odata.etag" not in answer.document


@pytest.mark.parametrize(
    ("headers", "outcome"),
    [
        ({"accept": "application/atom+xml"}, "415 AtomFormatNotSupported"),
        ({"accept": "application/json;odata=verbose"}, "400 InvalidHeaderValue"),
    ],
)
async def test_other_formats_are_not_spoken(
    people: Raw, headers: dict[str, str], outcome: str
) -> None:
    answer = await people.send("GET", "/people", headers=headers)

    assert answer.outcome == outcome


@pytest.mark.parametrize("accept", ["application/atom+xml", "application/json;odata=verbose"])
async def test_nothing_is_created_that_cannot_be_told(people: Raw, accept: str) -> None:
    headers, new = {"accept": accept}, b'{"PartitionKey":"p","RowKey":"new"}'

    entity = await people.send("POST", "/people", new, headers)
    table = await people.send("POST", "/Tables", b'{"TableName":"other"}', headers)
    untold = await people.send("POST", "/people", new, headers | {"prefer": "return-no-content"})

    assert entity.outcome == table.outcome != ""
    assert untold.status == 204
    assert (await people.send("GET", "/Tables('other')")).outcome == "404 ResourceNotFound"


async def test_the_format_of_what_was_created_may_stand_in_the_address(people: Raw) -> None:
    target = "/people?$format=application/json;odata%3Dnometadata"
    new = b'{"PartitionKey":"p","RowKey":"new"}'

    answer = await people.send("POST", target, new, levelled("fullmetadata"))

    assert "odata.etag" not in answer.document


@pytest.mark.parametrize(
    ("prefer", "status", "has_body"),
    [("", 201, True), ("return-content", 201, True), ("return-no-content", 204, False)],
)
async def test_what_was_written_comes_back_if_it_is_wanted(
    raw: Raw, prefer: str, status: int, has_body: bool, person: Mapping[str, Any]
) -> None:
    headers = {"prefer": prefer} if prefer else {}

    table = await raw.send("POST", "/Tables", b'{"TableName":"people"}', headers)
    entity = await raw.send("POST", "/people", json.dumps(person).encode(), headers)

    for answer in (table, entity):
        assert (answer.status, bool(answer.body)) == (status, has_body)
        assert answer.headers.get("preference-applied", "") == prefer
    assert table.headers["location"] == f"{raw.root}/devstoreaccount1/Tables('people')"
    assert entity.headers["location"].endswith("/people(PartitionKey='p',RowKey='it''s')")
    assert entity.headers["etag"] == ETAG
