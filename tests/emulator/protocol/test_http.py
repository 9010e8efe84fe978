"""What every request goes through, seen from a socket."""

from __future__ import annotations

import asyncio
import logging
import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from azure.storage.queue import generate_account_sas, generate_queue_sas

from triggerfish_storage.database import DatabaseError
from triggerfish_storage.protocol import http, steps
from triggerfish_storage.protocol.accounts import DEFAULT_ACCOUNT, DEFAULT_KEY
from triggerfish_storage.protocol.operations import Reply
from triggerfish_storage.protocol.render import head
from triggerfish_storage.protocol.xml import parse
from triggerfish_storage.testing import START, ServedAccount, storage_account

if TYPE_CHECKING:
    from conftest import Raw

LATER = START + timedelta(hours=1)
TEXT = b"<QueueMessage><MessageText>hello</MessageText></QueueMessage>"


def put_of(size: int) -> bytes:
    return b"<QueueMessage><MessageText>" + b"x" * size + b"</MessageText></QueueMessage>"


# --- every response ---------------------------------------------------------------------------


async def test_every_response_says_who_when_and_which(queue: Raw) -> None:
    found = await queue.request("GET", "/?comp=list", headers={"x-ms-client-request-id": "mine"})
    failed = await queue.request("GET", "/missing?comp=metadata")

    for answer in (found, failed):
        assert re.fullmatch(
            r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", answer.headers["x-ms-request-id"]
        )
        assert answer.headers["x-ms-version"] == steps.NEWEST_VERSION
        assert answer.headers["date"] == "Wed, 01 May 2024 12:00:00 GMT"
        assert answer.headers["server"] == "Triggerfish-Queue/1.0"
        assert answer.headers["keep-alive"] == "timeout=5"
    assert found.headers["x-ms-client-request-id"] == "mine"
    assert "x-ms-client-request-id" not in failed.headers
    assert found.headers["x-ms-request-id"] != failed.headers["x-ms-request-id"]


async def test_an_error_has_its_code_twice_and_a_message_to_report(queue: Raw) -> None:
    answer = await queue.request("GET", "/missing?comp=metadata")

    root = parse(answer.body, "Error")
    request_id = answer.headers["x-ms-request-id"]
    assert (answer.status, answer.code) == (404, "QueueNotFound")
    assert answer.headers["content-type"] == "application/xml"
    assert root.child_text("Code") == "QueueNotFound"
    assert root.child_text("Message") == (
        f"The specified queue does not exist.\nRequestId:{request_id}\n"
        "Time:2024-05-01T12:00:00.0000000Z"
    )


async def test_a_head_has_nothing_but_headers(queue: Raw) -> None:
    await queue.request("PUT", "/orders")

    found = await queue.request("HEAD", "/orders?comp=metadata")
    failed = await queue.request("HEAD", "/missing?comp=metadata")

    assert (found.status, found.headers["x-ms-approximate-messages-count"]) == (200, "0")
    assert (failed.status, failed.code) == (404, "QueueNotFound")
    assert "content-type" not in failed.headers


async def test_any_well_formed_version_is_served(
    queue: Raw, caplog: pytest.LogCaptureFixture
) -> None:
    for asked, served in (
        ("2009-09-19", "2009-09-19"),
        ("2026-10-06", "2026-10-06"),
        ("2999-01-01", steps.NEWEST_VERSION),
        ("2999-01-01", steps.NEWEST_VERSION),
    ):
        answer = await queue.request("GET", "/?comp=list", headers={"x-ms-version": asked})
        assert (answer.status, answer.headers["x-ms-version"]) == (200, served)

    assert [record.getMessage() for record in caplog.records] == [
        f"Version 2999-01-01 is newer than {steps.NEWEST_VERSION}: served as that."
    ]
    answer = await queue.request("GET", "/?comp=list", headers={"x-ms-version": "latest"})
    assert (answer.status, answer.code) == (400, "InvalidHeaderValue")
    assert b"<HeaderName>x-ms-version</HeaderName>" in answer.body


