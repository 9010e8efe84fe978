"""Batches by hand: how they may be written, what cannot be one, and what a signature allows."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from conftest import Raw

ADDRESS = "/people(PartitionKey='p',RowKey='it''s')"
MULTIPART = {"content_type": 'multipart/mixed; boundary="batch"'}


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


async def test_keys_in_an_address_may_be_as_they_are(people: Raw) -> None:
    answer = await people.send("POST", "/$batch", batch(put("a  ü HTTP")), MULTIPART)

    assert b"HTTP/1.1 204 No Content" in answer.body
    address = "/people(PartitionKey='p',RowKey='a%20%20%C3%BC%20HTTP')"
    assert (await people.send("GET", address)).status == 200


async def test_a_transaction_of_nothing_is_done_at_once(people: Raw) -> None:
    answer = await people.send("POST", "/$batch", batch(), MULTIPART)

    assert answer.status == 202
    assert b"HTTP/1.1" not in answer.body
    assert b"--changesetresponse_" in answer.body


async def test_each_answer_of_a_batch_tells_its_version_of_odata(people: Raw) -> None:
    insert = "POST http://any/devstoreaccount1/people HTTP/1.1\nContent-Type: application/json\n"
    new = '{"PartitionKey":"p","RowKey":"new"}\n'
    unseen = insert.replace("\n", "\nPrefer: return-no-content\n", 1)
    changes = batch(f"{insert}\n{new}", put("a"), f"{unseen}\n{new.replace('new', 'b')}")

    answer = await people.send("POST", "/$batch", changes, MULTIPART)

    assert re.findall(rb"DataServiceVersion: ([0-9.]+);", answer.body) == [b"3.0", b"1.0", b"3.0"]


async def test_a_batch_beyond_a_hundred_changes_says_so(people: Raw) -> None:
    changes = batch(*(put(str(row)) for row in range(101)))

    answer = await people.send("POST", "/$batch", changes, MULTIPART)

    said = (
        b'"value":"99:The batch request operation exceeds the maximum 100 changes per change set.'
    )
    assert said in answer.body


async def test_an_error_in_a_batch_says_where(people: Raw) -> None:
    delete = put("missing", more="If-Match: *\n").replace("PUT", "DELETE")

    answer = await people.send("POST", "/$batch", batch(put("a"), delete), MULTIPART)

    assert answer.status == 202
    assert answer.body.count(b"HTTP/1.1 ") == 1
    assert b"HTTP/1.1 404 Not Found" in answer.body
    assert b'"value":"1:The specified resource does not exist.' in answer.body
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


async def test_a_batch_that_cannot_be_answered_changes_nothing(people: Raw) -> None:
    insert = (
        "POST http://any/devstoreaccount1/people HTTP/1.1\nAccept: application/atom+xml\n\n"
        '{"PartitionKey":"p","RowKey":"new"}\n'
    )

    answer = await people.send("POST", "/$batch", batch(put("a"), insert), MULTIPART)

    assert answer.status == 202
    assert b'"value":"1:Atom format is not supported.' in answer.body
    missing = await people.send("GET", "/people(PartitionKey='p',RowKey='a')")
    assert missing.outcome == "404 ResourceNotFound"


async def test_a_batch_on_the_secondary_is_a_query(people: Raw) -> None:
    query = b"--batch\n\nGET http://any/devstoreaccount1/people() HTTP/1.1\n\n\n--batch--\n"
    secondary = "devstoreaccount1-secondary"

    found = await people.send("POST", "/$batch", query, MULTIPART, account=secondary)
    changed = await people.send("POST", "/$batch", batch(put("a")), MULTIPART, account=secondary)

    assert b'"RowKey":"it\'s"' in found.body
    assert changed.outcome == "403 InsufficientAccountPermissions"


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
    assert b'"code":"' + code + b'"' in answer.body


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
    people: Raw,
    clock: Any,
    permission: str,
    requests: tuple[str, ...],
    said: bytes,
    sas: Callable[..., str],
) -> None:
    token = sas(clock.now(), permission)

    answer = await people.send(
        "POST", f"/$batch?{token}", batch(*requests), MULTIPART, is_signed=False
    )

    assert said in answer.body
