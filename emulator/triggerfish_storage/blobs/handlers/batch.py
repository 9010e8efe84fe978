"""Blob Batch: up to 256 deletions or tier changes in one request, each answered for itself.

The request as a whole is authorised like any other, and each one inside for itself, by
credentials of its own. A batch is not a transaction: some of it may fail. Only one of too many
requests, or of different ones, fails as a whole, and is answered as if it had one request inside.

Protocol: https://learn.microsoft.com/rest/api/storageservices/blob-batch
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final
from uuid import uuid4

from triggerfish_storage import errors as common
from triggerfish_storage.blobs import errors
from triggerfish_storage.blobs.handlers import attributes, blobs
from triggerfish_storage.blobs.store import BlobStore
from triggerfish_storage.errors import ErrorCode, StorageError
from triggerfish_storage.protocol.operations import BytesBody, Call, Operation, Reply
from triggerfish_storage.protocol.render import error_reply, head
from triggerfish_storage.protocol.routing import Router
from triggerfish_storage.protocol.target import parse_target

BODY_LIMIT_BYTES: Final = 4 * 1024 * 1024
PARTS_LIMIT: Final = 256

_PATH: Final = "/{container}/{blob...}"
_log = logging.getLogger("triggerfish_storage")


@dataclass(frozen=True, slots=True)
class _Part:
    """One request inside the batch."""

    content_id: str
    method: str
    target: str
    headers: tuple[tuple[str, str], ...]


async def submit_batch(call: Call, store: BlobStore) -> Reply:
    """Blob Batch: carry out the requests inside, one after the other."""
    parts = list(_parts(call, await call.body.read(BODY_LIMIT_BYTES)))
    if not parts:
        raise _malformed("It has no requests.")
    boundary = f"batchresponse_{uuid4()}"
    problem = _problem(parts)
    if problem is not None:
        answers = [_rendered(boundary, None, call, _failed(StorageError(problem), call))]
    else:
        answers = [
            _rendered(boundary, part, call, await _answer(part, call, store)) for part in parts
        ]
    # Nothing stands behind the last boundary: C++ clients take the end of a line for an answer.
    body = b"".join(answers) + f"--{boundary}--".encode()
    return Reply(202, body, content_type=f"multipart/mixed; boundary={boundary}")


def _problem(parts: Sequence[_Part]) -> ErrorCode | None:
    """Return why none of a batch is carried out; None where each is to be answered for itself."""
    if len(parts) > PARTS_LIMIT:
        return errors.EXCEEDS_MAX_BATCH_REQUEST_COUNT
    if {"DELETE", "PUT"} <= {part.method for part in parts}:
        return errors.ALL_BATCH_SUB_REQUESTS_SHOULD_BE_SAME_API
    return None


async def _answer(part: _Part, call: Call, store: BlobStore) -> Reply:
    try:
        inner = _inner(part, call)
        inner.granted = await call.authorise(inner)
        return await inner.operation.handler(inner, store)
    except StorageError as error:
        return _failed(error, call)
    except Exception:
        _log.exception("a request of batch %s failed: %s", call.request_id, part.target)
        return _failed(StorageError(common.INTERNAL_ERROR), call)


def _inner(part: _Part, call: Call) -> Call:
    """Return what a request inside asks for."""
    # The account is known: older SDKs leave it out inside, as if it were in the host's name.
    target = parse_target(part.target, host=call.account, scheme="http", accounts={call.account})
    headers = {name.lower(): value for name, value in part.headers}
    operation, path = _router().match(part.method, target.path, target.query, headers)
    if call.path.get("container", path["container"]) != path["container"]:
        raise StorageError(common.INVALID_INPUT, Reason="It is for another container.")
    return Call(
        operation=operation,
        method=part.method,
        account=call.account,
        endpoint=call.endpoint,
        raw_path=target.raw_path,
        path=path,
        query=target.query,
        headers=headers,
        sent_metadata=(),
        body=BytesBody(),
        now=call.now,
        version=call.version,
        request_id=call.request_id,
        link=call.link,
    )


@lru_cache(maxsize=1)
def _router() -> Router[BlobStore]:
    delete = Operation("DeleteBlob", "DELETE", _PATH, blobs.delete_blob, "dxy")
    tier = Operation("SetBlobTier", "PUT", _PATH, attributes.set_blob_tier, "w", {"comp": "tier"})
    return Router((delete, tier))


def _rendered(boundary: str, part: _Part | None, call: Call, reply: Reply) -> bytes:
    """Return an answer with what tells the client which ``part`` it is for."""
    start = f"--{boundary}\r\nContent-Type: application/http\r\n"
    if part is not None and part.content_id:
        start += f"Content-ID: {part.content_id}\r\n"
    inner = head(
        reply,
        service="blob",
        now=call.now,
        request_id=call.request_id,
        client_request_id=dict(part.headers if part else ()).get("x-ms-client-request-id"),
        version=call.version,
        is_head=False,
        closes=False,
    )
    body = reply.body if isinstance(reply.body, bytes) else b""
    return start.encode() + b"\r\n" + inner + body + b"\r\n"


def _failed(error: StorageError, call: Call) -> Reply:
    common.forget_frames(error)
    return error_reply(
        error, service="blob", now=call.now, request_id=call.request_id, is_head=False
    )


def _parts(call: Call, body: bytes) -> Iterator[_Part]:
    kind, _, parameters = call.header("content-type").partition(";")
    _, _, boundary = parameters.partition("boundary=")
    boundary = boundary.partition(";")[0].strip().strip('"')
    if kind.strip().lower() != "multipart/mixed" or not boundary:
        raise call.bad_header("content-type")
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise _malformed("It is not UTF-8.") from error
    chunks = text.replace("\r\n", "\n").split(f"--{boundary}")
    if len(chunks) < 3 or not chunks[-1].startswith("--"):
        raise _malformed("Its last boundary is missing.")
    for chunk in chunks[1:-1]:
        yield _part(chunk)


def _part(chunk: str) -> _Part:
    outer, _, rest = chunk.lstrip("\n").partition("\n\n")
    request, _, _ = rest.lstrip("\n").partition("\n\n")
    first, *lines = request.splitlines() or [""]
    words = first.split(" ")
    if len(words) != 3 or not words[2].startswith("HTTP/"):
        raise _malformed(f"'{first}' is no request line.")
    return _Part(
        dict(_headers(outer.splitlines())).get("content-id", ""),
        words[0],
        words[1],
        tuple(_headers(lines)),
    )


def _headers(lines: list[str]) -> Iterator[tuple[str, str]]:
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon:
            raise _malformed(f"'{line}' is no header.")
        yield name.strip().lower(), value.strip()


def _malformed(reason: str) -> StorageError:
    return StorageError(common.INVALID_INPUT, Reason=reason)
