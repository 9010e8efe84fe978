"""Where copies come from: blobs of this account, or whatever answers at a URL.

For Copy Blob alone, who holds the account's key may name any blob of the account. All other
sources are asked over HTTP, so that they check their own permissions: a source is public, or
its URL is signed, or the request has a token for it. That includes our own port.
"""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, cast, get_args
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from triggerfish_storage import errors as common
from triggerfish_storage.blobs import errors
from triggerfish_storage.blobs.copies import Kind
from triggerfish_storage.blobs.crc64 import IS_FAST, Crc64
from triggerfish_storage.blobs.encryption_headers import source_key_headers
from triggerfish_storage.blobs.handlers.bodies import check_one_checksum, md5_mismatch
from triggerfish_storage.blobs.handlers.remote import THIS_MACHINE, Response, fetch
from triggerfish_storage.blobs.model import CURRENT, Address, BlobType, ContentHeaders
from triggerfish_storage.blobs.names import parse_snapshot
from triggerfish_storage.blobs.page_blobs import SEQUENCE_LIMIT
from triggerfish_storage.blobs.ranges import WHOLE, ByteRange, parse_range
from triggerfish_storage.blobs.request_headers import ROOT_CONTAINER, md5_of
from triggerfish_storage.blobs.response_headers import base64_text
from triggerfish_storage.blobs.rows import NO_INSTANT
from triggerfish_storage.blobs.store import BlobStore
from triggerfish_storage.blobs.wire import parse_tags
from triggerfish_storage.contents import Content
from triggerfish_storage.errors import StorageError
from triggerfish_storage.protocol.operations import Call

URL_LIMIT: Final = 2048
_SOURCE: Final = "x-ms-copy-source"
_MD5: Final = "x-ms-source-content-md5"
_CRC64: Final = "x-ms-source-content-crc64"
_TAG_OPTION: Final = "x-ms-copy-source-tag-option"
_UNMET: Final = (304, 412)
_NO_HEADERS: Final = MappingProxyType[str, str]({})
_NUMBER: Final = re.compile("[0-9]{1,19}")
_CONDITIONS: Final = {  # of the source, and what they are called when it is read
    **{
        f"x-ms-source-{name}": name
        for name in ("if-match", "if-none-match", "if-modified-since", "if-unmodified-since")
    },
    "x-ms-source-if-tags": "x-ms-if-tags",
}


@dataclass(frozen=True, slots=True)
class Source:
    """An opened source: what it says of itself, and its bytes, to be read once."""

    kind: Kind
    headers: ContentHeaders
    metadata: Mapping[str, str]
    md5: bytes
    etag: str
    length: int
    pieces: AsyncIterator[bytes]
    close: Callable[[], None]


def source_url(call: Call) -> str:
    """Return the URL to copy from."""
    url = call.header(_SOURCE)
    if len(url) > URL_LIMIT or not url.lower().startswith(("http://", "https://")):
        raise call.bad_header(_SOURCE)
    return url


def own_source(call: Call) -> Address | None:
    """Return the source's address where it is a blob that the caller may copy as it is."""
    return None if call.granted is not None else own_blob(call, _SOURCE, source_url(call))


def own_blob(call: Call, name: str, url: str) -> Address | None:
    """Return which blob of this account a URL names, that a header of that ``name`` gives.

    One of the root container need not name it.
    """
    try:
        given = urlsplit(url)
        path = _own_path(given, call)
    except ValueError:
        raise call.bad_header(name) from None
    container, slash, blob = path.partition("/")
    if not slash:
        container, blob = ROOT_CONTAINER, path
    if not blob:
        return None
    return Address(call.account, unquote(container), unquote(blob), *_instant(given))


def _own_path(given: SplitResult, call: Call) -> str:
    """Return what a URL says behind the account; empty where it is none of this account's."""
    here = urlsplit(call.endpoint)
    ports = [here.port]
    if here.port is None and call.link.here:
        ports.append(call.link.here[1])  # an older SDK for C++ leaves it out of Host
    is_here = given.port in ports and given.hostname in (here.hostname, *THIS_MACHINE)
    if is_here and given.path.startswith(f"{here.path}/"):
        return given.path.removeprefix(f"{here.path}/")
    # The Azure CLI writes a blob of the same account so, wherever the account is.
    is_cloud = given.hostname == f"{call.account}.blob.core.windows.net"
    return given.path.removeprefix("/") if is_cloud else ""


async def open_source(call: Call) -> Source:
    """Begin to read what is copied; raises SourceConditionNotMet too."""
    try:
        return await _open(call)
    except StorageError as error:
        if error.error.status not in _UNMET:
            raise
        raise StorageError(errors.SOURCE_CONDITION_NOT_MET) from error


async def open_part(call: Call) -> Source:
    """Begin to read the wanted range of what becomes a blob, or a part of one, before the answer.

    As the service has it, a source that does not meet its conditions cannot be verified here,
    while for Copy Blob its condition is not met. The bytes come from there alone: a request that
    brings some too means something else.
    """
    if call.content_length:
        raise call.bad_header("content-length")
    return await _open(call)


async def _open(call: Call) -> Source:
    check_one_checksum(call, _MD5, _CRC64)
    url = source_url(call)
    response = await fetch(url, _asked(call), here=_here(call, url))
    return Source(
        _kind(response.headers),
        _content_headers(response.headers),
        response.metadata,
        _md5(response.headers),
        response.headers.get("etag", ""),
        _number(response.headers, "content-length"),
        response.pieces,
        response.close,
    )


