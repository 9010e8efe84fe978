"""What tests of transfers share: data folders, and an account as official clients see it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from azure.data.tables import TableServiceClient
from azure.storage.blob import (
    AccessPolicy,
    BlobBlock,
    BlobServiceClient,
    ContainerEncryptionScope,
    ContentSettings,
    CorsRule,
    StandardBlobTier,
)
from azure.storage.queue import QueueServiceClient

from triggerfish_storage.content_folder import Contents
from triggerfish_storage.data_folder import CONTENTS_FOLDER
from triggerfish_storage.testing import ManualClock, storage_account
from triggerfish_storage.transfer import sources
from triggerfish_storage.transfer.carriers import carrier
from triggerfish_storage.transfer.exporting import export_account
from triggerfish_storage.transfer.folder_origin import FolderOrigin
from triggerfish_storage.transfer.importing import import_account
from triggerfish_storage.transfer.pinning import pinned
from triggerfish_storage.transfer.steps import ImportOptions
from triggerfish_storage.transfer.tally import Tally, unwatched

ACCOUNT = "devstoreaccount1"
SERVICES = ("blob", "queue", "table")

Make = Callable[[dict[str, str]], Path]
Export = Callable[..., Tally]
Import = Callable[..., Tally]
Fill = Callable[[str], None]
See = Callable[[str], dict[str, Any]]


def _export(folder: Path, target: Path, now: datetime, *, overwrite: bool = False) -> Tally:
    with pinned(folder) as view, carrier(target, overwrite=overwrite) as files:
        origin = FolderOrigin(view, ACCOUNT, now)
        return export_account(origin, files, now=now, advance=unwatched)


def _import_from(source: Path, folder: Path, now: datetime, **options: Any) -> Tally:
    with sources.opened(source, folder) as found:
        return import_account(folder, found, ImportOptions(**options), now=now, advance=unwatched)


@pytest.fixture
def clients(clock: ManualClock) -> Callable[..., Awaitable[Any]]:
    """Call a function with the connection string of the account in a folder."""

    async def call(folder: Path, use: Callable[[str], Any]) -> Any:
        async with storage_account(folder, clock=clock, services=SERVICES) as served:
            return await asyncio.to_thread(use, served.connection_string)

    return call


@pytest.fixture
def contents_of() -> Callable[[Path], Contents]:
    return lambda folder: Contents(folder / CONTENTS_FOLDER)


# --- an account as clients make it and see it -------------------------------------------------

NAMES = (
    *("a", "a/b", "A", "con/aux.txt", "trailing.", "trailing /x", "ünïcode/é☃😀", "e\u0301"),
    *("x" * 1024, "~", "~/x", ".gitkeep", " lead", "q?x", "a\\b", 'quo"te', "%41", "a//b", "50%"),
)


def _fill(connection_string: str) -> None:
    """Make something of every kind."""
    _fill_blobs(BlobServiceClient.from_connection_string(connection_string))
    _fill_queues(QueueServiceClient.from_connection_string(connection_string))
    _fill_tables(TableServiceClient.from_connection_string(connection_string))


def _fill_blobs(service: BlobServiceClient) -> None:
    service.set_service_properties(cors=[CorsRule(["http://x"], ["GET"], max_age_in_seconds=5)])
    service.create_container("empty-one", public_access="blob")
    service.create_container("con", metadata={"reserved": "by Windows"})
    container = service.create_container("uploads", metadata={"owner": "Ann"})
    policy = AccessPolicy("r", datetime(2030, 1, 1, tzinfo=UTC), datetime(2020, 1, 1, tzinfo=UTC))
    container.set_container_access_policy({"readers": policy}, public_access="container")
    for name in NAMES:
        container.upload_blob(name, name.encode(), metadata={"k": "v"})
    settings = ContentSettings(
        "text/csv",
        "identity",
        "en",
        "attachment; filename=a",
        "no-cache",
        bytearray(b"m" * 16),
    )
    container.upload_blob("a.csv", b"old", tags={"kind": "csv"})
    csv = container.get_blob_client("a.csv")
    csv.set_http_headers(settings)
    csv.create_snapshot()
    csv.upload_blob(b"new", overwrite=True, tags={"kind": "new"})
    csv.set_standard_blob_tier(StandardBlobTier.COOL)
    container.upload_blob("big.bin", bytes(range(256)) * 5000)
    blocks = container.get_blob_client("blocks.bin")
    for number in range(3):
        blocks.stage_block(f"{number:04}", bytes([number]) * 50_000)
    blocks.commit_block_list([BlobBlock(f"{number:04}") for number in range(3)])
    disk = container.get_blob_client("disk.vhd")
    disk.create_page_blob(64 * 1024, sequence_number=7)
    disk.upload_page(b"p" * 512, 512, 512)
    disk.upload_page(b"q" * 1024, 4096, 1024)
    log = container.get_blob_client("app.log")
    log.create_append_blob()
    log.append_block(b"one\n")
    log.append_block(b"two\n")
    log.seal_append_blob()
    _fill_scoped(service)


def _fill_scoped(service: BlobServiceClient) -> None:
    scope = ContainerEncryptionScope("theirs")
    container = service.create_container("scoped", container_encryption_scope=scope)
    container.upload_blob("default", b"1")
    own = container.get_blob_client("own")
    own.upload_blob(b"2", encryption_scope="own")
    own.create_snapshot(encryption_scope="own")
    log = container.get_blob_client("log")
    log.create_append_blob(encryption_scope="own")
    log.append_block(b"3", encryption_scope="own")


def _fill_queues(service: QueueServiceClient) -> None:
    queue = service.create_queue("orders", metadata={"m": "1"})
    for number in range(3):
        queue.send_message(f"message {number} ☃", time_to_live=-1 if number else 3600)
    queue.receive_message(visibility_timeout=600)
    service.create_queue("nothing-in-it")


def _fill_tables(service: TableServiceClient) -> None:
    table = service.create_table("People")
    table.create_entity(
        {
            "PartitionKey": "ü",
            "RowKey": "",
            "text": "☃",
            "int64": (2**40, "Edm.Int64"),
            "double": 1.0,
            "flag": True,
            "at": datetime(2024, 5, 1, 12, tzinfo=UTC),
            "guid": UUID(int=5),
            "bytes": b"\x00\xff",
        }
    )
    table.create_entity({"PartitionKey": "p", "RowKey": "r"})
    service.create_table("nul")


def _seen(connection_string: str) -> dict[str, Any]:
    """Return all that clients can see of an account."""
    return {
        "blobs": _seen_blobs(BlobServiceClient.from_connection_string(connection_string)),
        "queues": _seen_queues(QueueServiceClient.from_connection_string(connection_string)),
        "tables": _seen_tables(TableServiceClient.from_connection_string(connection_string)),
    }


def _seen_blobs(service: BlobServiceClient) -> dict[str, Any]:
    found: dict[str, Any] = {"": [vars(rule) for rule in service.get_service_properties()["cors"]]}
    for listed in service.list_containers(include_metadata=True):
        container = service.get_container_client(listed.name)
        access = container.get_container_access_policy()
        found[listed.name] = [
            (listed.etag, listed.last_modified, listed.metadata, access["public_access"]),
            vars(listed.encryption_scope),
            [(one.id, vars(one.access_policy)) for one in access["signed_identifiers"]],
            [
                _seen_blob(container.get_blob_client(blob.name, blob.snapshot))
                for blob in container.list_blobs(include=["snapshots", "metadata", "tags"])
            ],
        ]
    return found


def _seen_blob(blob: Any) -> tuple[Any, ...]:
    properties = dict(blob.get_blob_properties())
    settings = vars(properties.pop("content_settings"))
    for own in ("lease", "copy"):  # objects of the client's
        properties[own] = vars(properties[own])
    extra: Any = None
    if properties["blob_type"] == "BlockBlob":
        committed, _ = blob.get_block_list()
        extra = [(block.id, block.size) for block in committed]
    if properties["blob_type"] == "PageBlob":
        extra = [(page.start, page.end) for page in blob.list_page_ranges()]
    return (properties, settings, blob.get_blob_tags(), extra, blob.download_blob().readall())


def _seen_queues(service: QueueServiceClient) -> dict[str, Any]:
    found = {}
    for listed in service.list_queues(include_metadata=True):
        queue = service.get_queue_client(listed.name)
        count = queue.get_queue_properties().approximate_message_count
        messages = [
            {name: value for name, value in vars(one).items() if name != "pop_receipt"}
            for one in queue.peek_messages(32)
        ]
        found[listed.name] = (listed.metadata, count, messages)
    return found


def _seen_tables(service: TableServiceClient) -> dict[str, Any]:
    return {
        table.name: [
            (dict(one), one.metadata)
            for one in service.get_table_client(table.name).list_entities()
        ]
        for table in service.list_tables()
    }


# --- for tests --------------------------------------------------------------------------------


@pytest.fixture
def export() -> Export:
    """Export a data folder, at an instant, to a folder or an archive."""
    return _export


@pytest.fixture(scope="session")  # one for all examples of a property
def import_from() -> Import:
    """Import a source into a data folder, at an instant."""
    return _import_from


@pytest.fixture
def fill() -> Fill:
    """Make something of every kind."""
    return _fill


@pytest.fixture
def seen() -> See:
    """Return all that clients can see of an account."""
    return _seen


@pytest.fixture
def source(tmp_path: Path) -> Make:
    """Make a folder of files, by path."""

    def make(files: dict[str, str]) -> Path:
        root = tmp_path / "source"
        for path, text in files.items():
            file = root / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
        return root

    return make