def test_a_header_never_starts_another_line() -> None:
    reply = Reply(
        200, headers={"x-ms-meta-a": "x\r\nx-evil: 1", "Content-Disposition": "é\x00\x7f"}
    )

    data = head(
        reply,
        service="blob",
        now=START,
        request_id="id",
        client_request_id="a\nb",
        version="v",
        is_head=False,
        closes=False,
    )

    assert b"x-ms-meta-a: xx-evil: 1\r\n" in data
    assert b"x-ms-client-request-id: ab\r\n" in data
    assert "Content-Disposition: é".encode() in data


async def test_health_needs_no_credentials(queue: Raw, blob: Raw) -> None:
    for service in (queue, blob):
        data = f"GET /healthz HTTP/1.1\r\nHost: h:{service.port}\r\n\r\n".encode()
        answer = await service.send(data)
        assert (answer.status, answer.body) == (200, b'{"status":"healthy"}')


# --- who may ----------------------------------------------------------------------------------


async def test_nobody_is_asked_for_credentials(queue: Raw) -> None:
    answer = await queue.request("GET", "/?comp=list", sign=False)

    assert (answer.status, answer.code) == (401, "NoAuthenticationInformation")
    assert answer.headers["www-authenticate"].startswith("Bearer ")


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "SharedKey",
        "SharedKey devstoreaccount1",
        "SharedKey devstoreaccount1:AAAA",
        "SharedKey other:AAAA",
        "SharedKeyLite devstoreaccount1:AAAA",
        "Basic dXNlcjpwYXNz",
        "Bearer e30.e30.",
        "SharedKey devstoreaccount1:é",
    ],
)
async def test_wrong_credentials_are_refused(queue: Raw, authorization: str) -> None:
    headers = {"authorization": authorization}
    answer = await queue.request("GET", "/?comp=list", headers=headers, sign=False)

    assert (answer.status, answer.code) == (403, "AuthenticationFailed")
    assert b"AuthenticationErrorDetail" in answer.body


async def test_a_request_without_a_date_is_refused(queue: Raw) -> None:
    data = queue.build("GET", "/?comp=list")
    answer = await queue.send(re.sub(rb"x-ms-date: [^\r]*\r\n", b"", data))

    assert (answer.status, answer.code) == (403, "AuthenticationFailed")
    assert b"x-ms-date" in answer.body


async def test_a_sas_reaches_what_it_says(queue: Raw) -> None:
    await queue.request("PUT", "/orders")
    adding = generate_queue_sas(
        DEFAULT_ACCOUNT, "orders", DEFAULT_KEY, permission="a", expiry=LATER
    )
    listing = generate_account_sas(
        DEFAULT_ACCOUNT, DEFAULT_KEY, resource_types="s", permission="l", expiry=LATER
    )

    added = await queue.request("POST", f"/orders/messages?{adding}", body=TEXT, sign=False)
    peeked = await queue.request("GET", f"/orders/messages?peekonly=true&{adding}", sign=False)
    listed = await queue.request("GET", f"/?comp=list&{listing}", sign=False)

    assert added.status == 201
    assert (peeked.status, peeked.code) == (403, "AuthorizationPermissionMismatch")
    assert b"<Name>orders</Name>" in listed.body


async def test_a_sas_ends_on_the_accounts_clock(queue: Raw, served: ServedAccount) -> None:
    token = generate_account_sas(
        DEFAULT_ACCOUNT, DEFAULT_KEY, resource_types="s", permission="l", expiry=LATER
    )
    assert (await queue.request("GET", f"/?comp=list&{token}", sign=False)).status == 200

    clock: Any = served.account.clock
    await clock.advance(hours=1)

    answer = await queue.request("GET", f"/?comp=list&{token}", sign=False)
    assert (answer.status, answer.code) == (403, "AuthenticationFailed")
    assert b"time frame" in answer.body


