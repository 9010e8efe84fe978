"""What is wrong with a request is told with its documented code."""

from __future__ import annotations

import gc
import logging
from typing import TYPE_CHECKING, Any

import pytest

from triggerfish_storage.database import DatabaseError
from triggerfish_storage.protocol.operations import Call
from triggerfish_storage.protocol.xml import parse
from triggerfish_storage.testing import ServedAccount

if TYPE_CHECKING:
    from conftest import Raw

TEXT = b"<QueueMessage><MessageText>hello</MessageText></QueueMessage>"


def put_of(size: int) -> bytes:
    return b"<QueueMessage><MessageText>" + b"x" * size + b"</MessageText></QueueMessage>"


WEEK = 7 * 24 * 3600


@pytest.mark.parametrize(
    ("method", "target", "status", "code"),
    [
        ("GET", "/orders/messages?numofmessages=0", 400, "OutOfRangeQueryParameterValue"),
        ("GET", "/orders/messages?numofmessages=33", 400, "OutOfRangeQueryParameterValue"),
        ("GET", "/orders/messages?numofmessages=x", 400, "InvalidQueryParameterValue"),
        ("GET", "/orders/messages?numofmessages=1_0", 400, "InvalidQueryParameterValue"),
        ("GET", f"/orders/messages?numofmessages={'9' * 400}", 400, "InvalidQueryParameterValue"),
        ("GET", "/orders/messages?visibilitytimeout=0", 400, "OutOfRangeQueryParameterValue"),
        (
            *("GET", f"/orders/messages?visibilitytimeout={WEEK + 1}", 400),
            "OutOfRangeQueryParameterValue",
        ),
        ("POST", "/orders/messages?messagettl=0", 400, "OutOfRangeQueryParameterValue"),
        ("POST", "/orders/messages?messagettl=-2", 400, "OutOfRangeQueryParameterValue"),
        ("POST", "/orders/messages?visibilitytimeout=-1", 400, "OutOfRangeQueryParameterValue"),
        (
            *("POST", "/orders/messages?visibilitytimeout=5&messagettl=5", 400),
            "InvalidQueryParameterValue",
        ),
        ("PUT", "/orders/messages/id?visibilitytimeout=1", 400, "MissingRequiredQueryParameter"),
        ("PUT", "/orders/messages/id?popreceipt=1", 400, "MissingRequiredQueryParameter"),
        ("DELETE", "/orders/messages/id", 400, "MissingRequiredQueryParameter"),
        ("DELETE", "/orders/messages/id?popreceipt=1", 404, "MessageNotFound"),
        ("GET", "/?comp=list&maxresults=0", 400, "OutOfRangeQueryParameterValue"),
        ("GET", "/?comp=list&maxresults=5001", 200, ""),  # means what a page may have
        ("GET", "/?comp=list&include=secrets", 400, "InvalidQueryParameterValue"),
        ("GET", "/?comp=nonsense", 400, "InvalidQueryParameterValue"),
        ("GET", "/orders", 400, "MissingRequiredQueryParameter"),
        ("PATCH", "/orders", 405, "UnsupportedHttpVerb"),
        ("DELETE", "/", 405, "UnsupportedHttpVerb"),
        ("GET", "/orders/messages/id/more", 400, "InvalidUri"),
        ("GET", "/%FF/messages", 400, "InvalidUri"),
        ("PUT", "/%2e%2e", 400, "OutOfRangeInput"),
        ("PUT", "/..%2f..%2fetc", 400, "InvalidResourceName"),
        ("PUT", "/ORDERS", 400, "InvalidResourceName"),
        ("GET", "/missing/messages", 404, "QueueNotFound"),
        ("PUT", "/orders?comp=acl", 204, ""),
    ],
)
async def test_bad_values_get_their_documented_code(
    queue: Raw, method: str, target: str, status: int, code: str
) -> None:
    await queue.request("PUT", "/orders")
    body = TEXT if method == "POST" else b""

    answer = await queue.request(method, target, body=body)

    assert (answer.status, answer.code) == (status, code)


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"x-ms-meta-": "empty"}, "EmptyMetadataKey"),
        ({"x-ms-meta-a-b": "hyphen"}, "InvalidMetadata"),
        ({"x-ms-meta-1a": "digit"}, "InvalidMetadata"),
        ({"x-ms-meta-a": "x" * 8192}, "MetadataTooLarge"),
    ],
)
async def test_metadata_is_checked(queue: Raw, headers: dict[str, str], code: str) -> None:
    answer = await queue.request("PUT", "/orders", headers=headers)

    assert (answer.status, answer.code) == (400, code)


