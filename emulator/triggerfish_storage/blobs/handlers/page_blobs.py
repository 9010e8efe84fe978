"""Creating page blobs, writing and clearing pages, and telling which are written.

Protocol: https://learn.microsoft.com/rest/api/storageservices/put-page
"""

from __future__ import annotations

from typing import Final, NamedTuple

from triggerfish_storage import errors as common
from triggerfish_storage.blobs import errors, page_blobs, wire
from triggerfish_storage.blobs.encryption_headers import encryption_of
from triggerfish_storage.blobs.handlers import sources
from triggerfish_storage.blobs.handlers.bodies import content_length, receive
from triggerfish_storage.blobs.model import Address, Conditions, Encryption
from triggerfish_storage.blobs.names import parse_snapshot
from triggerfish_storage.blobs.page_blobs import (
    PAGE_BYTES,
    SEQUENCE_LIMIT,
    SIZE_LIMIT_BYTES,
    SequenceAction,
    SequenceConditions,
)
from triggerfish_storage.blobs.ranges import WHOLE, parse_range
from triggerfish_storage.blobs.request_headers import (
    blob_address,
    conditions_of,
    draft_of,
    own_address,
    range_of,
    write_conditions_of,
)
from triggerfish_storage.blobs.response_headers import after_change, stamp, written
from triggerfish_storage.blobs.rows import get_blob
from triggerfish_storage.blobs.store import BlobStore
from triggerfish_storage.contents import Content
from triggerfish_storage.errors import StorageError
from triggerfish_storage.protocol.operations import Call, Reply

PAGES_LIMIT_BYTES: Final = 4 * 1024 * 1024
RANGES_LIMIT: Final = 10_000
_PREVIOUS_URL: Final = "x-ms-previous-snapshot-url"


async def create_page_blob(call: Call, store: BlobStore) -> Reply:
    """Put Blob of type PageBlob: one of zeros."""
    address, draft = own_address(call), draft_of(call, "PageBlob", is_blob=True)
    conditions = write_conditions_of(call)
    length = page_blob_length(call)
    if content_length(call):
        raise call.bad_header("content-length")
    if length is None:
        raise StorageError(common.MISSING_REQUIRED_HEADER, HeaderName="x-ms-blob-content-length")
    number = call.header_integer("x-ms-blob-sequence-number", low=0, high=SEQUENCE_LIMIT) or 0
    blob = await store.write(
        lambda tx: page_blobs.create_page_blob(
            tx, address, length, number, draft, conditions=conditions, now=call.now
        ),
        changed=address,
    )
    return Reply(201, headers=written(blob, version=store.keeps_versions))


async def put_page(call: Call, store: BlobStore) -> Reply:
    """Put Page: write pages, or clear them."""
    wanted = _writing(call)
    begin, end = wanted.begin, wanted.end
    match call.header("x-ms-page-write").lower():
        case "clear":
            if content_length(call):
                raise call.bad_header("content-length")
            return await _write(call, store, wanted, None, {})
        case "update":
            pass
        case _:
            raise call.bad_header("x-ms-page-write")
    if end - begin > PAGES_LIMIT_BYTES:
        raise StorageError(common.REQUEST_BODY_TOO_LARGE, MaxLimit=str(PAGES_LIMIT_BYTES))
    if content_length(call) != end - begin:
        raise call.bad_header("content-length")
    content, told = await receive(
        call,
        store,
        limit=PAGES_LIMIT_BYTES,
        early=lambda tx: get_blob(tx, wanted.address),
        md5="content-md5" in call.headers,
    )
    return await _write(call, store, wanted, content, told)


async def put_page_from_url(call: Call, store: BlobStore) -> Reply:
    """Put Page From URL: write pages with bytes of another blob."""
    wanted = _writing(call)
    if call.header("x-ms-page-write").lower() != "update":
        raise call.bad_header("x-ms-page-write")
    source = await sources.open_part(call)
    content, told = await sources.receive_source(call, store, source, limit=PAGES_LIMIT_BYTES)
    if content.size_bytes != wanted.end - wanted.begin:
        await store.contents.abandon(content)
        raise call.bad_header("x-ms-source-range")
    return await _write(call, store, wanted, content, told)


