"""Requests that no SDK sends, each with its documented answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import pytest
from azure.core.credentials import AzureNamedKeyCredential
from azure.core.exceptions import HttpResponseError
from azure.data.tables.aio import TableClient

from triggerfish_storage.protocol.accounts import DEFAULT_ACCOUNT, DEFAULT_KEY

if TYPE_CHECKING:
    from conftest import Raw

ADDRESS = "/people(PartitionKey='p',RowKey='it''s')"
ETAG = "W/\"datetime'2024-05-01T12%3A00%3A00.0000000Z'\""
VALUES_ALONE = {"accept": "application/json;odata=nometadata"}
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
    ("POST", "/people(PartitionKey='p',RowKey='new')", JSON, {}, "405 UnsupportedHttpVerb"),
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
    ("DELETE", ADDRESS, None, {"if_match": 'W/"x"'}, "412 UpdateConditionNotSatisfied"),
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
    error = answer.document["odata.error"]
    assert error["code"] == outcome.partition(" ")[2]
    assert error["message"]["lang"] == "en-US"
    kind = "application/json;odata=minimalmetadata;streaming=true;charset=utf-8"
    assert answer.headers["content-type"] == kind
    assert answer.body.startswith(b'{"odata.error":{"code":"')  # some clients look for it as text


async def test_an_error_says_what_is_wrong_with_the_request(people: Raw) -> None:
    answer = await people.send("GET", "/people()?$filter=aaa%20bbb")

    said = answer.document["odata.error"]["message"]["value"]
    assert said.startswith("One of the request inputs is not valid. The filter 'aaa bbb': ")


async def test_who_asks_for_xml_gets_errors_as_xml(people: Raw) -> None:
    headers = {"accept": "application/xml"}

    answer = await people.send("PUT", "/people?comp=acl", b"<SignedIdentifiers>", headers)

    assert (answer.status, answer.headers["content-type"]) == (400, "application/xml")
    assert answer.headers["x-ms-error-code"] == "InvalidXmlDocument"
    error = ElementTree.fromstring(answer.body)
    namespace = "{http://schemas.microsoft.com/ado/2007/08/dataservices/metadata}"
    assert (error.tag, error[0].text) == (f"{namespace}error", "InvalidXmlDocument")
    language = {"{http://www.w3.org/XML/1998/namespace}lang": "en-US"}
    assert (error[1].tag, error[1].attrib) == (f"{namespace}message", language)
    assert error[1].text.startswith("XML specified is not syntactically valid.")


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
    found = await people.send("GET", ADDRESS, headers=VALUES_ALONE)

    assert changed.status == 204
    if expected is None:
        assert found.outcome == "404 ResourceNotFound"
    else:
        own = {n: v for n, v in found.document.items() if n[0].islower()}
        assert own == expected


async def test_a_client_whose_url_ends_in_the_tables_name_is_told_what_is_wrong(
    people: Raw,
    person: Mapping[str, Any],
) -> None:
    url = f"{people.root}/{DEFAULT_ACCOUNT}/people"
    credential = AzureNamedKeyCredential(DEFAULT_ACCOUNT, DEFAULT_KEY)

    async with TableClient(url, "people", credential=credential) as client:
        with pytest.raises(HttpResponseError, match="check your account URL"):
            await client.create_table()
        with pytest.raises(HttpResponseError, match="check your account URL"):
            await client.delete_table()
        with pytest.raises(HttpResponseError) as unspoken:
            await client.submit_transaction([("upsert", person)])
    assert unspoken.value.status_code == 415
    async with TableClient.from_table_url(url, credential=credential) as client:
        assert [entity["RowKey"] async for entity in client.list_entities()] == ["it's"]


async def test_keys_of_any_type_in_the_body_of_an_addressed_entity_say_nothing(people: Raw) -> None:
    body = b'{"PartitionKey@odata.type":"Edm.Binary","PartitionKey":"AA==","RowKey":5,"age":6}'

    written = await people.send("PUT", ADDRESS, body)
    found = await people.send("GET", ADDRESS, headers=VALUES_ALONE)

    assert written.status == 204
    kept = found.document
    assert (kept["PartitionKey"], kept["RowKey"], kept["age"]) == ("p", "it's", 6)