@pytest.mark.parametrize("second", ["a", "A"])
async def test_metadata_has_each_name_once_whatever_its_case(queue: Raw, second: str) -> None:
    joined = queue.build("PUT", "/orders", headers={"x-ms-meta-a": "1,2"})  # as it is signed
    apart = f"x-ms-meta-a: 1\r\nx-ms-meta-{second}: 2".encode()

    answer = await queue.send(joined.replace(b"x-ms-meta-a: 1,2", apart))

    assert (answer.status, answer.code) == (400, "InvalidMetadata")


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "InvalidXmlDocument"),
        (b"<QueueMessage>", 400, "InvalidXmlDocument"),
        (b"<Other/>", 400, "InvalidXmlDocument"),
        (b"<QueueMessage/>", 400, "MissingRequiredXmlNode"),
        (b"<!DOCTYPE a [<!ENTITY b 'c'>]><QueueMessage/>", 400, "InvalidXmlDocument"),
        (
            b"<QueueMessage><MessageText>\x01</MessageText></QueueMessage>",
            400,
            "InvalidXmlDocument",
        ),
        (put_of(65537), 400, "MessageTooLarge"),
        (put_of(2 << 20), 413, "RequestBodyTooLarge"),
        (put_of(65536), 201, ""),
    ],
    ids=lambda value: f"{len(value)} bytes" if isinstance(value, bytes) else None,
)
async def test_bodies_are_checked(queue: Raw, body: bytes, status: int, code: str) -> None:
    await queue.request("PUT", "/orders")

    answer = await queue.request("POST", "/orders/messages", body=body)

    assert (answer.status, answer.code) == (status, code)


async def test_an_address_without_an_account_says_so(queue: Raw) -> None:
    answer = await queue.request("GET", "/?comp=list", account="nobody")

    assert (answer.status, answer.code) == (400, "InvalidUri")
    assert b"nobody" in answer.body


@pytest.mark.parametrize(
    "data",
    [
        b"nonsense\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /a b HTTP/1.1\r\nHost: h\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost h\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: h\r\nX: " + b"x" * 70_000 + b"\r\n\r\n",
        b"GET /" + b"x" * 70_000 + b" HTTP/1.1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
    ids=range(10),
)
async def test_what_is_no_http_gets_an_error_document(
    queue: Raw, data: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    answer = await queue.send(data)

    assert answer.status == 400
    assert parse(answer.body, "Error").child_text("Code")
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


async def test_a_bug_is_logged_and_answered_with_an_internal_error(
    queue: Raw, served: ServedAccount, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    async def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(type(served.account.queues), "listing", broken)
    answer = await queue.request("GET", "/?comp=list")

    assert (answer.status, answer.code) == (500, "InternalError")
    assert b"a bug" not in answer.body
    assert "ZeroDivisionError: a bug" in caplog.text


async def test_a_full_disk_is_told_to_come_again(
    queue: Raw, served: ServedAccount, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    async def full(*_: object, **__: object) -> None:
        raise DatabaseError("storage.db: could not be written (database or disk is full).")

    monkeypatch.setattr(type(served.account.queues), "create", full)
    answer = await queue.request("PUT", "/orders")

    assert (answer.status, answer.code) == (503, "ServerBusy")
    assert "disk is full" in caplog.text


_BATCH = (
    b"--b\r\nContent-Type: application/http\r\n\r\n"
    b"DELETE /devstoreaccount1/data/missing HTTP/1.1\r\n\r\n\r\n--b--\r\n"
)


@pytest.mark.parametrize(
    ("service", "method", "target", "body"),
    [
        ("queue", "POST", "/missing/messages", TEXT),
        ("queue", "GET", "/missing/messages", b""),
        ("queue", "PUT", "/orders?comp=nonsense", b""),
        ("blob", "PUT", "/data/a?comp=metadata", b""),
        ("blob", "POST", "/?comp=batch", _BATCH),
    ],
)
async def test_nothing_is_kept_of_a_request_that_failed(
    queue: Raw, blob: Raw, service: str, method: str, target: str, body: bytes
) -> None:
    client = queue if service == "queue" else blob
    headers = {"Content-Type": "multipart/mixed; boundary=b"}
    gc.collect()
    gc.disable()  # it would find cycles, but a program that serves seldom looks for them
    try:
        answer = await client.request(method, target, body=body, headers=headers)
        kept = [one for one in gc.get_objects() if isinstance(one, Call)]
    finally:
        gc.enable()

    assert b"NotFound" in answer.body or answer.status == 400
    assert kept == []