def takes_tags(call: Call) -> bool:
    """Whether a copy is to have its source's tags; then it has none of its own, which is a 409."""
    match call.header(_TAG_OPTION, "").upper():
        case "" | "REPLACE":
            return False
        case "COPY" if "x-ms-tags" in call.headers:
            raise StorageError(errors.BOTH_USER_TAGS_AND_SOURCE_TAGS)
        case "COPY" if not call.allows("t"):
            raise StorageError(common.AUTHORIZATION_PERMISSION_MISMATCH)
        case "COPY":
            return True
    raise call.bad_header(_TAG_OPTION)


async def source_tags(call: Call) -> Mapping[str, str]:
    """Return the source's tags, which ask for a permission of their own."""
    response = await ask(call, "comp=tags")
    return parse_tags(b"".join([piece async for piece in response.pieces]))


async def ask(call: Call, query: str = "", headers: Mapping[str, str] = _NO_HEADERS) -> Response:
    """Get something of the source, without the conditions that it was opened under."""
    url = source_url(call)
    asked = f"{url}{'&' if '?' in url else '?'}{query}" if query else url
    return await fetch(asked, {**_bare(call), **headers}, here=_here(call, url))


async def receive_source(
    call: Call, store: BlobStore, source: Source, *, limit: int
) -> tuple[Content, dict[str, str]]:
    """Make the source's bytes ready to be named by a row, and check them as asked.

    Those of one that says it is too long are not taken at all.
    Returns what to tell of their checksums too, which Azure does of every source, and we as far
    as that costs little: without a compiled CRC-64 it is for those who asked for a check.
    """
    if source.length > limit:
        source.close()
        raise StorageError(common.REQUEST_BODY_TOO_LARGE, MaxLimit=str(limit))
    expected = md5_of(call, _MD5)
    crc64 = Crc64() if IS_FAST or expected or _CRC64 in call.headers else None
    wanted = _wanted(call)
    content = await store.contents.receive(source.pieces, limit=limit, md5=True, also=crc64)
    told = {"Content-MD5": base64_text(content.md5)}
    if crc64 is not None:
        told["x-ms-content-crc64"] = base64_text(crc64.digest())
    problem = None
    if wanted.last is not None and content.size_bytes != wanted.last + 1 - wanted.begin:
        problem = StorageError(common.INVALID_RANGE)
    elif expected and expected != content.md5:
        problem = md5_mismatch(expected, content.md5)
    elif (
        crc64
        and call.headers.get(_CRC64, told["x-ms-content-crc64"]).strip()
        != (told["x-ms-content-crc64"])
    ):
        problem = StorageError(errors.CRC64_MISMATCH)
    if problem is not None:
        await store.contents.abandon(content)
        raise problem
    return content, told


def _here(call: Call, url: str) -> tuple[str, int] | None:
    """Return where we listen, for a URL with the address that this request itself was sent to.

    That address may lead here for the client alone: a port that a container publishes, a name
    in a hosts file.
    """
    own = urlsplit(call.endpoint)
    root = f"{own.scheme}://{own.netloc}/"
    return call.link.here if url.lower().startswith(root.lower()) else None


def _wanted(call: Call) -> ByteRange:
    given = call.headers.get("x-ms-source-range")
    if not given:
        return WHOLE
    found = parse_range(given)
    if found is None:
        raise call.bad_header("x-ms-source-range")
    return found


def _asked(call: Call) -> dict[str, str]:
    headers, wanted = _bare(call) | source_key_headers(call), _wanted(call)
    if wanted is not WHOLE:
        last = "" if wanted.last is None else wanted.last
        headers["x-ms-range"] = f"bytes={wanted.begin}-{last}"
    for name, of_source in _CONDITIONS.items():
        if given := call.headers.get(name):
            headers[of_source] = given
    return headers


def _bare(call: Call) -> dict[str, str]:
    headers = {"x-ms-version": call.version}
    if bearer := call.headers.get("x-ms-copy-source-authorization"):
        headers["authorization"] = bearer
    return headers


def _kind(headers: Mapping[str, str]) -> Kind:
    given = headers.get("x-ms-blob-type", "")
    return Kind(
        cast(BlobType, given) if given in get_args(BlobType) else "BlockBlob",
        _number(headers, "x-ms-blob-sequence-number"),
        _number(headers, "x-ms-blob-committed-block-count"),
        headers.get("x-ms-blob-sealed", "") == "true",
    )


def _md5(headers: Mapping[str, str]) -> bytes:
    """Return what a source says is its MD5; empty where it says nothing that could be one."""
    try:
        return b64decode(headers.get("content-md5", ""), validate=True)
    except ValueError:  # which Base64Error is
        return b""


def _number(headers: Mapping[str, str], name: str) -> int:
    """Return a header's number; 0 where it is none that we could keep."""
    given = headers.get(name, "")
    found = int(given) if _NUMBER.fullmatch(given) else 0
    return found if found <= SEQUENCE_LIMIT else 0


def _content_headers(headers: Mapping[str, str]) -> ContentHeaders:
    return ContentHeaders(
        headers.get("content-type", "application/octet-stream"),
        headers.get("content-encoding", ""),
        headers.get("content-language", ""),
        headers.get("content-disposition", ""),
        headers.get("cache-control", ""),
    )


def _instant(url: SplitResult) -> tuple[int, bool]:
    """Return which snapshot a URL names, or which version, which is then said."""
    asked = parse_qs(url.query)
    for name in ("versionid", "snapshot"):
        if name in asked:
            found = parse_snapshot(asked[name][0])
            return (NO_INSTANT if found is None else found), name == "versionid"
    return CURRENT, False
