"""Blobs of a container with their bytes, as an export takes them.

Small ones are fetched a few at a time, because most of what one costs is the way there and
back; large ones are streamed.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Final

from triggerfish_storage.blobs.archive import ARCHIVE
from triggerfish_storage.blobs.exact import Layout
from triggerfish_storage.blobs.model import Blob
from triggerfish_storage.blobs.names import snapshot_text
from triggerfish_storage.blobs.wire import PAGE_LIST, written_pages
from triggerfish_storage.client import blob_path
from triggerfish_storage.protocol import xml
from triggerfish_storage.remote.listed_blobs import blob_of
from triggerfish_storage.remote.requests import AT_ONCE, Requests
from triggerfish_storage.signed_requests import Request, RequestFailed
from triggerfish_storage.transfer.blob_lines import DescribedBlob, blob_document
from triggerfish_storage.transfer.exporting import Document, OutgoingBlob
from triggerfish_storage.transfer.failure import TransferError

SMALL_BYTES: Final = 256 * 1024
# Services, and what a signature allows, differ in what may be asked for; the first that is
# answered counts.
_INCLUDES: Final = (
    "metadata,snapshots,tags,immutabilitypolicy,legalhold",
    "metadata,snapshots,tags",
    "metadata,snapshots",
)
_NOT_THAT: Final = (400, 403, 409, 501)
_CHANGED: Final = (404, 412)


def read_blobs(requests: Requests, container: str) -> Iterator[OutgoingBlob]:
    """Give the blobs and snapshots of a container by name."""
    waiting: list[tuple[Blob, str]] = []
    for element in _listed(requests, container):
        entry = blob_of(element), element.child_text("Etag", "") or _etag_of(element)
        unreadable = _unreadable(element, entry[0])
        if unreadable:
            requests.remark(f"Left out: {unreadable}.")
            continue
        if entry[0].type == "PageBlob" or entry[0].length > SMALL_BYTES:
            yield from _small(requests, container, waiting)
            waiting = []
            yield _large(requests, container, *entry)
            continue
        waiting.append(entry)
        if len(waiting) == AT_ONCE:
            yield from _small(requests, container, waiting)
            waiting = []
    yield from _small(requests, container, waiting)


def _unreadable(element: xml.Element, blob: Blob) -> str:
    """Return which blobs this is one of, where none of these can be downloaded."""
    if blob.encryption is not None and blob.encryption.key_sha256:
        return "blobs that only keys of customers open"
    if blob.tier == ARCHIVE:
        return "blobs in the archive"
    properties = element.find("Properties") or element
    if properties.child_text("IncrementalCopy", "") == "true" and not blob.is_snapshot:
        return "blobs of incremental copies, but for their snapshots"
    return ""


def _listed(requests: Requests, container: str) -> Iterator[xml.Element]:
    for include in _INCLUDES:
        query = {"restype": "container", "comp": "list", "include": include}
        pages = requests.pages(Request("blob", "GET", f"/{container}", query))
        try:
            page = next(pages)
        except RequestFailed as error:
            if error.status not in _NOT_THAT or include == _INCLUDES[-1]:
                raise
            continue
        if include != _INCLUDES[0]:
            asked = ", ".join(_INCLUDES[0].split(",")[include.count(",") + 1 :])
            requests.remark(f"Left out, because the service does not tell them: {asked}.")
        yield from _blobs_in(page)
        for page in pages:
            yield from _blobs_in(page)
        return


def _blobs_in(page: xml.Element) -> Iterator[xml.Element]:
    found = page.find("Blobs")
    yield from (one for one in (found.children if found else ()) if one.name == "Blob")


def _small(
    requests: Requests, container: str, entries: list[tuple[Blob, str]]
) -> Iterator[OutgoingBlob]:
    answers = requests.send_all([_get(container, blob, etag) for blob, etag in entries])
    for (blob, _), answer in zip(entries, answers, strict=True):
        if isinstance(answer, RequestFailed):
            raise _explained(answer, container, blob)
        layout = _blocks(requests, container, blob)
        yield _outgoing(blob, layout, len(answer.body), iter((answer.body,)))


def _large(requests: Requests, container: str, blob: Blob, etag: str) -> OutgoingBlob:
    if blob.type != "PageBlob":
        layout = _blocks(requests, container, blob)
        pieces = _streamed(requests, container, blob, _get(container, blob, etag))
        return _outgoing(blob, layout, blob.length, pieces)
    pages = _pages(requests, container, blob)

    def written() -> Iterator[bytes]:
        for begin, end in pages:
            request = _get(container, blob, etag, wanted=f"bytes={begin}-{end - 1}")
            yield from _streamed(requests, container, blob, request)

    size_bytes = sum(end - begin for begin, end in pages)
    return _outgoing(blob, Layout(pages=pages), size_bytes, written())


def _outgoing(blob: Blob, layout: Layout, size_bytes: int, pieces: Iterator[bytes]) -> OutgoingBlob:
    snapshot = snapshot_text(blob.snapshot) if blob.is_snapshot else ""
    document = partial(_document, blob, layout)
    return OutgoingBlob(blob.name, snapshot, False, size_bytes, blob.modified, pieces, document)


def _document(blob: Blob, layout: Layout, path: str, md5: bytes) -> Document:
    document = blob_document(DescribedBlob(blob, path, layout, blob.md5 == md5))
    return document if blob.etag else {key: document[key] for key in document if key != "etag"}


def _streamed(requests: Requests, container: str, blob: Blob, request: Request) -> Iterator[bytes]:
    try:
        yield from requests.stream(request)
    except RequestFailed as error:
        raise _explained(error, container, blob) from error


def _get(container: str, blob: Blob, etag: str, *, wanted: str = "") -> Request:
    headers = {"if-match": f'"{etag}"'} if etag else {}
    if wanted:
        headers["x-ms-range"] = wanted
    path = blob_path(container, blob.name)
    return Request("blob", "GET", path, _snapshot_query(blob), b"", headers)


def _blocks(requests: Requests, container: str, blob: Blob) -> Layout:
    """Return the committed blocks; a blob with an MD5 was written as a whole, and has none."""
    if blob.type != "BlockBlob" or blob.md5 or not blob.length:
        return Layout()
    query = {"comp": "blocklist", "blocklisttype": "committed", **_snapshot_query(blob)}
    answer = requests.send(Request("blob", "GET", blob_path(container, blob.name), query))
    root = xml.parse(answer.body.removeprefix(b"\xef\xbb\xbf"), "BlockList")
    listed = root.find("CommittedBlocks")
    found = [
        (one.child_text("Name"), int(one.child_text("Size")))
        for one in (listed.children if listed else ())
    ]
    return Layout(found if sum(size for _, size in found) == blob.length else ())


def _pages(requests: Requests, container: str, blob: Blob) -> list[tuple[int, int]]:
    query = {"comp": "pagelist", **_snapshot_query(blob)}
    request = Request("blob", "GET", blob_path(container, blob.name), query)
    return [one for page in requests.pages(request, PAGE_LIST) for one in written_pages(page)]


def _snapshot_query(blob: Blob) -> dict[str, str]:
    return {"snapshot": snapshot_text(blob.snapshot)} if blob.is_snapshot else {}


def _etag_of(element: xml.Element) -> str:
    properties = element.find("Properties")
    return properties.child_text("Etag", "").strip('"') if properties else ""


def _explained(error: RequestFailed, container: str, blob: Blob) -> TransferError:
    if error.status in _CHANGED:
        return TransferError(
            f"blob {container}/{blob.name} was changed while it was exported. Do it again, best "
            "while nobody writes."
        )
    return TransferError(str(error))
