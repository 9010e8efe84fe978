"""An account as files: blobs as they are, everything else as JSON lines.

    account.jsonl          what the account, its services, containers, queues and tables are
    blobs/CONTAINER/…      a file for each blob, named like it
    blobs/CONTAINER.jsonl  what the files cannot say: types, properties, metadata, snapshots
    queues/QUEUE.jsonl     a line for each message
    tables/TABLE.jsonl     a line for each entity

Reads one view of the account, so that what is written fits together. Format:
docs/reference/account-files.md
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from tempfile import SpooledTemporaryFile
from typing import Final

from triggerfish_storage import service_properties
from triggerfish_storage.blobs import exact as blob_rows
from triggerfish_storage.blobs.exact import Layout
from triggerfish_storage.blobs.extents import find_parts
from triggerfish_storage.blobs.model import Blob, Container
from triggerfish_storage.blobs.names import snapshot_text
from triggerfish_storage.blobs.rows import load_data
from triggerfish_storage.content_files import Checksum
from triggerfish_storage.contents import read_parts
from triggerfish_storage.queues import exact as queue_rows
from triggerfish_storage.tables import exact as table_rows
from triggerfish_storage.transfer.blob_lines import DescribedBlob, blob_document
from triggerfish_storage.transfer.carriers import COPY_BYTES, Carrier
from triggerfish_storage.transfer.entity_lines import entity_line
from triggerfish_storage.transfer.fields import iso, to_line
from triggerfish_storage.transfer.message_lines import stored_document
from triggerfish_storage.transfer.names import file_stem, path_apart, plain_path
from triggerfish_storage.transfer.path_set import PathSet, path_set
from triggerfish_storage.transfer.pinning import View
from triggerfish_storage.transfer.setting_lines import (
    container_document,
    queue_document,
    table_document,
)
from triggerfish_storage.transfer.tally import FILE_BYTES, Advance, Tally

ACCOUNT_FILE: Final = "account.jsonl"
BLOBS: Final = "blobs"
QUEUES: Final = "queues"
TABLES: Final = "tables"
FORMAT: Final = 1

_IN_MEMORY_BYTES: Final = 1024 * 1024
_SERVICES: Final = ("blob", "queue", "table")
_ACCOUNTS: Final = """
    SELECT account FROM container UNION SELECT account FROM queue
    UNION SELECT account FROM entity_table UNION SELECT account FROM service"""


def accounts_in(tx: sqlite3.Connection) -> list[str]:
    """Return the names of the accounts that have anything in a data folder."""
    return sorted(name for (name,) in tx.execute(_ACCOUNTS) if name)


def size_of(tx: sqlite3.Connection, account: str) -> int:
    """Return about how many bytes an export will be on the disk."""
    blobs, blob_bytes = blob_rows.count_blobs(tx, account)
    _, message_bytes = queue_rows.count_messages(tx, account)
    _, entity_bytes = table_rows.count_entities(tx, account)
    return blob_bytes + blobs * FILE_BYTES + message_bytes + entity_bytes


def export_account(
    view: View, account: str, carrier: Carrier, *, now: datetime, advance: Advance
) -> Tally:
    """Hand all that an account holds to the carrier, file by file."""
    export = _Export(view, account, carrier, now, advance)
    export.run()
    return export.tally


class _Export:
    def __init__(
        self, view: View, account: str, carrier: Carrier, now: datetime, advance: Advance
    ) -> None:
        self.tally = Tally()
        self._tx = view.tx
        self._contents = view.contents
        self._account = account
        self._carrier = carrier
        self._now = now
        self._advance = advance

    def run(self) -> None:
        self._write(ACCOUNT_FILE, map(to_line, self._manifest()))
        for container in blob_rows.all_containers(self._tx, self._account):
            self.tally.containers += 1
            with path_set() as taken:
                lines = map(to_line, self._blobs(container, taken))
                self._write(f"{BLOBS}/{file_stem(container.name)}.jsonl", lines)
        for queue in queue_rows.all_queues(self._tx, self._account):
            self.tally.queues += 1
            self._write(f"{QUEUES}/{file_stem(queue.name)}.jsonl", self._messages(queue.name))
        for table in table_rows.all_tables(self._tx, self._account):
            self.tally.tables += 1
            self._write(f"{TABLES}/{file_stem(table.name)}.jsonl", self._entities(table.id))

    def _manifest(self) -> Iterator[Mapping[str, object]]:
        yield {
            "triggerfish": "account",
            "format": FORMAT,
            "account": self._account,
            "exportedAt": iso(self._now),
        }
        for service in _SERVICES:
            properties = service_properties.load(self._tx, self._account, service)
            if properties:
                yield {"service": service, "properties": properties}
        yield from map(container_document, blob_rows.all_containers(self._tx, self._account))
        yield from map(queue_document, queue_rows.all_queues(self._tx, self._account))
        yield from map(table_document, table_rows.all_tables(self._tx, self._account))

    def _write(self, path: str, lines: Iterable[bytes]) -> None:
        """Write a file of lines, whose size an archive wants to know beforehand."""
        with SpooledTemporaryFile(_IN_MEMORY_BYTES) as file:
            for line in lines:
                file.write(line)
            size_bytes = file.tell()
            file.seek(0)
            pieces = iter(lambda: file.read(COPY_BYTES), b"")
            self._carrier.add(path, size_bytes, pieces, self._now.timestamp())

    # --- blobs --------------------------------------------------------------------------------

    def _blobs(self, container: Container, taken: PathSet) -> Iterator[Mapping[str, object]]:
        folder = f"{BLOBS}/{file_stem(container.name)}"
        for blob in blob_rows.all_blobs(self._tx, container.id):
            path = _path(blob, taken)
            layout = blob_rows.layout_of(self._tx, blob)
            size_bytes = _stored_bytes(blob, layout)
            md5 = hashlib.md5(usedforsecurity=False)
            pieces = self._seen(self._bytes(blob, layout), md5)
            self._carrier.add(f"{folder}/{path}", size_bytes, pieces, blob.modified.timestamp())
            self._advance(FILE_BYTES)
            self.tally.blobs += 1
            self.tally.size_bytes += size_bytes
            yield blob_document(DescribedBlob(blob, path, layout, blob.md5 == md5.digest()))

    def _bytes(self, blob: Blob, layout: Layout) -> Iterator[bytes]:
        data = load_data(self._tx, blob)
        if data is not None:
            yield data
            return
        for begin, end in ((0, blob.length),) if layout.pages is None else layout.pages:
            yield from read_parts(
                self._tx, self._contents, find_parts(self._tx, blob.id, begin, end)
            )

    def _seen(self, pieces: Iterable[bytes], checksum: Checksum) -> Iterator[bytes]:
        for piece in pieces:
            checksum.update(piece)
            self._advance(len(piece))
            yield piece

    # --- messages and entities ----------------------------------------------------------------

    def _messages(self, queue: str) -> Iterator[bytes]:
        for message in queue_rows.all_messages(self._tx, self._account, queue, now=self._now):
            self.tally.messages += 1
            self._advance(len(message.text))
            yield to_line(stored_document(message))

    def _entities(self, table: int) -> Iterator[bytes]:
        for entity in table_rows.all_entities(self._tx, table):
            self.tally.entities += 1
            self._advance(len(entity.inside))
            yield entity_line(entity)


def _path(blob: Blob, taken: PathSet) -> str:
    if not blob.is_snapshot and blob.deleted is None:
        plain = plain_path(blob.name)
        if plain is not None and taken.claim(plain):
            return plain
    return path_apart(blob.name, snapshot_text(blob.snapshot) if blob.is_snapshot else "")


def _stored_bytes(blob: Blob, layout: Layout) -> int:
    if layout.pages is None:
        return blob.length
    return sum(end - begin for begin, end in layout.pages)
