"""Whole accounts over connection strings: what requests can carry comes out and goes in."""

from __future__ import annotations

import hashlib
import json
from base64 import b64encode
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
from azure.storage.blob import (
    BlobServiceClient,
    ContentSettings,
    ImmutabilityPolicy,
    StandardBlobTier,
)

from triggerfish_storage.blobs import guards
from triggerfish_storage.blobs.handlers import page_blobs
from triggerfish_storage.blobs.listing import Listing
from triggerfish_storage.blobs.model import Draft, Encryption, etag_text
from triggerfish_storage.clock import micros
from triggerfish_storage.errors import NOT_IMPLEMENTED, StorageError
from triggerfish_storage.protocol.xml import parse
from triggerfish_storage.remote.listed_blobs import blob_of
from triggerfish_storage.remote.origin import RemoteOrigin
from triggerfish_storage.remote.requests import reached
from triggerfish_storage.signed_requests import Answer, Request

if TYPE_CHECKING:
    from conftest import Account, Fill, See

    from triggerfish_storage.remote.requests import Requests

DAY = timedelta(days=1)

# What the services have no request for, or set by themselves.
OWN = {
    *("etag", "last_modified", "creation_time", "blob_tier_change_time", "snapshot", "id"),
    *("inserted_on", "expires_on", "next_visible_on", "append_blob_committed_block_count"),
    *("request_id", "dequeue_count", "server_encrypted", "timestamp", "version_id"),
}


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


async def test_all_pages_of_a_page_blob_are_exported_however_many_lists_they_take(
    accounts: list[Account], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page_blobs, "RANGES_LIMIT", 2)
    one, two = accounts
    await one.ask(_make_disk)

    await one.export(tmp_path / "saved")
    await two.import_(tmp_path / "saved")

    _, content = await two.served.account.blobs.get("data", "disk", now=datetime.now(UTC))
    assert content == (b"p" * 512 + bytes(512)) * 5


def _make_disk(string: str) -> None:
    container = BlobServiceClient.from_connection_string(string).create_container("data")
    disk = container.get_blob_client("disk")
    disk.create_page_blob(10 * 512)
    for begin in range(0, 10 * 512, 1024):
        disk.upload_page(b"p" * 512, begin, 512)


@pytest.mark.parametrize(
    "kind",
    [{"type": "AppendBlob"}, {"type": "PageBlob", "length": 512, "pages": [[0, 512]]}],
)
async def test_an_md5_that_a_client_has_set_goes_along(
    accounts: list[Account], tmp_path: Path, kind: dict[str, object]
) -> None:
    one, two = accounts
    manifest = tmp_path / "made/blobs/data.jsonl"
    (manifest.parent / "data").mkdir(parents=True)
    (manifest.parent / "data/a").write_bytes(bytes(512))
    line = {"name": "a", "contentMd5": b64encode(b"1" * 16).decode(), **kind}
    manifest.write_text(json.dumps(line))

    await one.import_(tmp_path / "made")
    await one.export(tmp_path / "saved")
    await two.import_(tmp_path / "saved")

    blob, content = await two.served.account.blobs.get("data", "a", now=datetime.now(UTC))
    assert (blob.type, blob.md5, content) == (kind["type"], b"1" * 16, bytes(512))


async def test_blobs_are_held_once_they_are_whole(accounts: list[Account], tmp_path: Path) -> None:
    one, two = accounts
    await one.ask(_make_held)
    over = Draft(immutable_until=datetime.now(UTC) - DAY, immutability_mode="Locked")
    await one.served.account.blobs.put("data", "over", b"1", over, now=datetime.now(UTC) - 2 * DAY)

    await one.export(tmp_path / "saved")
    await two.import_(tmp_path / "saved")

    page = await two.served.account.blobs.page("data", Listing(snapshots=True))
    assert [
        (blob.name, blob.is_snapshot, blob.legal_hold, blob.immutability_mode)
        for blob in page.entries
    ] == [
        *(("disk", False, True, "Unlocked"), ("log", False, True, "Unlocked")),
        *(("odd", True, True, "Unlocked"), ("odd", False, True, "Unlocked")),
        ("over", False, False, ""),
    ]


async def test_blobs_are_archived_once_they_are_whole(
    accounts: list[Account], tmp_path: Path
) -> None:
    one, _ = accounts
    lines = [
        {"name": "held", "accessTier": "Archive", "legalHold": True},
        {"name": "odd", "accessTier": "Archive", "contentMd5": b64encode(bytes(16)).decode()},
        {"name": "taken", "accessTier": "Archive", "snapshot": "2024-05-01T12:00:00.0000000Z"},
        {"name": "taken", "accessTier": "Archive"},
    ]
    manifest = tmp_path / "made/blobs/data.jsonl"
    (manifest.parent / "data").mkdir(parents=True)
    for line in lines:
        (manifest.parent / "data" / str(line["name"])).write_text("1")
    manifest.write_text("\n".join(map(json.dumps, lines)))

    await one.import_(tmp_path / "made")

    page = await one.served.account.blobs.page("data", Listing(snapshots=True))
    assert [(blob.name, blob.is_snapshot, blob.tier) for blob in page.entries] == [
        *(("held", False, "Archive"), ("odd", False, "Archive")),
        *(("taken", True, "Archive"), ("taken", False, "Archive")),
    ]


