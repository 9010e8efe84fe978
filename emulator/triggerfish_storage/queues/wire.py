"""The Queue service's XML, in both directions: what the server writes, a client reads.

Format: https://learn.microsoft.com/rest/api/storageservices/get-messages
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Final

from triggerfish_storage.clock import EPOCH
from triggerfish_storage.protocol import xml
from triggerfish_storage.protocol.dates import http_date
from triggerfish_storage.protocol.header_text import legible
from triggerfish_storage.queues.directory import Queue
from triggerfish_storage.queues.rows import Message

_PLAIN: Final = re.compile(
    rb"(?:<\?xml [^>]*\?>\s*)?<QueueMessage><MessageText>([^<&\r]*)</MessageText></QueueMessage>\s*"
)


@dataclass(frozen=True, slots=True)
class QueuePage:
    """One page of List Queues."""

    queues: Sequence[Queue]
    next_marker: str


def write_text(text: str) -> bytes:
    """Return the body of Put Message and Update Message."""
    return f"<QueueMessage>{_whole('MessageText', text)}</QueueMessage>".encode()


def read_text(body: bytes) -> str:
    """Return the text of a message that is put or updated."""
    plain = _PLAIN.fullmatch(body)
    if plain is not None and plain[1].isascii():
        # What every SDK sends for base64 and simple text; a parser takes ten times as long.
        return plain[1].decode("ascii")
    return xml.parse(body, "QueueMessage").child_text("MessageText")


def put_message(message: Message) -> bytes:
    """Return what Put Message answers: all but the text."""
    return xml.document(
        f"<QueueMessagesList><QueueMessage>{_identity(message)}{_receipt(message)}"
        "</QueueMessage></QueueMessagesList>"
    )


def message_list(messages: Iterable[Message]) -> bytes:
    """Return received messages, or peeked ones, which have no receipt."""
    inside = "".join(
        f"<QueueMessage>{_identity(message)}{_receipt(message)}"
        f"<DequeueCount>{message.dequeue_count}</DequeueCount>"
        f"{_whole('MessageText', message.text)}</QueueMessage>"
        for message in messages
    )
    return xml.document(f"<QueueMessagesList>{inside}</QueueMessagesList>")


def read_message_list(document: bytes) -> list[Message]:
    """Undo ``message_list`` and ``put_message``; what is left out is empty or zero."""
    root = xml.parse(document, "QueueMessagesList")
    return [
        Message(
            id=element.child_text("MessageId"),
            text=element.child_text("MessageText", ""),
            dequeue_count=int(element.child_text("DequeueCount", "0")),
            inserted_at=_date(element, "InsertionTime"),
            expires_at=_date(element, "ExpirationTime"),
            visible_at=_date(element, "TimeNextVisible"),
            pop_receipt=element.child_text("PopReceipt", ""),
        )
        for element in root.children
    ]


def queue_list(
    page: QueuePage,
    *,
    endpoint: str,
    prefix: str = "",
    marker: str = "",
    limit: int | None = None,
    with_metadata: bool = False,
) -> bytes:
    """Return one page of queues."""
    queues = "".join(
        f"<Queue>{xml.tag('Name', queue.name)}{_metadata(queue) if with_metadata else ''}</Queue>"
        for queue in page.queues
    )
    return xml.document(
        f"<EnumerationResults ServiceEndpoint={xml.quote(endpoint + '/')}>"
        + (xml.tag("Prefix", prefix) if prefix else "")
        + (xml.tag("Marker", marker) if marker else "")
        + (f"<MaxResults>{limit}</MaxResults>" if limit is not None else "")
        + (f"<Queues>{queues}</Queues>" if queues else "<Queues />")
        + xml.tag("NextMarker", page.next_marker)
        + "</EnumerationResults>"
    )


def read_queue_list(document: bytes) -> QueuePage:
    """Undo ``queue_list``."""
    root = xml.parse(document, "EnumerationResults")
    listed = root.find("Queues")
    queues = [
        Queue(
            element.child_text("Name"),
            {item.name: item.text for item in _children(element.find("Metadata"))},
        )
        for element in _children(listed)
    ]
    return QueuePage(queues, root.child_text("NextMarker", ""))


def _identity(message: Message) -> str:
    return (
        f"<MessageId>{message.id}</MessageId>"
        f"<InsertionTime>{http_date(message.inserted_at)}</InsertionTime>"
        f"<ExpirationTime>{http_date(message.expires_at)}</ExpirationTime>"
    )


def _receipt(message: Message) -> str:
    if not message.pop_receipt:
        return ""
    return (
        f"<PopReceipt>{message.pop_receipt}</PopReceipt>"
        f"<TimeNextVisible>{http_date(message.visible_at)}</TimeNextVisible>"
    )


def _metadata(queue: Queue) -> str:
    inside = "".join(_whole(name, legible(value)) for name, value in queue.metadata.items())
    return f"<Metadata>{inside}</Metadata>" if inside else "<Metadata />"


def _whole(name: str, text: str) -> str:
    # White space at the ends is part of a text, so an element with text is never shortened.
    return f"<{name}>{xml.escape(text)}</{name}>"


def _date(element: xml.Element, name: str) -> datetime:
    text = element.child_text(name, "")
    return parsedate_to_datetime(text) if text else EPOCH


def _children(element: xml.Element | None) -> Sequence[xml.Element]:
    return element.children if element is not None else ()
