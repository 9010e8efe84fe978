"""What an import over requests does about what is there already."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from azure.data.tables import TableServiceClient
from azure.storage.blob import BlobServiceClient
from azure.storage.queue import QueueServiceClient

from triggerfish_storage.client import connect
from triggerfish_storage.connection_string import parse_connection_string
from triggerfish_storage.transfer.failure import TransferError

if TYPE_CHECKING:
    from conftest import Account


def _conflict(string: str) -> None:
    """Make what stands in the way of ``made``."""
    BlobServiceClient.from_connection_string(string).create_container("uploads").upload_blob(
        "a.txt", b"old"
    )
    queue = QueueServiceClient.from_connection_string(string).create_queue("orders")
    queue.send_message("old")
    table = TableServiceClient.from_connection_string(string).create_table("People")
    table.create_entity({"PartitionKey": "p", "RowKey": "r", "name": "old"})


def _contents(string: str) -> tuple[list[bytes], list[str], list[str]]:
    container = BlobServiceClient.from_connection_string(string).get_container_client("uploads")
    queue = QueueServiceClient.from_connection_string(string).get_queue_client("orders")
    table = TableServiceClient.from_connection_string(string).get_table_client("People")
    return (
        [container.download_blob(blob.name).readall() for blob in container.list_blobs()],
        [message.content for message in queue.peek_messages(5)],
        [entity["name"] for entity in table.list_entities()],
    )


async def test_what_is_there_is_kept_where_that_was_asked_for(
    accounts: list[Account], made: Path
) -> None:
    one, _ = accounts
    await one.ask(_conflict)

    tally, _ = await one.import_(made, existing="skip")

    assert await one.ask(_contents) == ([b"old", b"b"], ["old"], ["old"])
    assert (tally.blobs, tally.messages, tally.entities, tally.kept) == (1, 0, 0, 3)


async def test_what_is_there_is_replaced_where_that_was_asked_for(
    accounts: list[Account], made: Path
) -> None:
    one, _ = accounts
    await one.ask(_conflict)

    await one.import_(made, existing="overwrite")

    assert await one.ask(_contents) == ([b"new", b"b"], ["eyJpZCI6IDF9"], ["new"])


async def test_else_it_ends_the_import_which_says_where_and_what_stays(
    accounts: list[Account], made: Path
) -> None:
    one, _ = accounts
    await one.ask(_conflict)

    with pytest.raises(TransferError) as failure:
        await one.import_(made)

    assert f"{made / 'blobs/uploads/a.txt'}: blob 'a.txt' exists." in str(failure.value)
    assert "--existing skip" in str(failure.value)


async def test_a_dry_run_reads_everything_and_sends_nothing(
    accounts: list[Account], made: Path
) -> None:
    one, _ = accounts

    tally, _ = await one.import_(made, dry=True)

    assert (tally.blobs, tally.messages, tally.entities) == (2, 1, 1)
    assert [one async for one in _containers(one)] == []
    (made / "queues/orders.jsonl").write_text("{}")
    with pytest.raises(TransferError, match="line 1: no message"):
        await one.import_(made, dry=True)


async def _containers(account: Account) -> AsyncIterator[str]:
    async with connect(parse_connection_string(account.string)) as client:
        async for name in client.containers():
            yield name