async def get_page_ranges(call: Call, store: BlobStore) -> Reply:
    """Get Page Ranges: what is written, or what differs from an older snapshot."""
    address, conditions, wanted = blob_address(call), conditions_of(call), range_of(call)
    previous = _previous(call, address)
    end = None if wanted.last is None else wanted.last + 1
    limit = call.page_limit(RANGES_LIMIT)
    begin = max(wanted.begin, call.integer("marker", default=0, low=0, high=SIZE_LIMIT_BYTES))
    blob, ranges = await store.read(
        lambda tx: page_blobs.get_page_ranges(
            tx,
            address,
            begin,
            end,
            previous=previous,
            limit=limit,
            conditions=conditions,
            now=call.now,
        )
    )
    headers = {**stamp(blob), "x-ms-blob-content-length": str(blob.length)}
    return Reply(200, wire.page_list(ranges), headers)


def page_blob_length(call: Call) -> int | None:
    """Return the length a page blob is to have: whole pages, at most 8 TiB."""
    name = "x-ms-blob-content-length"
    length = call.header_integer(name, low=0, high=SIZE_LIMIT_BYTES)
    if length is not None and length % PAGE_BYTES:
        raise call.bad_header(name)
    return length


def sequence_change(call: Call) -> tuple[SequenceAction | None, int]:
    """Return what is to become of a page blob's sequence number, and the number for it."""
    name = "x-ms-blob-sequence-number"
    number = call.header_integer(name, low=0, high=SEQUENCE_LIMIT)
    match call.headers.get("x-ms-sequence-number-action", "").lower():
        case "":
            return None, 0
        case "increment":
            if number is not None:
                raise call.bad_header(name)
            return "increment", 0
        case "max" | "update" as action:
            if number is None:
                raise StorageError(common.MISSING_REQUIRED_HEADER, HeaderName=name)
            return action, number
        case _:
            raise call.bad_header("x-ms-sequence-number-action")


class _Writing(NamedTuple):
    """What a request says of the pages it writes, which is read before they are."""

    address: Address
    begin: int
    end: int
    sequence: SequenceConditions
    conditions: Conditions
    asked: Encryption | None


def _writing(call: Call) -> _Writing:
    address, (begin, end) = own_address(call), _pages(call)
    sequence, conditions = _sequence(call), conditions_of(call)
    return _Writing(address, begin, end, sequence, conditions, encryption_of(call))


async def _write(
    call: Call,
    store: BlobStore,
    wanted: _Writing,
    content: Content | None,
    checksums: dict[str, str],
) -> Reply:
    blob = await store.write(
        lambda tx: page_blobs.put_pages(
            tx,
            wanted.address,
            wanted.begin,
            wanted.end,
            content,
            sequence=wanted.sequence,
            conditions=wanted.conditions,
            asked=wanted.asked,
            now=call.now,
        ),
        changed=wanted.address,
        content=content,
    )
    headers = {
        **(after_change(blob) if content is None else written(blob)),
        **checksums,
        "x-ms-blob-sequence-number": str(blob.sequence_number),
    }
    return Reply(201, headers=headers)


def _pages(call: Call) -> tuple[int, int]:
    """Return begin and (exclusive) end of whole pages."""
    wanted = parse_range(call.headers.get("x-ms-range") or call.header("range"))
    if wanted is None or wanted is WHOLE or wanted.last is None:
        raise call.bad_header("range")
    begin, end = wanted.begin, wanted.last + 1
    if begin % PAGE_BYTES or end % PAGE_BYTES:
        raise StorageError(errors.INVALID_PAGE_RANGE)
    return begin, end


def _sequence(call: Call) -> SequenceConditions:
    return SequenceConditions(*(_sequence_number(call, which) for which in ("le", "lt", "eq")))


def _sequence_number(call: Call, which: str) -> int | None:
    """Return what is asked of the sequence number; one below 0 is read, but no valid input."""
    name = f"x-ms-if-sequence-number-{which}"
    number = call.header_integer(name, low=-SEQUENCE_LIMIT, high=SEQUENCE_LIMIT)
    if number is not None and number < 0:
        raise StorageError(common.INVALID_INPUT)
    return number


def _previous(call: Call, address: Address) -> int | None:
    """Return the snapshot that a difference is to, which clients of disks name by its URL."""
    url = call.headers.get(_PREVIOUS_URL)
    if url:
        named = sources.own_blob(call, _PREVIOUS_URL, url)
        if (
            named is None
            or not named.is_snapshot
            or named != address._replace(snapshot=named.snapshot)
        ):
            raise call.bad_header(_PREVIOUS_URL)
        return named.snapshot
    given = call.query.get("prevsnapshot")
    if not given:
        return None
    found = parse_snapshot(given)
    if found is None:
        raise StorageError(
            common.INVALID_QUERY_PARAMETER_VALUE,
            QueryParameterName="prevsnapshot",
            QueryParameterValue=given,
        )
    return found
