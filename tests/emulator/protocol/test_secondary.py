"""The secondary endpoint, as clients address it: in the path, in the host, by their own setting."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import pytest
from azure.core.exceptions import HttpResponseError
from azure.storage.blob.aio import BlobServiceClient
from azure.storage.queue.aio import QueueServiceClient

from triggerfish_storage.protocol.accounts import DEFAULT_ACCOUNT, DEFAULT_KEY
from triggerfish_storage.protocol.auth import ServiceName
from triggerfish_storage.testing import ManualClock, ServedAccount

if TYPE_CHECKING:
    from conftest import Raw


def settings(served: ServedAccount, service: ServiceName) -> dict[str, Any]:
    """What a client is told to reach an emulator's primary and secondary."""
    host = f"127.0.0.1:{served.ports[service]}/{DEFAULT_ACCOUNT}"
    return {
        "account_url": f"http://{host}",
        "secondary_hostname": f"{host}-secondary",
        "credential": DEFAULT_KEY,
        "retry_total": 0,
    }


@pytest.fixture
async def blobs(served: ServedAccount) -> AsyncIterator[BlobServiceClient]:
    async with BlobServiceClient(**settings(served, "blob")) as client:
        container = await client.create_container("data")
        await container.upload_blob("a b", b"1")
        yield client


async def test_the_secondary_is_read_and_never_written(blobs: BlobServiceClient) -> None:
    blobs.location_mode = "secondary"
    blob = blobs.get_blob_client("data", "a b")

    assert "-secondary/" in blob.url
    assert await (await blob.download_blob()).readall() == b"1"
    with pytest.raises(HttpResponseError, match="Write operations are not allowed") as refused:
        await blob.upload_blob(b"2", overwrite=True)
    assert refused.value.status_code == 403


async def test_the_secondary_tells_how_it_is(
    served: ServedAccount, blobs: BlobServiceClient, clock: ManualClock
) -> None:
    async with QueueServiceClient(**settings(served, "queue")) as queues:
        for client in (blobs, queues):
            stats = await client.get_service_stats()
            assert stats["geo_replication"]["status"] == "live"
            assert stats["geo_replication"]["last_sync_time"] == clock.now()


async def test_messages_are_peeked_at_and_never_taken_there(
    served: ServedAccount, queue: Raw, clock: ManualClock
) -> None:
    await served.account.queues.create("orders")
    await served.account.queues.put("orders", "one", now=clock.now())
    messages = {"target": "/orders/messages", "account": f"{DEFAULT_ACCOUNT}-secondary"}

    taken = await queue.request("GET", **messages)
    peeked = await queue.request("GET", **messages | {"target": "/orders/messages?peekonly=true"})

    assert (taken.status, taken.code) == (403, "InsufficientAccountPermissions")
    assert "<MessageText>one</MessageText>" in peeked.text


@pytest.mark.parametrize("domain", ["blob.localhost", "blob.core.windows.net"])
async def test_the_secondary_may_be_in_the_hosts_name(
    blob: Raw, blobs: BlobServiceClient, domain: str
) -> None:
    host = {"host": f"{DEFAULT_ACCOUNT}-secondary.{domain}"}

    read = await blob.request("GET", "/a%20b", account="data", headers=host)
    written = await blob.request("DELETE", "/a%20b", account="data", headers=host)

    assert (read.status, read.body) == (200, b"1")
    assert (written.status, written.code) == (403, "InsufficientAccountPermissions")
