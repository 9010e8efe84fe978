"""Messages as JSON lines: one message a line, so that they can be put back on another day.

``text`` is the message as it went over the wire, which makes the round trip exact; what else
is written is for people and programs that read the file. A line written by hand may have
``body`` instead, which is encoded as the app's messages are.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from typing import IO, Any, Protocol

from triggerfish.model import TriggerfishError


class Message(Protocol):
    """A message as a client of the Queue service receives it."""

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
    @property
    def pop_receipt(self) -> str: ...


class NotMessages(TriggerfishError):  # noqa: N818 - what the file holds
    """A line of the file is no message; the error names it."""


def document(message: Message) -> dict[str, object]:
    """Return a message as a line of a file holds it."""
    return {
        "text": message.text,
        "id": message.id,
        "insertedAt": message.inserted_at.isoformat(),
        "expiresAt": message.expires_at.isoformat(),
        "dequeueCount": message.dequeue_count,
    }


def write_messages(file: IO[str], messages: Sequence[Message]) -> None:
    """Write messages, and return once they are on the disk, where ``file`` is on one."""
    for message in messages:
        file.write(json.dumps(document(message), ensure_ascii=False) + "\n")
    file.flush()
    with suppress(OSError):  # a pipe or a terminal: there is nothing to wait for
        os.fsync(file.fileno())


def read_messages(name: str, lines: Iterable[str], *, encoding: str) -> Iterator[str]:
    """Give the text of each message. Raises ``NotMessages`` at the first line that is none."""
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            found = json.loads(line)
        except ValueError as error:
            raise NotMessages(f"{name}, line {number}: not JSON ({error}).") from error
        text = _text(found, encoding)
        if text is None:
            raise NotMessages(
                f"{name}, line {number}: no message. A line is a JSON object with "
                '"text" (as on the wire) or "body" (encoded here).'
            )
        yield text


def _text(found: Any, encoding: str) -> str | None:
    if not isinstance(found, dict):
        return None
    text, body = found.get("text"), found.get("body")
    if isinstance(text, str):
        return text
    if body is None:
        return None
    plain = body if isinstance(body, str) else json.dumps(body, ensure_ascii=False)
    return encode(plain.encode(), encoding)


def encode(body: bytes, encoding: str) -> str:
    """Return the text of a message with this body (queue-trigger.md, 8)."""
    if encoding == "base64":
        return base64.b64encode(body).decode("ascii")
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        raise TriggerfishError(
            "These bytes are no UTF-8 text, so they cannot be sent as they are: use --base64."
        ) from error


def decode(text: str, encoding: str) -> bytes:
    """Return the body of a message; its text where that is not encoded after all."""
    if encoding == "base64":
        with suppress(ValueError):
            return base64.b64decode("".join(text.split()), validate=True)
    return text.encode()
