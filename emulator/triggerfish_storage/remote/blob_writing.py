"""Writing one blob to an account by requests: as a whole, by blocks, appended, by pages."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Final
from urllib.parse import urlencode

from triggerfish_storage.blobs.archive import ARCHIVE
from triggerfish_storage.blobs.encryption_headers import told
from triggerfish_storage.blobs.model import Blob
from triggerfish_storage.client import blob_path
from triggerfish_storage.protocol import xml
from triggerfish_storage.protocol.dates import http_date
from triggerfish_storage.remote.requests import Requests
from triggerfish_storage.signed_requests import Request
from triggerfish_storage.transfer.blob_lines import DescribedBlob
from triggerfish_storage.transfer.tally import Advance

WHOLE_BYTES: Final = 4 * 1024 * 1024  # at most, to be put in one request
BLOCK_BYTES: Final = 4 * 1024 * 1024
BLOCK_LIMIT_BYTES: Final = 16 * 1024 * 1024  # of a block that keeps its own length

Headers = Mapping[str, str]

_NO_HEADERS: Final[Headers] = MappingProxyType({})


def put_whole(container: str, described: DescribedBlob, data: bytes, headers: Headers) -> Request:
    """Return the request that writes a block blob in one go."""
    blob = described.blob
    given = {**headers, "x-ms-blob-type": "BlockBlob", **described_headers(blob)}
    given |= scope_headers(blob)
    return Request("blob", "PUT", blob_path(container, blob.name), {}, data, given)


def set_md5(container: str, blob: Blob) -> Request:
    """Return the request that sets an MD5 which is not that of the bytes, or takes it away."""
    headers = {name: value for name, value in described_headers(blob).items() if "-blob-" in name}
    if blob.md5:
        headers["x-ms-blob-content-md5"] = b64encode(blob.md5).decode()
    path = blob_path(container, blob.name)
    return Request("blob", "PUT", path, {"comp": "properties"}, b"", headers)


def is_closed(blob: Blob) -> bool:
    """Whether nothing of a blob can be written any more, once it is as it is described."""
    return blob.tier == ARCHIVE or blob.legal_hold or blob.immutable_until is not None


def closing(container: str, blob: Blob, now: datetime, *, snapshot: str = "") -> Iterator[Request]:
    """Give the requests that come behind those that write a blob, or a ``snapshot`` of it.

    These may be several, and each after them would be refused. A policy whose time is over keeps
    nothing, and cannot be set.
    """
    path, which = blob_path(container, blob.name), {"snapshot": snapshot} if snapshot else {}
    if blob.tier == ARCHIVE:
        tier = {"x-ms-access-tier": ARCHIVE}
        yield Request("blob", "PUT", path, {"comp": "tier", **which}, b"", tier)
    if blob.immutable_until is not None and blob.immutable_until > now:
        policy = {
            "x-ms-immutability-policy-mode": blob.immutability_mode,
            "x-ms-immutability-policy-until-date": http_date(blob.immutable_until),
        }
        yield Request("blob", "PUT", path, {"comp": "immutabilitypolicies", **which}, b"", policy)
    if blob.legal_hold:
        hold = {"x-ms-legal-hold": "true"}
        yield Request("blob", "PUT", path, {"comp": "legalhold", **which}, b"", hold)


def is_whole(described: DescribedBlob, size_bytes: int) -> bool:
    """Whether a blob can be written in one go, and have no blocks, as it had none."""
    is_plain = described.blob.type == "BlockBlob" and not described.layout.blocks
    return is_plain and size_bytes <= WHOLE_BYTES


@dataclass(frozen=True, slots=True)
class Writing:
    """A blob of any type and size to be written from ``file``; ``headers`` are its conditions."""

    requests: Requests
    container: str
    described: DescribedBlob
    file: Path
    headers: Headers
    advance: Advance

    def run(self) -> None:
        """Write it, in constant memory."""
        described, blob = self.described, self.described.blob
        match blob.type:
            case "PageBlob":
                self._write_pages()
            case "AppendBlob":
                self._append()
            case _ if is_whole(described, self.file.stat().st_size):
                data = self.file.read_bytes()
                self.requests.send(put_whole(self.container, described, data, self.headers))
                if not described.has_md5:
                    self.requests.send(set_md5(self.container, blob))
                self.advance(len(data))
            case _:
                self._write_blocks()

    def _write_blocks(self) -> None:
        described = self.described
        md5 = hashlib.md5(usedforsecurity=False)
        listed = ""
        with self.file.open("rb") as opened:
            for block, length in _blocks_of(described, self.file.stat().st_size):
                data = opened.read(length)
                md5.update(data)
                self._put({"comp": "block", "blockid": block}, data)
                listed += xml.tag("Latest", block)
                self.advance(len(data))
        given = {**self.headers, **described_headers(described.blob)}
        kept = md5.digest() if described.has_md5 else described.blob.md5
        if kept:
            given["x-ms-blob-content-md5"] = b64encode(kept).decode()
        document = xml.document(f"<BlockList>{listed}</BlockList>")
        self._put({"comp": "blocklist"}, document, given)

    def _append(self) -> None:
        self._create({})
        with self.file.open("rb") as opened:
            while data := opened.read(BLOCK_BYTES):
                self._put({"comp": "appendblock"}, data)
                self.advance(len(data))
        if self.described.blob.is_sealed:
            self._put({"comp": "seal"}, b"")

    def _write_pages(self) -> None:
        blob = self.described.blob
        self._create(
            {
                "x-ms-blob-content-length": str(blob.length),
                "x-ms-blob-sequence-number": str(blob.sequence_number),
            }
        )
        with self.file.open("rb") as opened:
            for begin, end in self.described.layout.pages or ((0, self.file.stat().st_size),):
                for start in range(begin, end, BLOCK_BYTES):
                    data = opened.read(min(BLOCK_BYTES, end - start))
                    where = {
                        "x-ms-page-write": "update",
                        "x-ms-range": f"bytes={start}-{start + len(data) - 1}",
                    }
                    self._put({"comp": "page"}, data, where)
                    self.advance(len(data))

    def _create(self, headers: Headers) -> None:
        """Create what its bytes are added to; the MD5 is one that a client has set."""
        blob = self.described.blob
        given = {**self.headers, "x-ms-blob-type": blob.type, **headers, **described_headers(blob)}
        if blob.md5 and not self.described.has_md5:
            given["x-ms-blob-content-md5"] = b64encode(blob.md5).decode()
        self._put({}, b"", given)

    def _put(self, query: Mapping[str, str], body: bytes, headers: Headers = _NO_HEADERS) -> None:
        path = blob_path(self.container, self.described.blob.name)
        given = {**scope_headers(self.described.blob), **headers}
        self.requests.send(Request("blob", "PUT", path, query, body, given))


def scope_headers(blob: Blob) -> dict[str, str]:
    """Return what each request says that writes of a blob: a key of a customer's is not known."""
    return told(blob.encryption) if blob.encryption and blob.encryption.scope else {}


