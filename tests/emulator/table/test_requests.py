"""Requests as no SDK sends them: metadata levels, preferences, errors, batches by hand, SAS."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from azure.core.credentials import AzureNamedKeyCredential
from azure.core.exceptions import HttpResponseError
from azure.data.tables import TableSasPermissions, generate_table_sas
from azure.data.tables.aio import TableClient

from triggerfish_storage.protocol.accounts import DEFAULT_ACCOUNT, DEFAULT_KEY

if TYPE_CHECKING:
    from conftest import Answer, Raw

ENTITY = {
    "PartitionKey": "p",
    "RowKey": "it's",
    "age": 5,
    "big@odata.type": "Edm.Int64",
    "big": "50",
}
ADDRESS = "/people(PartitionKey='p',RowKey='it''s')"
ETAG = "W/\"datetime'2024-05-01T12%3A00%3A00.0000000Z'\""
TIMESTAMP = "2024-05-01T12:00:00.0000000Z"


@pytest.fixture
async def people(raw: Raw) -> Raw:
    await raw.send("POST", "/Tables", b'{"TableName":"people"}')
    answer = await raw.send("POST", "/people", json.dumps(ENTITY).encode())
    assert answer.status == 201
    return raw


def levelled(level: str) -> dict[str, str]:
    return {"accept": f"application/json;odata={level}"}


def document(answer: Answer) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(answer.body)
    return found


# --- metadata ---------------------------------------------------------------------------------


async def test_no_metadata_is_values_alone(people: Raw) -> None:
    answer = await people.send("GET", ADDRESS, headers=levelled("nometadata"))

    assert document(answer) == {
        "PartitionKey": "p",
        "RowKey": "it's",
        "Timestamp": TIMESTAMP,
        "age": 5,
        "big": "50",
    }
    assert answer.headers["content-type"].startswith("application/json;odata=nometadata")


async def test_minimal_metadata_tells_etag_and_types(people: Raw) -> None:
    answer = await people.send("GET", ADDRESS, headers=levelled("minimalmetadata"))

    assert document(answer) == {
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


async def test_full_metadata_tells_addresses_too(people: Raw) -> None:
    answer = await people.send("GET", "/people()", headers=levelled("fullmetadata"))

    address = "people(PartitionKey='p',RowKey='it%27%27s')"
    [found] = document(answer)["value"]
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
    assert document(answer)["value"] == [expected]
    assert {**document(single), "odata.metadata": ""} == {**expected, "odata.metadata": ""}


async def test_the_format_may_stand_in_the_address(people: Raw) -> None:
    target = f"{ADDRESS}?$format=application/json;odata%3Dnometadata"

    answer = await people.send("GET", target, headers={"accept": "application/atom+xml"})

    assert "odata.etag" not in document(answer)


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


# --- preferences ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("prefer", "status", "has_body"),
    [("", 201, True), ("return-content", 201, True), ("return-no-content", 204, False)],
)
async def test_what_was_written_comes_back_if_it_is_wanted(
    raw: Raw, prefer: str, status: int, has_body: bool
) -> None:
    headers = {"prefer": prefer} if prefer else {}

    table = await raw.send("POST", "/Tables", b'{"TableName":"people"}', headers)
    entity = await raw.send("POST", "/people", json.dumps(ENTITY).encode(), headers)

    for answer in (table, entity):
        assert (answer.status, bool(answer.body)) == (status, has_body)
        assert answer.headers.get("preference-applied", "") == prefer
    assert table.headers["location"] == f"{raw.root}/devstoreaccount1/Tables('people')"
    assert entity.headers["location"].endswith("/people(PartitionKey='p',RowKey='it%27%27s')")
    assert entity.headers["etag"] == ETAG


async def test_a_client_whose_url_ends_in_the_tables_name_is_told_what_is_wrong(
    people: Raw,
) -> None:
    url = f"{people.root}/{DEFAULT_ACCOUNT}/people"
    credential = AzureNamedKeyCredential(DEFAULT_ACCOUNT, DEFAULT_KEY)

    async with TableClient(url, "people", credential=credential) as client:
        with pytest.raises(HttpResponseError, match="check your account URL"):
            await client.create_table()
        with pytest.raises(HttpResponseError, match="check your account URL"):
            await client.delete_table()
        with pytest.raises(HttpResponseError) as unspoken:
            await client.submit_transaction([("upsert", ENTITY)])
    assert unspoken.value.status_code == 415
    async with TableClient.from_table_url(url, credential=credential) as client:
        assert [entity["RowKey"] async for entity in client.list_entities()] == ["it's"]


async def test_keys_of_any_type_in_the_body_of_an_addressed_entity_say_nothing(people: Raw) -> None:
    body = b'{"PartitionKey@odata.type":"Edm.Binary","PartitionKey":"AA==","RowKey":5,"age":6}'

    written = await people.send("PUT", ADDRESS, body)
    found = document(await people.send("GET", ADDRESS, headers=levelled("nometadata")))

    assert written.status == 204
    assert (found["PartitionKey"], found["RowKey"], found["age"]) == ("p", "it's", 6)


# --- refusals ---------------------------------------------------------------------------------

JSON = b'{"PartitionKey":"p","RowKey":"new"}'
REFUSALS = [
    ("POST", "/Tables", b"{}", {}, "400 InvalidInput"),
    ("POST", "/Tables", b'{"TableName":5}', {}, "400 InvalidInput"),
    ("POST", "/Tables", b'{"TableName":"a-b"}', {}, "400 InvalidResourceName"),
    ("POST", "/Tables", b'{"TableName":"1st"}', {}, "400 InvalidResourceName"),
    ("POST", "/Tables", b'{"TableName":"tables"}', {}, "400 InvalidResourceName"),
    ("POST", "/Tables", b'{"TableName":"ab"}', {}, "400 OutOfRangeInput"),
    ("POST", "/Tables", b'{"TableName":"PEOPLE"}', {}, "409 TableAlreadyExists"),
    ("DELETE", "/Tables('missing')", None, {}, "404 ResourceNotFound"),
    ("DELETE", "/Tables(missing)", None, {}, "400 InvalidInput"),
    ("GET", "/Tables('missing')", None, {}, "404 ResourceNotFound"),
    ("GET", "/missing", None, {}, "404 TableNotFound"),
    ("GET", "/a-b", None, {}, "400 InvalidResourceName"),
    ("GET", "/people?$filter=x", None, {}, ""),
    ("GET", "/people?$filter=a%20eq", None, {}, "400 InvalidInput"),
    ("GET", "/people?$top=1001", None, {}, "400 OutOfRangeQueryParameterValue"),
    ("GET", "/people?$top=x", None, {}, "400 InvalidQueryParameterValue"),
    ("GET", "/people?$orderby=age", None, {}, "501 NotImplemented"),
    ("GET", "/people()?$skip=1", None, {}, "501 NotImplemented"),
    ("GET", "/Tables?$orderby=TableName", None, {}, "501 NotImplemented"),
    ("GET", "/people?NextPartitionKey=x", None, {}, "400 InvalidInput"),
    ("GET", "/people?NextPartitionKey=1!4!YQ-", None, {}, "400 InvalidInput"),
    ("GET", "/people(PartitionKey='p')", None, {}, "400 InvalidInput"),
    ("GET", "/people(p)", None, {}, "400 InvalidInput"),
    ("GET", "/people(RowKey='it''s',PartitionKey='p')", None, {}, ""),
    ("POST", "/people", b"", {}, "400 InvalidInput"),
    ("POST", "/people", b'{"RowKey":"r"}', {}, "400 PropertiesNeedValue"),
    (
        "POST",
        "/people",
        JSON,
        {"content_type": "application/atom+xml"},
        "415 AtomFormatNotSupported",
    ),
    ("POST", "/missing", JSON, {}, "404 TableNotFound"),
    ("PUT", ADDRESS, b"{}", {"if_match": "x"}, "400 InvalidInput"),
    ("PUT", "/people(PartitionKey='p',RowKey='a%2Fb')", b"{}", {}, "400 OutOfRangeInput"),
    (
        "PUT",
        "/people(PartitionKey='p',RowKey='q')",
        b"{}",
        {"if_match": "*"},
        "404 ResourceNotFound",
    ),
    ("DELETE", ADDRESS, None, {}, "400 MissingRequiredHeader"),
    ("DELETE", ADDRESS, None, {"if_match": "W/\"datetime'x'\""}, "412 UpdateConditionNotSatisfied"),
    (
        "DELETE",
        "/people(PartitionKey='p',RowKey='q')",
        None,
        {"if_match": "*"},
        "404 ResourceNotFound",
    ),
    ("PUT", ADDRESS, b"{}", {"x_http_method": "MERGE"}, "400 XMethodNotUsingPost"),
    ("POST", "/$batch", b"", {}, "400 InvalidInput"),
    ("POST", "/people/Tables", b'{"TableName":"people"}', {}, "400 PropertiesNeedValue"),
    ("POST", "/missing/Tables", b'{"TableName":"missing"}', {}, "404 TableNotFound"),
    ("DELETE", "/people/Tables('people')", None, {}, "400 InvalidInput"),
    ("DELETE", "/missing/Tables('missing')", None, {}, "404 TableNotFound"),
    ("GET", f"/people{ADDRESS}", None, {}, "404 TableNotFound"),
    ("POST", "/people/$batch", b"", {}, "415 MediaTypeNotSupported"),
]


@pytest.mark.parametrize(
    ("method", "target", "body", "headers", "outcome"),
    REFUSALS,
    ids=[f"{row[0]} {row[1][:40]} {row[4][4:]}" for row in REFUSALS],
)
async def test_a_bad_request_gets_its_documented_error(
    people: Raw,
    method: str,
    target: str,
    body: bytes | None,
    headers: dict[str, str],
    outcome: str,
) -> None:
    answer = await people.send(method, target, body, headers)

    if not outcome:
        assert answer.status == 200
        return
    assert answer.outcome == outcome
    error = document(answer)["odata.error"]
    assert error["code"] == outcome.partition(" ")[2]
    assert error["message"]["lang"] == "en-US"


@pytest.mark.parametrize(
    ("tunnelled", "headers", "expected"),
    [
        ("MERGE", {"if_match": "*"}, {"age": 6, "big": "50"}),
        ("PATCH", {}, {"age": 6, "big": "50"}),
        ("PUT", {"if_match": ETAG}, {"age": 6}),
        ("DELETE", {"if_match": "*"}, None),
    ],
)
async def test_a_post_may_stand_for_another_method(
    people: Raw, tunnelled: str, headers: dict[str, str], expected: dict[str, object] | None
) -> None:
    body = None if tunnelled == "DELETE" else b'{"age":6}'

    changed = await people.send("POST", ADDRESS, body, {"x_http_method": tunnelled, **headers})
    found = await people.send("GET", ADDRESS, headers=levelled("nometadata"))

    assert changed.status == 204
    if expected is None:
        assert found.outcome == "404 ResourceNotFound"
    else:
        own = {n: v for n, v in document(found).items() if n[0].islower()}
        assert own == expected


# --- pages ------------------------------------------------------------------------------------


async def test_a_page_says_where_the_next_one_begins(people: Raw) -> None:
    for name in ("a", "ü"):
        body = json.dumps({"PartitionKey": "p", "RowKey": name}).encode()
        await people.send("POST", "/people", body)

    rows, more = [], ""
    for _ in range(4):
        answer = await people.send("GET", f"/people?$top=1{more}", headers=levelled("nometadata"))
        rows += [entity["RowKey"] for entity in document(answer)["value"]]
        if "x-ms-continuation-nextpartitionkey" not in answer.headers:
            break
        more = "".join(
            f"&Next{key}={quote(answer.headers[f'x-ms-continuation-next{key.lower()}'])}"
            for key in ("PartitionKey", "RowKey")
        )

    assert rows == ["a", "it's", "ü"]


async def test_tables_come_in_pages_too(raw: Raw) -> None:
    for name in ("one", "two"):
        await raw.send("POST", "/Tables", json.dumps({"TableName": name}).encode())

    first = await raw.send("GET", "/Tables?$top=1")
    marker = first.headers["x-ms-continuation-nexttablename"]
    second = await raw.send("GET", f"/Tables?$top=1&NextTableName={quote(marker)}")

    assert [table["TableName"] for table in document(first)["value"]] == ["one"]
    assert [table["TableName"] for table in document(second)["value"]] == ["two"]
    assert "x-ms-continuation-nexttablename" not in second.headers


# --- batches ----------------------------------------------------------------------------------


def batch(*requests: str, newline: str = "\r\n") -> bytes:
    parts = "".join(
        f"--changes\nContent-Type: application/http\n\n{request}\n" for request in requests
    )
    text = (
        "--batch\nContent-Type: multipart/mixed; boundary=changes\n\n"
        f"{parts}--changes--\n--batch--\n"
    )
    return text.replace("\n", newline).encode()


def put(row: str, body: str = "{}", more: str = "") -> str:
    target = f"http://any/devstoreaccount1/people(PartitionKey='p',RowKey='{row}')"
    return f"PUT {target} HTTP/1.1\nContent-Type: application/json\n{more}\n{body}\n"


MULTIPART = {"content_type": 'multipart/mixed; boundary="batch"'}


@pytest.mark.parametrize("newline", ["\r\n", "\n"])
async def test_lines_of_a_batch_end_either_way(people: Raw, newline: str) -> None:
    body = batch(put("a", '{"age":1}', "Content-ID: 7\n"), put("b"), newline=newline)

    answer = await people.send("POST", "/$batch", body, MULTIPART)

    assert answer.status == 202
    assert answer.body.count(b"HTTP/1.1 204 No Content") == 2
    assert b"Content-ID: 7\r\n" in answer.body
    assert (await people.send("GET", "/people(PartitionKey='p',RowKey='a')")).status == 200


async def test_a_boundary_may_end_the_headers_of_a_request_without_a_body(people: Raw) -> None:
    delete = f"DELETE {ADDRESS} HTTP/1.1\nIf-Match: *\n"

    answer = await people.send("POST", "/$batch", batch(delete), MULTIPART)

    assert answer.body.count(b"HTTP/1.1 204 No Content") == 1
    assert (await people.send("GET", ADDRESS)).outcome == "404 ResourceNotFound"


async def test_a_transaction_of_nothing_is_done_at_once(people: Raw) -> None:
    answer = await people.send("POST", "/$batch", batch(), MULTIPART)

    assert answer.status == 202
    assert b"HTTP/1.1" not in answer.body
    assert b"--changesetresponse_" in answer.body


async def test_an_error_in_a_batch_says_where(people: Raw) -> None:
    delete = put("missing", more="If-Match: *\n").replace("PUT", "DELETE")

    answer = await people.send("POST", "/$batch", batch(put("a"), delete), MULTIPART)

    assert answer.status == 202
    assert answer.body.count(b"HTTP/1.1 ") == 1
    assert b"HTTP/1.1 404 Not Found" in answer.body
    assert b'"value": "1:The specified resource does not exist.' in answer.body
    missing = await people.send("GET", "/people(PartitionKey='p',RowKey='a')")
    assert missing.outcome == "404 ResourceNotFound"


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("people()?$filter=age%20eq%205", b'"RowKey":"it\'s"'),
        ("people(PartitionKey='p',RowKey='it%27%27s')", b'"RowKey":"it\'s"'),
        ("people(PartitionKey='p',RowKey='q')", b"404 Not Found"),
        ("missing()", b"TableNotFound"),
    ],
)
async def test_a_batch_may_be_a_single_query(people: Raw, target: str, said: bytes) -> None:
    body = (
        "--batch\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\n"
        f"GET http://any/devstoreaccount1/{target} HTTP/1.1\r\n"
        "Accept: application/json;odata=nometadata\r\n\r\n\r\n--batch--\r\n"
    ).encode()

    answer = await people.send("POST", "/$batch", body, MULTIPART)

    assert answer.status == 202
    assert said in answer.body


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"--batch\r\n",
        b"--batch--\r\n",
        b"--batch\r\nContent-Type: multipart/mixed\r\n\r\n\r\n--batch--",
        b"--batch\r\nno header\r\n\r\nGET / HTTP/1.1\r\n\r\n--batch--",
        b"--batch\r\nContent-Type: application/http\r\n\r\nGET /\r\n\r\n--batch--",
        b"\xff" * 100,
    ],
)
async def test_a_malformed_batch_is_refused(people: Raw, body: bytes) -> None:
    answer = await people.send("POST", "/$batch", body, MULTIPART)

    assert answer.outcome == "400 InvalidInput"


async def test_a_batch_has_four_mebibytes(people: Raw) -> None:
    answer = await people.send("POST", "/$batch", bytes(4 * 1024 * 1024 + 1), MULTIPART)

    assert answer.outcome == "413 ContentLengthExceeded"


@pytest.mark.parametrize(
    ("requests", "code"),
    [
        ((put("a"), put("b").replace("'p'", "'q'")), b"CommandsInBatchActOnDifferentPartitions"),
        ((put("a"), put("b").replace("people(", "other(")), b"InvalidInput"),
        ((put("a"), put("a")), b"InvalidDuplicateRow"),
        ((put("a").replace("PUT", "GET"),), b"UnsupportedHttpVerb"),
        ((put("a", "no json"),), b"InvalidInput"),
    ],
)
async def test_what_cannot_be_one_transaction_is_refused(
    people: Raw, requests: tuple[str, ...], code: bytes
) -> None:
    answer = await people.send("POST", "/$batch", batch(*requests), MULTIPART)

    assert answer.status == 202
    assert b'"code": "' + code + b'"' in answer.body


# --- shared access signatures -----------------------------------------------------------------


def sas(now: datetime, permission: str, table: str = "people", **keys: str) -> str:
    token: str = generate_table_sas(
        AzureNamedKeyCredential(DEFAULT_ACCOUNT, DEFAULT_KEY),
        table,
        permission=TableSasPermissions.from_string(permission),
        expiry=now + timedelta(hours=1),
        **keys,
    )
    return token


@pytest.mark.parametrize(
    ("permission", "method", "target", "body", "headers", "outcome"),
    [
        ("r", "GET", ADDRESS, None, {}, "200"),
        ("r", "GET", "/people()", None, {}, "200"),
        ("a", "GET", ADDRESS, None, {}, "403 AuthorizationPermissionMismatch"),
        ("a", "POST", "/people", JSON, {}, "201"),
        ("r", "POST", "/people", JSON, {}, "403 AuthorizationPermissionMismatch"),
        ("u", "PUT", ADDRESS, b"{}", {"if_match": "*"}, "204"),
        ("u", "PUT", ADDRESS, b"{}", {}, "403 AuthorizationPermissionMismatch"),
        ("au", "PUT", ADDRESS, b"{}", {}, "204"),
        ("d", "DELETE", ADDRESS, None, {"if_match": "*"}, "204"),
        ("raud", "GET", "/Tables", None, {}, "403 AuthorizationFailure"),
        ("raud", "GET", "/?restype=service&comp=properties", None, {}, "403 AuthorizationFailure"),
        ("raud", "GET", "/other()", None, {}, "403 AuthenticationFailed"),
    ],
)
async def test_a_signature_allows_what_it_says(
    people: Raw,
    clock: Any,
    permission: str,
    method: str,
    target: str,
    body: bytes | None,
    headers: dict[str, str],
    outcome: str,
) -> None:
    token = sas(clock.now(), permission)

    answer = await people.send(
        method, f"{target}{'&' if '?' in target else '?'}{token}", body, headers, is_signed=False
    )

    assert answer.outcome == outcome


@pytest.mark.parametrize(
    ("permission", "requests", "said"),
    [
        ("au", (put("a"),), b"204 No Content"),
        ("u", (put("a"),), b"AuthorizationPermissionMismatch"),
        ("u", (put("it''s", more="If-Match: *\n"),), b"204 No Content"),
        ("au", (put("a").replace("people(", "other("),), b"AuthorizationFailure"),
    ],
)
async def test_in_a_batch_a_signature_allows_no_more(
    people: Raw, clock: Any, permission: str, requests: tuple[str, ...], said: bytes
) -> None:
    token = sas(clock.now(), permission)

    answer = await people.send(
        "POST", f"/$batch?{token}", batch(*requests), MULTIPART, is_signed=False
    )

    assert said in answer.body


async def test_a_signature_may_be_for_some_keys_only(people: Raw, clock: Any) -> None:
    for partition, row in (("o", "z"), ("p", "a"), ("p", "z"), ("q", "a"), ("q", "z")):
        body = json.dumps({"PartitionKey": partition, "RowKey": row}).encode()
        await people.send("POST", "/people", body)
    keys = {"start_pk": "p", "start_rk": "b", "end_pk": "q", "end_rk": "m"}
    token = sas(clock.now(), "ra", **keys)

    listed = await people.send("GET", f"/people()?{token}", is_signed=False)
    inside = await people.send("GET", f"{ADDRESS}?{token}", is_signed=False)
    outside = await people.send(
        "GET", f"/people(PartitionKey='p',RowKey='a')?{token}", is_signed=False
    )
    added = await people.send(
        "POST", f"/people?{token}", b'{"PartitionKey":"q","RowKey":"n"}', is_signed=False
    )

    found = [(e["PartitionKey"], e["RowKey"]) for e in document(listed)["value"]]
    assert found == [("p", "it's"), ("p", "z"), ("q", "a")]
    assert inside.status == 200
    assert outside.outcome == added.outcome == "403 AuthorizationFailure"
