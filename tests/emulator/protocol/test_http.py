"""What every request goes through, seen from a socket."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from azure.storage.queue import generate_account_sas, generate_queue_sas

from triggerfish_storage.protocol import steps
from triggerfish_storage.protocol.accounts import DEFAULT_ACCOUNT, DEFAULT_KEY
from triggerfish_storage.protocol.operations import Reply
from triggerfish_storage.protocol.render import head
from triggerfish_storage.protocol.xml import parse
from triggerfish_storage.testing import START, ServedAccount

if TYPE_CHECKING:
    from conftest import Raw

LATER = START + timedelta(hours=1)
TEXT = b"<QueueMessage><MessageText>hello</MessageText></QueueMessage>"


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
        assert answer.headers["server"] == "Triggerfish-Queue/1.0 (like Azurite)"
        assert answer.headers["keep-alive"] == "timeout=5"
        assert answer.headers["cache-control"] == "no-cache"
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


async def test_the_status_line_of_a_failure_says_what_is_wrong(queue: Raw, blob: Raw) -> None:
    await blob.request("PUT", "/box?restype=container")
    written = await blob.request("PUT", "/box/a", headers={"x-ms-blob-type": "BlockBlob"})
    known = {"if-none-match": written.headers["etag"]}

    failed = await blob.request("HEAD", "/box/missing")
    unchanged = await blob.request("GET", "/box/a", headers=known)

    assert (written.status, written.reason) == (201, "Created")
    assert (failed.status, failed.reason) == (404, "The specified blob does not exist.")
    assert unchanged.reason.startswith("The condition specified using HTTP conditional header(s)")
    of_queues = await queue.request("GET", "/missing?comp=metadata")
    assert of_queues.reason == "The specified queue does not exist."


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


@pytest.mark.parametrize("target", ["/healthz", "/healthz?probe=1"])
async def test_health_needs_no_credentials(queue: Raw, blob: Raw, target: str) -> None:
    for service in (queue, blob):
        data = f"GET {target} HTTP/1.1\r\nHost: h:{service.port}\r\n\r\n".encode()
        answer = await service.send(data)
        assert (answer.status, answer.body) == (200, b'{"status":"healthy"}')


# --- who may ----------------------------------------------------------------------------------


async def test_nobody_is_asked_for_credentials(queue: Raw) -> None:
    answer = await queue.request("GET", "/?comp=list", sign=False)

    assert (answer.status, answer.code) == (401, "NoAuthenticationInformation")
    assert answer.headers["www-authenticate"].startswith("Bearer ")


async def test_who_signs_something_else_is_told_what_was_expected(queue: Raw) -> None:
    header = {"authorization": f"SharedKey {DEFAULT_ACCOUNT}:c2ln"}

    answer = await queue.request("GET", "/?comp=list", headers=header, sign=False)

    detail = parse(answer.body, "Error").child_text("AuthenticationErrorDetail")
    assert "'c2ln' is not the same as any computed signature" in detail
    assert "string to sign: 'GET\n\n\n\n\n\n\n\n\n\n\n\nx-ms-date:" in detail
    assert detail.endswith(f"\n/{DEFAULT_ACCOUNT}/{DEFAULT_ACCOUNT}/\ncomp:list'.")


@pytest.mark.parametrize(
    "authorization",
    [
        "SharedKey devstoreaccount1:AAAA",
        "SharedKey other:AAAA",
        "SharedKeyLite devstoreaccount1:AAAA",
        "Bearer e30.e30.",
        "SharedKey devstoreaccount1:é",
    ],
)
async def test_wrong_credentials_are_refused(queue: Raw, authorization: str) -> None:
    headers = {"authorization": authorization}
    answer = await queue.request("GET", "/?comp=list", headers=headers, sign=False)

    assert (answer.status, answer.code) == (403, "AuthenticationFailed")
    assert b"AuthenticationErrorDetail" in answer.body


@pytest.mark.parametrize(
    "authorization", ["", "SharedKey", "SharedKey devstoreaccount1", "Basic dXNlcjpwYXNz"]
)
async def test_what_is_no_form_of_credentials_is_malformed(queue: Raw, authorization: str) -> None:
    headers = {"authorization": authorization}
    answer = await queue.request("GET", "/?comp=list", headers=headers, sign=False)

    assert (answer.status, answer.code) == (400, "InvalidAuthenticationInfo")
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