async def test_a_stored_policy_is_what_its_sas_may_until_it_changes(queue: Raw) -> None:
    await queue.request("PUT", "/orders")

    async def set_policy(permission: str) -> None:
        policy = f"<Permission>{permission}</Permission><Expiry>2030-01-01</Expiry>"
        body = (
            "<SignedIdentifiers><SignedIdentifier><Id>all</Id>"
            f"<AccessPolicy>{policy}</AccessPolicy></SignedIdentifier></SignedIdentifiers>"
        )
        answer = await queue.request("PUT", "/orders?comp=acl", body=body.encode())
        assert answer.status == 204

    token = generate_queue_sas(DEFAULT_ACCOUNT, "orders", DEFAULT_KEY, policy_id="all")
    target = f"/orders/messages?peekonly=true&{token}"
    assert (await queue.request("GET", target, sign=False)).code == "AuthenticationFailed"
    await set_policy("r")
    assert (await queue.request("GET", target, sign=False)).status == 200
    await set_policy("a")
    assert (
        await queue.request("GET", target, sign=False)
    ).code == "AuthorizationPermissionMismatch"


async def test_the_secondary_is_read_only_and_has_statistics(queue: Raw) -> None:
    await queue.request("PUT", "/orders")
    secondary = f"{DEFAULT_ACCOUNT}-secondary"

    listed = await queue.request("GET", "/?comp=list", account=secondary)
    created = await queue.request("PUT", "/others", account=secondary)
    stats = await queue.request("GET", "/?restype=service&comp=stats", account=secondary)
    elsewhere = await queue.request("GET", "/?restype=service&comp=stats")

    assert b"<Name>orders</Name>" in listed.body
    assert (created.status, created.code) == (403, "InsufficientAccountPermissions")
    assert b"<Status>live</Status>" in stats.body
    assert elsewhere.code == "InvalidQueryParameterValue"


async def test_the_account_may_be_in_the_host_name(queue: Raw) -> None:
    headers = {"host": f"{DEFAULT_ACCOUNT}.queue.localhost:1"}
    token = generate_account_sas(
        DEFAULT_ACCOUNT, DEFAULT_KEY, resource_types="s", permission="l", expiry=LATER
    )
    data = queue.build("GET", f"/?comp=list&{token}", headers=headers, sign=False)
    answer = await queue.send(data.replace(f"/{DEFAULT_ACCOUNT}/?".encode(), b"/?"))

    assert answer.status == 200
    assert f'ServiceEndpoint="http://{headers["host"]}/"'.encode() in answer.body


# --- bad requests -----------------------------------------------------------------------------

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
        ("GET", "/?comp=list&maxresults=5001", 400, "OutOfRangeQueryParameterValue"),
        ("GET", "/?comp=list&include=secrets", 400, "InvalidQueryParameterValue"),
        ("GET", "/?comp=nonsense", 400, "InvalidQueryParameterValue"),
        ("GET", "/orders", 400, "MissingRequiredQueryParameter"),
        ("PATCH", "/orders", 405, "UnsupportedHttpVerb"),
        ("POST", "/", 405, "UnsupportedHttpVerb"),
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
        ({"x-ms-meta-a": "é"}, "InvalidMetadata"),
        ({"x-ms-meta-a": "x" * 8192}, "MetadataTooLarge"),
    ],
)
async def test_metadata_is_checked(queue: Raw, headers: dict[str, str], code: str) -> None:
    answer = await queue.request("PUT", "/orders", headers=headers)

    assert (answer.status, answer.code) == (400, code)


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


# --- connections ------------------------------------------------------------------------------


async def test_one_connection_serves_many_requests_and_pipelined_ones(queue: Raw) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", queue.port)
    writer.write(queue.build("PUT", "/orders") + queue.build("POST", "/orders/messages", body=TEXT))
    first, second = await queue.read(reader), await queue.read(reader)
    writer.write(queue.build("GET", "/orders/messages?peekonly=true"))
    third = await queue.read(reader)
    writer.close()

    assert [first.status, second.status, third.status] == [201, 201, 200]
    assert b"hello" in third.body