def described_headers(blob: Blob) -> dict[str, str]:
    """Return what the writer of a blob says of it in headers."""
    has_tier = blob.type == "BlockBlob" and blob.tier != ARCHIVE  # which comes last
    found = {
        "x-ms-blob-content-type": blob.headers.content_type,
        "x-ms-blob-content-encoding": blob.headers.content_encoding,
        "x-ms-blob-content-language": blob.headers.content_language,
        "x-ms-blob-content-disposition": blob.headers.content_disposition,
        "x-ms-blob-cache-control": blob.headers.cache_control,
        "x-ms-tags": urlencode(blob.tags),
        "x-ms-access-tier": blob.tier if has_tier else "",
    }
    given = {name: value for name, value in found.items() if value}
    return given | {f"x-ms-meta-{name}": value for name, value in blob.metadata.items()}


def _blocks_of(described: DescribedBlob, size_bytes: int) -> Iterator[tuple[str, int]]:
    """Give ids and lengths: those that the blob has, where these can be kept."""
    blocks = described.layout.blocks
    is_fitting = sum(length for _, length in blocks) == size_bytes
    if blocks and is_fitting and all(length <= BLOCK_LIMIT_BYTES for _, length in blocks):
        yield from blocks
        return
    length = max(BLOCK_BYTES, -(-size_bytes // 50_000))
    for number in range(-(-size_bytes // length)):
        block = b64encode(f"{number:06}".encode()).decode()
        yield block, min(length, size_bytes - number * length)
