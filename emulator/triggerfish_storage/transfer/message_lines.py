"""Messages as lines of JSON: one message a line, the same for a queue and for a whole account.

``text`` is the message as it went over the wire, which makes the round trip exact; what else
is written is for people and programs that read the file. A line written by hand may have
``body`` instead, a text or any JSON, which is encoded as the app's messages are.

Pure.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal, Protocol

from triggerfish_storage.queues.exact import StoredMessage
from triggerfish_storage.queues.rows import LIFE
from triggerfish_storage.transfer.fields import Line, iso

MessageEncoding = Literal["base64", "none"]


class Message(Protocol):
    """A message as a client of the Queue service receives it, or as it is stored."""

    @property
    def id(self) -> str: ...
    @property
    def text(self) -> str: ...
    @property
    def dequeue_count(self) -> int: ...
    @property
    def inserted_at(self) -> datetime: ...
    @property
    def expires_at(self) -> datetime: ...


def message_document(message: Message) -> dict[str, object]:
    """Return a message as a line holds it."""
    return {
        "text": message.text,
        "id": message.id,
        "insertedAt": iso(message.inserted_at),
        "expiresAt": iso(message.expires_at),
        "dequeueCount": message.dequeue_count,
    }


def stored_document(message: StoredMessage) -> dict[str, object]:
    """Return a message as a line holds it, with the instant at which it shows."""
    return {**message_document(message), "visibleAt": iso(message.visible_at)}


def read_message(line: Line, now: datetime, encoding: MessageEncoding) -> StoredMessage:
    """Return the message of a line; one that has expired meanwhile lives as long again."""
    text = message_text(line.values, encoding)
    if text is None:
        raise line.wrong('no message. "text" (as on the wire) or "body" (encoded here) is needed.')
    inserted = line.instant("insertedAt") or now
    expires = line.instant("expiresAt") or inserted + LIFE
    if expires <= now:
        expires = now + (expires - inserted)
    return StoredMessage(
        id=line.text("id"),
        text=text,
        dequeue_count=line.integer("dequeueCount"),
        inserted_at=inserted,
        expires_at=expires,
        visible_at=line.instant("visibleAt") or inserted,
    )


def message_text(document: Mapping[str, Any], encoding: str) -> str | None:
    """Return the text of a line's message; None where the line is none."""
    text, body = document.get("text"), document.get("body")
    if isinstance(text, str):
        return text
    if body is None:
        return None
    plain = body if isinstance(body, str) else json.dumps(body, ensure_ascii=False)
    return base64.b64encode(plain.encode()).decode() if encoding == "base64" else plain
