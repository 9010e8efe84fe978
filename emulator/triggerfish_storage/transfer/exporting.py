"""An account as files: blobs as they are, everything else as JSON lines.

    account.jsonl          what the account, its services, containers, queues and tables are
    blobs/CONTAINER/…      a file for each blob, named like it
    blobs/CONTAINER.jsonl  what the files cannot say: types, properties, metadata, snapshots
    queues/QUEUE.jsonl     a line for each message
    tables/TABLE.jsonl     a line for each entity

Where the account is does not matter here: an ``Origin`` reads it. Format:
docs/reference/account-files.md
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from tempfile import SpooledTemporaryFile
from typing import Final, NamedTuple, Protocol

from triggerfish_storage.hashing import Checksum
from triggerfish_storage.transfer.carriers import ACCOUNT_FILE, COPY_BYTES, Carrier
from triggerfish_storage.transfer.fields import iso, to_line
from triggerfish_storage.transfer.names import file_stem, path_apart, plain_path
from triggerfish_storage.transfer.path_set import PathSet, path_set
from triggerfish_storage.transfer.tally import FILE_BYTES, Advance, Tally

BLOBS: Final = "blobs"
QUEUES: Final = "queues"
TABLES: Final = "tables"
FORMAT: Final = 1

_IN_MEMORY_BYTES: Final = 1024 * 1024

Document = Mapping[str, object]


class OutgoingBlob(NamedTuple):
    """A blob, a snapshot (of that instant) or a soft-deleted blob, on its way into a file.

    ``pieces`` are its bytes, ``size_bytes`` in all, and can be taken once. ``document`` makes
    its line, told the path of its file and the MD5 of those bytes.
    """

    name: str
    snapshot: str
    is_deleted: bool
    size_bytes: int
    modified: datetime
    pieces: Iterable[bytes]
    document: Callable[[str, bytes], Document]


class Outgoing(NamedTuple):
    """A message or an entity as a line, and how many bytes that counts for."""

    line: bytes
    size_bytes: int


class Origin(Protocol):
    """An account as it is read: names first, then what each of them holds."""

    @property
    def account(self) -> str: ...

    def settings(self) -> Iterable[Document]:
        """Give what the services, containers, queues and tables are set to."""

    def containers(self) -> Iterable[str]: ...
    def blobs(self, container: str) -> Iterator[OutgoingBlob]: ...
    def queues(self) -> Iterable[str]: ...
    def messages(self, queue: str) -> Iterator[Outgoing]: ...
    def tables(self) -> Iterable[str]: ...
    def entities(self, table: str) -> Iterator[Outgoing]: ...


def export_account(origin: Origin, carrier: Carrier, *, now: datetime, advance: Advance) -> Tally:
    """Hand all that an account holds to the carrier, file by file."""
    export = _Export(origin, carrier, now, advance)
    export.run()
    return export.tally


class _Export:
    def __init__(self, origin: Origin, carrier: Carrier, now: datetime, advance: Advance) -> None:
        self.tally = Tally()
        self._origin = origin
        self._carrier = carrier
        self._now = now
        self._advance = advance

    def run(self) -> None:
        origin, tally = self._origin, self.tally
        self._write(ACCOUNT_FILE, map(to_line, self._manifest()))
        for name in origin.containers():
            tally.containers += 1
            with path_set() as taken:
                lines = map(to_line, self._blobs(name, taken))
                self._write(f"{BLOBS}/{file_stem(name)}.jsonl", lines)
        for name in origin.queues():
            tally.queues += 1
            self._write(f"{QUEUES}/{file_stem(name)}.jsonl", self._messages(name))
        for name in origin.tables():
            tally.tables += 1
            self._write(f"{TABLES}/{file_stem(name)}.jsonl", self._entities(name))

    def _manifest(self) -> Iterator[Document]:
        yield {
            "triggerfish": "account",
            "format": FORMAT,
            "account": self._origin.account,
            "exportedAt": iso(self._now),
        }
        yield from self._origin.settings()

    def _write(self, path: str, lines: Iterable[bytes]) -> None:
        """Write a file of lines, whose size an archive wants to know beforehand."""
        with SpooledTemporaryFile(_IN_MEMORY_BYTES) as file:
            for line in lines:
                file.write(line)
            size_bytes = file.tell()
            file.seek(0)
            pieces = iter(lambda: file.read(COPY_BYTES), b"")
            self._carrier.add(path, size_bytes, pieces, self._now.timestamp())

    def _blobs(self, container: str, taken: PathSet) -> Iterator[Document]:
        folder = f"{BLOBS}/{file_stem(container)}"
        for blob in self._origin.blobs(container):
            path = _path(blob, taken)
            md5 = hashlib.md5(usedforsecurity=False)
            pieces = self._seen(blob.pieces, md5)
            modified = blob.modified.timestamp()
            self._carrier.add(f"{folder}/{path}", blob.size_bytes, pieces, modified)
            self._advance(FILE_BYTES)
            self.tally.blobs += 1
            self.tally.size_bytes += blob.size_bytes
            yield blob.document(path, md5.digest())

    def _seen(self, pieces: Iterable[bytes], checksum: Checksum) -> Iterator[bytes]:
        for piece in pieces:
            checksum.update(piece)
            self._advance(len(piece))
            yield piece

    def _messages(self, queue: str) -> Iterator[bytes]:
        for line, size_bytes in self._origin.messages(queue):
            self.tally.messages += 1
            self._advance(size_bytes)
            yield line

    def _entities(self, table: str) -> Iterator[bytes]:
        for line, size_bytes in self._origin.entities(table):
            self.tally.entities += 1
            self._advance(size_bytes)
            yield line


def _path(blob: OutgoingBlob, taken: PathSet) -> str:
    if not blob.snapshot and not blob.is_deleted:
        plain = plain_path(blob.name)
        if plain is not None and taken.claim(plain):
            return plain
    return path_apart(blob.name, blob.snapshot)
