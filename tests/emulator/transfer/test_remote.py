"""Whole accounts over connection strings: what requests can carry comes out and goes in."""

from __future__ import annotations

import asyncio
import hashlib
import json
import sys
import tempfile
from base64 import b64encode
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from azure.data.tables import TableServiceClient
from azure.storage.blob import (
    AccountSasPermissions,
    BlobServiceClient,
    ResourceTypes,
    generate_account_sas,
)
from azure.storage.queue import QueueServiceClient
from click.testing import CliRunner

from triggerfish_storage.blobs.model import Draft, Encryption, etag_text
from triggerfish_storage.cli.storage import storage
from triggerfish_storage.client import connect
from triggerfish_storage.clock import micros
from triggerfish_storage.connection_string import parse_connection_string
from triggerfish_storage.protocol.accounts import DEFAULT_KEY
from triggerfish_storage.protocol.xml import parse
from triggerfish_storage.remote.listed_blobs import blob_of
from triggerfish_storage.remote.origin import RemoteOrigin
from triggerfish_storage.remote.pushing import push_account
from triggerfish_storage.remote.requests import reached
from triggerfish_storage.testing import ServedAccount, storage_account
from triggerfish_storage.transfer import sources
from triggerfish_storage.transfer.carriers import carrier
from triggerfish_storage.transfer.exporting import export_account
from triggerfish_storage.transfer.failure import TransferError
from triggerfish_storage.transfer.steps import ImportOptions
from triggerfish_storage.transfer.tally import Tally, unwatched

if TYPE_CHECKING:
    from conftest import Fill, See

ACCOUNT = "devstoreaccount1"
SERVICES = ("blob", "queue", "table")

# What the services have no request for, or set by themselves.
OWN = {
    *("etag", "last_modified", "creation_time", "blob_tier_change_time", "snapshot", "id"),
    *("inserted_on", "expires_on", "next_visible_on", "append_blob_committed_block_count"),
    *("request_id", "dequeue_count", "server_encrypted", "timestamp", "version_id"),
}


@dataclass
class Account:
    """A served account, asked by clients that block."""

    served: ServedAccount

    @property
    def string(self) -> str:
        return self.served.connection_string

    async def ask(self, use: Callable[..., Any], *args: Any) -> Any:
        return await asyncio.to_thread(use, self.string, *args)

    async def export(self, target: Path) -> tuple[Tally, list[str]]:
        """Export the account; return also what was said to be left out."""
        return await self.ask(_export, target)

    async def import_(self, source: Path, **options: Any) -> tuple[Tally, list[str]]:
        return await self.ask(_import, source, ImportOptions(**options))


def _export(string: str, target: Path) -> tuple[Tally, list[str]]:
    with reached(string) as requests, carrier(target, overwrite=False) as files:
        now = datetime.now(UTC)
        tally = export_account(RemoteOrigin(requests), files, now=now, advance=unwatched)
        return tally, requests.remarks


def _import(string: str, source: Path, options: ImportOptions) -> tuple[Tally, list[str]]:
    with (
        reached(string) as requests,
        tempfile.TemporaryDirectory() as scratch,
        sources.opened(source, Path(scratch)) as found,
    ):
        now = datetime.now(UTC)
        tally = push_account(requests, found, options, now=now, advance=unwatched)
        return tally, requests.remarks


@pytest.fixture
async def accounts() -> AsyncIterator[list[Account]]:
    """Two accounts, served, both empty."""
    async with AsyncExitStack() as stack:
        yield [
            Account(await stack.enter_async_context(storage_account(services=SERVICES)))
            for _ in range(2)
        ]


def carried(found: Any) -> Any:
    """Return what clients see without what requests cannot carry."""
    if isinstance(found, dict):
        return {key: carried(value) for key, value in found.items() if key not in OWN}
    if isinstance(found, list | tuple):
        return [carried(value) for value in found if not isinstance(value, datetime)]
    return found if not isinstance(found, str) or not found.startswith('"0x') else ""


