"""Page blobs that are copied from a URL: only what was written of them is read.

Of a disk that is mostly empty little is sent, and a copy has the written pages of its source.

Protocol: https://learn.microsoft.com/rest/api/storageservices/copy-blob#remarks
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from urllib.parse import quote

from triggerfish_storage.blobs import errors, wire
from triggerfish_storage.blobs.copies import Pages
from triggerfish_storage.blobs.handlers import sources
from triggerfish_storage.blobs.handlers.sources import Source
from triggerfish_storage.blobs.page_ranges import Range
from triggerfish_storage.errors import StorageError
from triggerfish_storage.protocol.operations import Call


async def open_copied(call: Call) -> tuple[Source, Pages | None]:
    """Begin to read what is copied; of a page blob its written pages, one behind the other."""
    source = await sources.open_source(call)
    if source.kind.type != "PageBlob":
        return source, None
    source.close()
    unchanged = {"if-match": source.etag} if source.etag else {}
    written = await _written(call, unchanged)
    if any(begin >= end for begin, end in written) or not _fit(written, source.length):
        raise StorageError(errors.CANNOT_VERIFY_COPY_SOURCE)
    return replace(source, pieces=_pieces(call, written, unchanged)), Pages(written, source.length)


def _fit(written: Sequence[Range], length: int) -> bool:
    """Whether ranges are in order, and inside of a blob."""
    begins = [begin for begin, _ in written]
    ends = [end for _, end in written]
    return all(end <= begin for end, begin in zip([0, *ends], [*begins, length], strict=True))


async def _written(call: Call, unchanged: Mapping[str, str]) -> list[Range]:
    found: list[Range] = []
    marker = ""
    while True:
        following = f"&marker={quote(marker, safe='')}" if marker else ""
        response = await sources.ask(call, f"comp=pagelist{following}", unchanged)
        body = b"".join([piece async for piece in response.pieces])
        try:
            written, marker = wire.parse_page_list(body)
        except (ValueError, StorageError) as error:  # whoever answers, it is no such list
            raise StorageError(errors.CANNOT_VERIFY_COPY_SOURCE) from error
        found += written
        if not marker:
            return found


async def _pieces(
    call: Call, written: Sequence[Range], unchanged: Mapping[str, str]
) -> AsyncIterator[bytes]:
    for begin, end in written:
        wanted = {"x-ms-range": f"bytes={begin}-{end - 1}"}
        response = await sources.ask(call, headers={**unchanged, **wanted})
        missing = end - begin
        async for piece in response.pieces:
            missing -= len(piece)
            yield piece
        if missing:
            raise StorageError(errors.CANNOT_VERIFY_COPY_SOURCE)
