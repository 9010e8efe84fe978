"""The small client against the real server."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from azure.storage.queue import generate_account_sas

from triggerfish_storage.client import StorageClient, connect
from triggerfish_storage.connection_string import parse_connection_string
from triggerfish_storage.protocol.accounts import DEFAULT_ACCOUNT, DEFAULT_KEY
from triggerfish_storage.queues import directory
from triggerfish_storage.signed_requests import RequestFailed
from triggerfish_storage.testing import ManualClock, ServedAccount


@pytest.fixture(params=["key", "sas"])
async def client(
    request: pytest.FixtureRequest, served: ServedAccount, clock: ManualClock
) -> AsyncIterator[StorageClient]:
    text = served.connection_string
    if request.param == "sas":
        token = generate_account_sas(
            DEFAULT_ACCOUNT,
            DEFAULT_KEY,
            resource_types="sco",
            permission="rwdlacup",
            services="bq",
            expiry=clock.now() + timedelta(hours=1),
        )
        endpoints = [part for part in text.split(";") if "Endpoint=" in part]
        text = ";".join([*endpoints, f"SharedAccessSignature={token}"])
    async with connect(parse_connection_string(text)) as client:
        yield client


async def test_messages_go_in_and_out(client: StorageClient, clock: ManualClock) -> None:
    assert await client.create_queue("orders") is True
    assert await client.create_queue("orders") is False
    first = await client.put_message("orders", "grüße & <b>")
    await client.put_message("orders", "later", after=timedelta(minutes=1))
    await client.put_message("orders", "short", life=timedelta(seconds=5))

    assert [m.text for m in await client.peek_messages("orders")] == ["grüße & <b>", "short"]
    assert await client.count_messages("orders") == 3
    [taken] = await client.get_messages("orders", hide_for=timedelta(minutes=5))
    assert (taken.id, taken.dequeue_count) == (first, 1)
    await client.delete_message("orders", taken.id, taken.pop_receipt)
    await clock.advance(minutes=1)
    assert [m.text for m in await client.get_messages("orders", 32)] == ["later"]

    await client.clear_messages("orders")
    assert await client.count_messages("orders") == 0
    await client.delete_queue("orders")
    assert [name async for name in client.queues()] == []


async def test_blobs_go_in_and_out(client: StorageClient) -> None:
    assert await client.create_container("uploads") is True
    assert await client.create_container("uploads") is False
    names = ["a/b c.txt", "a/ü%2F?#.bin", "b"]
    for name in names:
        await client.put_blob("uploads", name, name.encode(), content_type="text/plain")

    listed = [blob async for blob in client.blobs("uploads", "a/")]
    assert [(blob.name, blob.length, blob.content_type) for blob in listed] == [
        (name, len(name.encode()), "text/plain") for name in names[:2]
    ]
    assert await client.get_blob("uploads", names[1]) == names[1].encode()
    await client.delete_blob("uploads", "b")
    assert [blob.name async for blob in client.blobs("uploads")] == names[:2]
    assert [name async for name in client.containers()] == ["uploads"]


async def test_a_long_listing_is_followed_to_its_end(
    client: StorageClient, served: ServedAccount
) -> None:
    def create_many(tx: sqlite3.Connection) -> None:
        for number in range(5001):
            directory.create(tx, DEFAULT_ACCOUNT, f"queue{number:05}")

    await served.account.database.write(create_many)

    assert len([name async for name in client.queues("queue")]) == 5001


async def test_a_refusal_says_what_was_asked_and_why(client: StorageClient) -> None:
    with pytest.raises(RequestFailed) as caught:
        await client.peek_messages("missing")

    assert (caught.value.status, caught.value.code) == (404, "QueueNotFound")
    assert str(caught.value) == (
        f"GET /{DEFAULT_ACCOUNT}/missing/messages: 404 QueueNotFound: "
        "The specified queue does not exist."
    )


async def test_a_storage_that_does_not_answer_is_named(served: ServedAccount) -> None:
    text = "AccountName=a;AccountKey=a2V5;QueueEndpoint=http://127.0.0.1:1/a"
    async with connect(parse_connection_string(text)) as client:
        with pytest.raises(
            RequestFailed, match=r"127\.0\.0\.1:1 could not be reached \(Connection refused\)"
        ) as caught:
            await client.create_queue("orders")

    assert caught.value.status == 0


async def test_a_wrong_key_is_told_with_the_services_reason(served: ServedAccount) -> None:
    text = served.connection_string.replace(DEFAULT_KEY, "a2V5")
    async with connect(parse_connection_string(text)) as client:
        with pytest.raises(RequestFailed, match=r"403 AuthenticationFailed.*signature") as caught:
            await client.create_queue("orders")

    assert "\n" not in str(caught.value)