async def test_holds_that_a_service_does_not_know_are_left_out_and_said(
    accounts: list[Account], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise StorageError(NOT_IMPLEMENTED)

    one, two = accounts
    await one.ask(_make_held)
    await one.export(tmp_path / "saved")
    monkeypatch.setattr(guards, "set_legal_hold", refuse)
    monkeypatch.setattr(guards, "set_policy", refuse)

    tally, left_out = await two.import_(tmp_path / "saved")

    assert tally.blobs == 4
    assert left_out == [
        "Left out, as the service does not know them: immutability policies.",
        "Left out, as the service does not know them: legal holds.",
    ]


def _make_held(string: str) -> None:
    """Hold what takes several requests to write: pages, blocks, another MD5, a snapshot."""
    container = BlobServiceClient.from_connection_string(string).create_container("data")
    disk, log, odd = map(container.get_blob_client, ("disk", "log", "odd"))
    disk.create_page_blob(512)
    disk.upload_page(b"1" * 512, 0, 512)
    log.create_append_blob()
    log.append_block(b"1")
    odd.upload_blob(b"1")
    odd.set_http_headers(ContentSettings(content_md5=bytearray(16)))
    for blob in (disk, log, odd):
        blob.set_legal_hold(True)
        until = datetime.now(UTC) + DAY
        blob.set_immutability_policy(ImmutabilityPolicy(expiry_time=until, policy_mode="Unlocked"))
    odd.create_snapshot()


async def test_names_of_metadata_keep_their_case(accounts: list[Account], tmp_path: Path) -> None:
    one, two = accounts
    names = {"Owner": "Ann", "lastSeen": "é", "a_B": "1"}
    now = datetime.now(UTC)
    await one.served.account.blobs.create_container("data", now=now)
    await one.served.account.blobs.put("data", "a", b"1", Draft(metadata=names), now=now)

    await one.export(tmp_path / "saved")
    await two.import_(tmp_path / "saved")

    blob, _ = await two.served.account.blobs.get("data", "a", now=datetime.now(UTC))
    assert blob.metadata == names


async def test_what_cannot_be_read_is_left_out_and_said(
    accounts: list[Account], tmp_path: Path
) -> None:
    one, two = accounts
    await one.ask(_make_unreadable)

    tally, left_out = await one.export(tmp_path / "saved")
    await two.import_(tmp_path / "saved")

    assert (tally.blobs, sorted(left_out)) == (
        3,
        [
            "Left out: blobs in the archive.",
            "Left out: blobs of incremental copies, but for their snapshots.",
        ],
    )
    assert two.served.account.blobs.find("data", "archived") is None


def _make_unreadable(string: str) -> None:
    container = BlobServiceClient.from_connection_string(string).create_container("data")
    container.upload_blob("archived", b"1", standard_blob_tier=StandardBlobTier.ARCHIVE)
    disk, copy = container.get_blob_client("disk"), container.get_blob_client("copy")
    disk.create_page_blob(512)
    taken = disk.create_snapshot()
    copy.start_copy_from_url(f"{disk.url}?snapshot={taken['snapshot']}", incremental_copy=True)


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


def test_tables_are_read_on_with_parameters_as_they_are_documented() -> None:
    asked: list[Mapping[str, str]] = []
    where = {"x-ms-continuation-nextpartitionkey": "p", "x-ms-continuation-nextrowkey": "r"}

    def send(request: Request) -> Answer:
        asked.append(request.query)
        return Answer(200, b'{"value": []}', where if len(asked) == 1 else {})

    origin = RemoteOrigin(cast("Requests", SimpleNamespace(send=send)))

    assert list(origin.entities("People")) == []
    assert asked == [{}, {"NextPartitionKey": "p", "NextRowKey": "r"}]


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


async def test_a_download_that_is_left_in_the_middle_ends_with_the_account(
    accounts: list[Account],
) -> None:
    one = accounts[0]

    def leave(string: str) -> list[bytes]:
        client = BlobServiceClient.from_connection_string(string)
        client.create_container("data").upload_blob("large", bytes(3 * 1024 * 1024))
        client.close()
        with reached(string) as requests:
            pieces = requests.stream(Request("blob", "GET", "/data/large"))
            next(pieces)
        return list(pieces)  # as an error that is on its way keeps it

    assert await one.ask(leave) == []
