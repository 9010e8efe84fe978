"""The account of a data folder as an export reads it: from one view, so that all fits together."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import datetime
from functools import partial
from typing import Final

from triggerfish_storage import service_properties
from triggerfish_storage.blobs import exact as blob_rows
from triggerfish_storage.blobs.exact import Layout
from triggerfish_storage.blobs.extents import find_parts
from triggerfish_storage.blobs.model import Blob
from triggerfish_storage.blobs.names import snapshot_text
from triggerfish_storage.blobs.rows import load_data
from triggerfish_storage.contents import read_parts
from triggerfish_storage.queues import exact as queue_rows
from triggerfish_storage.tables import exact as table_rows
from triggerfish_storage.tables.search import in_order
from triggerfish_storage.transfer.blob_lines import DescribedBlob, blob_document
from triggerfish_storage.transfer.entity_lines import entity_line
from triggerfish_storage.transfer.exporting import Document, Outgoing, OutgoingBlob
from triggerfish_storage.transfer.fields import to_line
from triggerfish_storage.transfer.message_lines import stored_document
from triggerfish_storage.transfer.pinning import View
from triggerfish_storage.transfer.setting_lines import (
    container_document,
    queue_document,
    table_document,
)
from triggerfish_storage.transfer.tally import FILE_BYTES

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


class FolderOrigin:
    """Implements ``exporting.Origin`` on a view of a data folder."""

    def __init__(self, view: View, account: str, now: datetime) -> None:
        self.account = account
        self._tx = view.tx
        self._contents = view.contents
        self._now = now
        self._containers = {one.name: one for one in blob_rows.all_containers(view.tx, account)}
        self._tables = {one.name: one for one in table_rows.all_tables(view.tx, account)}

    def settings(self) -> Iterator[Document]:
        for service in _SERVICES:
            properties = service_properties.load(self._tx, self.account, service)
            if properties:
                yield {"service": service, "properties": properties}
        yield from map(container_document, self._containers.values())
        yield from map(queue_document, queue_rows.all_queues(self._tx, self.account))
        yield from map(table_document, self._tables.values())

    def containers(self) -> Iterator[str]:
        yield from self._containers

    def blobs(self, container: str) -> Iterator[OutgoingBlob]:
        for blob in blob_rows.all_blobs(self._tx, self._containers[container].id):
            layout = blob_rows.layout_of(self._tx, blob)
            yield OutgoingBlob(
                blob.name,
                snapshot_text(blob.snapshot) if blob.is_snapshot else "",
                blob.deleted is not None,
                _stored_bytes(blob, layout),
                blob.modified,
                self._bytes(blob, layout),
                partial(_document, blob, layout),
            )

    def _bytes(self, blob: Blob, layout: Layout) -> Iterator[bytes]:
        data = load_data(self._tx, blob)
        if data is not None:
            yield data
            return
        for begin, end in ((0, blob.length),) if layout.pages is None else layout.pages:
            yield from read_parts(
                self._tx, self._contents, find_parts(self._tx, blob.id, begin, end)
            )

    def queues(self) -> Iterator[str]:
        for queue in queue_rows.all_queues(self._tx, self.account):
            yield queue.name

    def messages(self, queue: str) -> Iterator[Outgoing]:
        for message in queue_rows.all_messages(self._tx, self.account, queue, now=self._now):
            yield Outgoing(to_line(stored_document(message)), len(message.text))

    def tables(self) -> Iterator[str]:
        yield from self._tables

    def entities(self, table: str) -> Iterator[Outgoing]:
        for entity in in_order(self._tx, self._tables[table].id):
            yield Outgoing(entity_line(entity), len(entity.inside))


def _document(blob: Blob, layout: Layout, path: str, md5: bytes) -> Document:
    return blob_document(DescribedBlob(blob, path, layout, blob.md5 == md5))


def _stored_bytes(blob: Blob, layout: Layout) -> int:
    if layout.pages is None:
        return blob.length
    return sum(end - begin for begin, end in layout.pages)