@pytest.mark.slow
async def test_clients_see_the_same_account_once_it_went_over_requests(
    accounts: list[Account], tmp_path: Path, fill: Fill, seen: See
) -> None:
    one, two = accounts
    await one.ask(fill)
    before = await one.ask(seen)

    exported, left_out = await one.export(tmp_path / "saved.tar.gz")
    imported, _ = await two.import_(tmp_path / "saved.tar.gz")

    assert exported == imported
    assert left_out == ["Left out, because they are hidden: 1 messages of 'orders'."]
    after = await two.ask(seen)
    assert carried(after["blobs"]) == carried(before["blobs"])
    assert carried(after["tables"]) == carried(before["tables"])
    assert await one.ask(seen) == before
    metadata, count, messages = before["queues"]["orders"]
    assert count == 3
    before["queues"]["orders"] = (metadata, 2, messages)
    assert carried(after["queues"]) == carried(before["queues"])


async def test_a_long_queue_comes_out_in_order_and_stays_as_it_is(
    accounts: list[Account], tmp_path: Path
) -> None:
    one, two = accounts
    store = one.served.account.queues
    await store.create("orders")
    for number in range(70):
        await store.put("orders", f"{number}", now=datetime.now(UTC), life=timedelta(hours=1))

    tally, left_out = await one.export(tmp_path / "saved")
    await two.import_(tmp_path / "saved")

    lines = (tmp_path / "saved/queues/orders.jsonl").read_text().splitlines()
    saved = [json.loads(line) for line in lines]
    assert (tally.messages, left_out) == (70, [])
    assert [line["text"] for line in saved] == [str(number) for number in range(70)]
    assert {line["dequeueCount"] for line in saved} == {0}
    for account in (one, two):
        found = account.served.account.queues.peek("orders", count=99, now=datetime.now(UTC))
        assert {message.text for message in found} == {str(number) for number in range(70)}
        assert max(message.expires_at for message in found) < datetime.now(UTC) + timedelta(hours=2)


@pytest.mark.slow
async def test_a_blob_of_many_pieces_comes_out_and_goes_in(
    accounts: list[Account], tmp_path: Path
) -> None:
    one, two = accounts
    content = bytes(range(256)) * 4 * 9 * 1024  # 9 MiB
    await one.served.account.blobs.create_container("data", now=datetime.now(UTC))
    await one.served.account.blobs.put("data", "big", content, now=datetime.now(UTC))

    await one.export(tmp_path / "saved")
    await two.import_(tmp_path / "saved")

    blob, found = await two.served.account.blobs.get("data", "big", now=datetime.now(UTC))
    assert found == content
    assert blob.md5 == hashlib.md5(content).digest()


async def test_what_only_a_customers_key_opens_is_left_out_and_said(
    accounts: list[Account], tmp_path: Path
) -> None:
    one, two = accounts
    blobs, now = one.served.account.blobs, datetime.now(UTC)
    draft = Draft(encryption=Encryption(key_sha256=b64encode(bytes(32)).decode()))
    await blobs.create_container("data", now=now)
    await blobs.put("data", "closed", b"secret", draft, now=now)
    await blobs.put("data", "open", b"1", now=now)

    tally, left_out = await one.export(tmp_path / "saved")
    await two.import_(tmp_path / "saved")

    assert (tally.blobs, left_out) == (1, ["Left out: blobs that only keys of customers open."])
    assert two.served.account.blobs.find("data", "closed") is None


