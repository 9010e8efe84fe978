"""Batches as bytes: ``multipart/mixed`` with HTTP requests inside, and the answers likewise.

Pure. Lines may end in CRLF or LF, as clients send either.

Format: https://learn.microsoft.com/rest/api/storageservices/performing-entity-group-transactions
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from itertools import pairwise
from typing import Final

from triggerfish_storage import errors
from triggerfish_storage.errors import StorageError
from triggerfish_storage.protocol.operations import Reply

PARTS_LIMIT: Final = 1000
_BOUNDARY: Final = re.compile(r"boundary\s*=\s*(?:\"([^\"]+)\"|([^\s;]+))", re.IGNORECASE)
_END_OF_HEAD: Final = re.compile(rb"\r?\n\r?\n")
_LINE: Final = re.compile(rb"\r?\n")


@dataclass(frozen=True, slots=True)
class Request:
    """An HTTP request inside a batch; header names are in lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Batch:
    """What a batch asks for: changes that are one transaction, or a single query."""

    changes: Sequence[Request]
    query: Request | None


def read_batch(content_type: str, body: bytes) -> Batch:
    """Take a batch apart; raises InvalidInput where it is malformed."""
    changes: list[Request] = []
    queries: list[Request] = []
    change_sets = 0
    for headers, content in _parts(content_type, body):
        inner = headers.get("content-type", "")
        if inner.lower().startswith("multipart/mixed"):
            change_sets += 1
            changes += [_request(part, inside) for part, inside in _parts(inner, content)]
        else:
            queries.append(_request(headers, content))
    if change_sets + len(queries) != 1:
        raise _malformed("a batch has one change set, or one query")
    return Batch(changes, queries[0] if queries else None)


def write_batch(replies: Sequence[tuple[Reply, str]], boundary: str, *, is_query: bool) -> Reply:
    """Return the answer that holds ``replies``, each with the Content-ID of its request."""
    parts = [_answer(reply, content_id) for reply, content_id in replies]
    outer = f"batchresponse_{boundary}"
    if not is_query:
        inner = f"changesetresponse_{boundary}"
        whole = _joined(parts, inner)
        head = f"Content-Type: multipart/mixed; boundary={inner}\r\n\r\n".encode()
        parts = [head + whole]
    return Reply(202, _joined(parts, outer), content_type=f"multipart/mixed; boundary={outer}")


def _parts(content_type: str, body: bytes) -> list[tuple[dict[str, str], bytes]]:
    found = _BOUNDARY.search(content_type)
    if found is None:
        raise _malformed("Content-Type names no boundary")
    boundary = re.escape((found[1] or found[2]).encode("utf-8", "surrogateescape"))
    marks = list(re.finditer(rb"(?:\A|\r?\n)--%b(--)?[ \t]*(?=\r?\n|\Z)" % boundary, body))
    if not marks or marks[-1][1] is None or len(marks) > PARTS_LIMIT:
        raise _malformed("its boundaries are missing, or there is no last one")
    inside: list[tuple[dict[str, str], bytes]] = []
    for mark, following in pairwise(marks):
        piece = body[mark.end() : following.start()]
        inside.append(_head(_LINE.sub(b"", piece, count=1)))
    return inside


def _head(piece: bytes) -> tuple[dict[str, str], bytes]:
    """Return headers and content of a part (which may have no headers at all).

    Some clients leave it to the next boundary to end the headers of a part without content.
    """
    if _LINE.match(piece):
        return {}, _LINE.sub(b"", piece, count=1)
    head, *rest = _END_OF_HEAD.split(piece, maxsplit=1)
    headers: dict[str, str] = {}
    for line in filter(None, _LINE.split(head)):
        name, separator, value = line.decode("utf-8", "replace").partition(":")
        if not separator:
            raise _malformed("a header has no colon")
        headers[name.strip().lower()] = value.strip()
    return headers, rest[0] if rest else b""


def _request(headers: Mapping[str, str], content: bytes) -> Request:
    content = content.lstrip(b"\r\n")
    line, _, rest = content.partition(b"\n")
    # The keys in an address may have spaces that are not encoded.
    method, _, behind = line.decode("utf-8", "replace").strip().partition(" ")
    target, _, protocol = behind.strip().rpartition(" ")
    if not target or not protocol.upper().startswith("HTTP/"):
        raise _malformed("a part is no HTTP request")
    own, body = _head(rest)
    if "content-id" in headers:
        own.setdefault("content-id", headers["content-id"])
    return Request(method.upper(), target.rstrip(), own, body)


def _answer(reply: Reply, content_id: str) -> bytes:
    status = HTTPStatus(reply.status)
    lines = [
        "Content-Type: application/http",
        "Content-Transfer-Encoding: binary",
        "",
        f"HTTP/1.1 {status.value} {status.phrase}",
    ]
    if content_id:
        lines.append(f"Content-ID: {content_id}")
    lines += ["X-Content-Type-Options: nosniff", "Cache-Control: no-cache"]
    body = reply.body if isinstance(reply.body, bytes) else b""
    is_said = body or "DataServiceId" in reply.headers  # or it would have been, if it was wanted
    lines.append(f"DataServiceVersion: {'3.0' if is_said else '1.0'};")
    lines += [f"{name}: {value}" for name, value in reply.headers.items()]
    if body:
        lines.append(f"Content-Type: {reply.content_type}")
    text = "\r\n".join(line.replace("\r", " ").replace("\n", " ") for line in lines)
    return f"{text}\r\n\r\n".encode("utf-8", "surrogateescape") + body


def _joined(parts: Sequence[bytes], boundary: str) -> bytes:
    mark = b"--" + boundary.encode()
    pieces = [mark + b"\r\n" + part + b"\r\n" for part in parts]
    return b"".join(pieces) + mark + b"--\r\n"


def _malformed(reason: str) -> StorageError:
    return StorageError(errors.INVALID_INPUT, Reason=f"The batch is malformed: {reason}.")
