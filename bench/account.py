"""Requests to the development account as ready bytes, and the simplest way to send a few.

Signing costs as much as a server's whole work, so what is timed is signed before.
"""

from __future__ import annotations

import http.client
import re
from collections.abc import Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from typing import Final

from connections import Request
from programs import BenchmarkFailed

from triggerfish_storage.protocol.accounts import DEFAULT_ACCOUNT, DEFAULT_KEY
from triggerfish_storage.protocol.auth import ServiceName, Signed, authorization, decode_key
from triggerfish_storage.protocol.dates import http_date
from triggerfish_storage.protocol.target import parse_query

VERSION: Final = "2021-12-02"
TEXT: Final = "eyJvcmRlciI6IDEyMzQsICJjdXN0b21lciI6ICJjLTE3In0="
BLOCK_BLOB: Final = {"x-ms-blob-type": "BlockBlob", "content-type": "application/octet-stream"}
JSON: Final = {"accept": "application/json;odata=nometadata", "content-type": "application/json"}
_KEY: Final = decode_key(DEFAULT_KEY)
_COUNT: Final = "x-ms-approximate-messages-count"
_RECEIVED: Final = re.compile(rb"<MessageId>([^<]+)<.*?<PopReceipt>([^<]+)<", re.DOTALL)


def head(
    service: ServiceName,
    method: str,
    path: str,
    query: str = "",
    *,
    length: int = 0,
    headers: Mapping[str, str] | None = None,
) -> tuple[str, dict[str, str]]:
    """Return target and headers of a signed request; ``path`` is behind the account's name."""
    raw_path = f"/{DEFAULT_ACCOUNT}{path}"
    sent = {
        "x-ms-date": http_date(datetime.now(UTC)),
        "x-ms-version": VERSION,
        "content-length": str(length),
        **(headers or {}),
    }
    signed = Signed(method, DEFAULT_ACCOUNT, raw_path, parse_query(query), sent)
    sent["authorization"] = authorization(signed, _KEY, service=service)
    return raw_path + (f"?{query}" if query else ""), sent


def request(
    service: ServiceName,
    method: str,
    path: str,
    query: str = "",
    *,
    body: bytes = b"",
    headers: Mapping[str, str] | None = None,
) -> Request:
    """Return a signed request as it goes over the wire: its head, and its body."""
    target, sent = head(service, method, path, query, length=len(body), headers=headers)
    lines = "".join(f"{name}: {value}\r\n" for name, value in sent.items())
    return f"{method} {target} HTTP/1.1\r\nhost: 127.0.0.1\r\n{lines}\r\n".encode("ascii"), body


def message_body(text: str = TEXT) -> bytes:
    return f"<QueueMessage><MessageText>{text}</MessageText></QueueMessage>".encode()


def received(body: bytes) -> tuple[str, str] | None:
    """Return the id and the pop receipt of the message that an answer gives, if it gives one."""
    found = _RECEIVED.search(body)
    return (found[1].decode(), found[2].decode()) if found else None


def all_received(bodies: Sequence[bytes]) -> list[tuple[str, str]]:
    """Return ids and pop receipts of answers that each have to give a message."""
    found = [message for body in bodies if (message := received(body)) is not None]
    if len(found) < len(bodies):
        raise BenchmarkFailed(f"{len(bodies) - len(found)} answers gave no message")
    return found


def delete_query(receipt: str) -> str:
    """Return the query that deletes a message."""
    return f"popreceipt={escaped(receipt)}"


def escaped(text: str) -> str:
    """Return Base64 as a query carries it."""
    return text.replace("+", "%2B").replace("/", "%2F").replace("=", "%3D")


def entity(row: int) -> bytes:
    """Return an entity of one partition, as it is inserted."""
    text = f'"PartitionKey":"p","RowKey":"{row}","customer":"c-17","total":99.5,"count":{row}'
    return f"{{{text}}}".encode()


def send(
    port: int, service: ServiceName, method: str, path: str, query: str = "", body: bytes = b""
) -> tuple[int, Mapping[str, str], bytes]:
    """Send one request and return status, headers and body. Raises ``OSError``."""
    target, sent = head(service, method, path, query, length=len(body))
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
        connection.request(method, target, body or None, sent)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()  # type: ignore[return-value]


def create_queue(port: int, queue: str) -> None:
    send(port, "queue", "PUT", f"/{queue}")


def put_message(port: int, queue: str, text: str) -> None:
    send(port, "queue", "POST", f"/{queue}/messages", body=message_body(text))


def message_count(port: int, queue: str) -> int:
    """Return the number of messages of a queue, hidden ones too; 0 where it is missing."""
    try:
        status, headers, _ = send(port, "queue", "GET", f"/{queue}", "comp=metadata")
    except OSError:
        return 0
    return int(headers[_COUNT]) if status == 200 else 0


def first_text(port: int, queue: str) -> str | None:
    """Return the text of the first message to be seen, None where there is none."""
    try:
        status, _, body = send(port, "queue", "GET", f"/{queue}/messages", "peekonly=true")
    except OSError:
        return None
    found = re.search(rb"<MessageText>([^<]*)</MessageText>", body) if status == 200 else None
    return found[1].decode() if found else None