async def test_a_blob_goes_in_without_the_key_of_a_customer_which_is_said(
    accounts: list[Account], tmp_path: Path
) -> None:
    one, _ = accounts
    manifest = tmp_path / "made/blobs/data.jsonl"
    line = {"name": "a", "encryptionKeySha256": b64encode(bytes(32)).decode()}
    (manifest.parent / "data").mkdir(parents=True)
    (manifest.parent / "data/a").write_text("1")
    manifest.write_text(json.dumps(line))

    _, left_out = await one.import_(tmp_path / "made")

    _, content = await one.served.account.blobs.get("data", "a", now=datetime.now(UTC))
    assert content == b"1"
    assert left_out == ["Left out: keys of customers; their blobs have the account's."]


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """A folder made by hand, with something of each kind."""
    folder = tmp_path / "made"
    for name, text in {
        "blobs/uploads/a.txt": "new",
        "blobs/uploads/b.txt": "b",
        "queues/orders.jsonl": '{"body": {"id": 1}}',
        "tables/People.jsonl": '{"PartitionKey": "p", "RowKey": "r", "name": "new"}',
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


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


async def test_what_a_signature_does_not_allow_is_left_out_and_said(
    accounts: list[Account], made: Path, tmp_path: Path
) -> None:
    one, _ = accounts
    await one.import_(made)
    token = generate_account_sas(
        ACCOUNT,
        DEFAULT_KEY,
        ResourceTypes(service=True, container=True, object=True),
        AccountSasPermissions(read=True, list=True),
        datetime.now(UTC) + timedelta(hours=1),
    )
    endpoint = f"http://127.0.0.1:{one.served.ports['blob']}/{ACCOUNT}"
    signed = f"BlobEndpoint={endpoint};SharedAccessSignature={token}"

    tally, left_out = await asyncio.to_thread(_export, signed, tmp_path / "saved")

    assert (tally.blobs, tally.queues, tally.tables) == (2, 0, 0)
    assert "Left out, because the signature does not allow it: access policies." in left_out
    assert "The connection string names no queue service." in left_out


@pytest.mark.parametrize(
    ("string", "problem"),
    [
        ("nonsense", "has no '='"),
        (f"AccountName=a;AccountKey={DEFAULT_KEY};BlobEndpoint=http://127.0.0.1:9/a", "reached"),
    ],
)
def test_an_account_that_cannot_be_reached_ends_the_export_and_leaves_nothing(
    string: str, problem: str, tmp_path: Path
) -> None:
    with pytest.raises(TransferError, match=problem):
        _export(string, tmp_path / "saved")

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("etag", "is_kept"),
    [
        (etag_text(micros(datetime(2024, 5, 1, tzinfo=UTC))), True),
        ("0x89F7FF5F7B58000", False),
        ("0x1D6F", False),
        ("x", False),
    ],
)
def test_an_etag_is_kept_where_it_is_one_that_this_program_could_have_made(
    etag: str, is_kept: bool
) -> None:
    markup = f"<Blob><Name>a</Name><Properties><Etag>{etag}</Etag></Properties></Blob>"

    assert bool(blob_of(parse(markup.encode(), "Blob")).etag) == is_kept


@pytest.mark.slow
async def test_the_commands_take_a_connection_string(
    accounts: list[Account], made: Path, tmp_path: Path
) -> None:
    one, _ = accounts

    imported = await command("import", str(made), "--connection-string", one.string)
    exported = await command(
        "export", str(tmp_path / "saved.zip"), "--json", "--connection-string", one.string
    )
    wrong = await command("export", str(tmp_path / "x"), "--connection-string", "AccountName=a")

    assert imported[0] == 0
    assert "1 container, 2 blobs, 1 queue, 1 message, 1 table, 1 entity" in imported[2]
    assert json.loads(exported[1])["blobs"] == 2
    assert wrong[0] == 1
    assert "neither AccountKey nor SharedAccessSignature" in wrong[2]


async def command(*arguments: str) -> tuple[int | None, str, str]:
    """Run ``triggerfish storage``; return its exit code, and what it wrote."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "triggerfish_storage", *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    return process.returncode, out.decode(), err.decode()


@pytest.mark.parametrize("option", ["--data", "--account"])
def test_a_connection_string_stands_alone(option: str) -> None:
    arguments = ["export", "x", option, "y", "--connection-string", "UseDevelopmentStorage=true"]

    result = CliRunner().invoke(storage, arguments)

    assert result.exit_code == 2
    assert f"--connection-string names the account; leave {option} out." in result.output