async def test_a_client_that_wants_to_close_is_obeyed(queue: Raw) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", queue.port)
    writer.write(queue.build("GET", "/?comp=list", headers={"Connection": "close"}))

    data = await reader.read()
    writer.close()

    assert b"\r\nConnection: close\r\n" in data


async def test_a_body_may_come_in_chunks(queue: Raw) -> None:
    await queue.request("PUT", "/orders")
    head_only = queue.build("POST", "/orders/messages", sign=False)
    sas = generate_account_sas(
        DEFAULT_ACCOUNT, DEFAULT_KEY, resource_types="o", permission="a", expiry=LATER
    )
    data = head_only.replace(b"/messages ", f"/messages?{sas} ".encode())
    data = data.replace(b"content-length: 0", b"transfer-encoding: chunked")
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in TEXT) + b"0\r\n\r\n"

    answer = await queue.send(data + chunks)

    assert answer.status == 201


async def test_a_client_that_waits_is_told_to_continue(queue: Raw) -> None:
    await queue.request("PUT", "/orders")
    data = queue.build("POST", "/orders/messages", body=TEXT, headers={"Expect": "100-continue"})
    reader, writer = await asyncio.open_connection("127.0.0.1", queue.port)
    writer.write(data.removesuffix(TEXT))
    assert (await queue.read(reader)).status == 100
    writer.write(TEXT)

    assert (await queue.read(reader)).status == 201
    writer.close()


async def test_a_client_that_waits_for_a_refusal_need_not_send(queue: Raw) -> None:
    headers = {"Expect": "100-continue", "content-length": "999999999"}
    data = queue.build("POST", "/orders/messages", headers=headers)

    answer = await queue.send(data)

    assert (answer.status, answer.code) == (413, "RequestBodyTooLarge")


async def test_a_body_that_never_comes_is_not_waited_for_for_ever(
    queue: Raw, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "BODY_SECONDS", 0.01)
    await queue.request("PUT", "/orders")
    data = queue.build("POST", "/orders/messages", body=TEXT)

    answer = await queue.send(data[:-5])

    assert (answer.status, answer.code) == (408, "RequestTimeout")


async def test_a_client_that_leaves_in_the_middle_harms_nobody(
    queue: Raw, caplog: pytest.LogCaptureFixture
) -> None:
    await queue.request("PUT", "/orders")
    data = queue.build("POST", "/orders/messages", body=TEXT)
    for length in range(10, len(data), 20):
        _, writer = await asyncio.open_connection("127.0.0.1", queue.port)
        writer.write(data[:length])
        writer.transport.abort()

    answer = await queue.request("GET", "/orders?comp=metadata")

    assert answer.headers["x-ms-approximate-messages-count"] == "0"
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


async def test_what_is_in_work_is_finished_at_the_end(
    queue: Raw, monkeypatch: pytest.MonkeyPatch
) -> None:
    entered, go_on = asyncio.Event(), asyncio.Event()
    async with asyncio.TaskGroup() as group:
        async with storage_account() as served:
            store = type(served.account.queues)
            create = store.create

            async def slow(self: Any, *args: Any) -> bool:
                entered.set()
                await go_on.wait()
                return await create(self, *args)

            monkeypatch.setattr(store, "create", slow)
            ending = type(queue)(served.ports["queue"], "queue")
            task = group.create_task(ending.request("PUT", "/orders"))
            await entered.wait()
            asyncio.get_running_loop().call_later(0.05, go_on.set)
        assert (await task).status == 201


async def test_names_are_decoded_once(blob: Raw) -> None:
    await blob.request("PUT", "/uploads?restype=container")
    headers = {"x-ms-blob-type": "BlockBlob"}
    names = ["a b", "100%", "a%2Fb", "ü/ö", "a+b", "q?x=1", "a#b", "..//x", "tail/"]
    for name in names:
        target = "/uploads/" + quote(name, safe="/")
        answer = await blob.request("PUT", target, headers=headers, body=name.encode())
        assert answer.status == 201, name

    for name in names:
        answer = await blob.request("GET", "/uploads/" + quote(name, safe=""))
        assert answer.body.decode() == name
