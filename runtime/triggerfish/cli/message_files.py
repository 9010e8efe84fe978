"""Messages in files of JSON lines, so that they can be put back on another day.

What a line holds: ``triggerfish_storage.transfer.message_lines``.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from typing import IO

from triggerfish.cli.history_view import is_text, size
from triggerfish.model import TriggerfishError
from triggerfish_storage.transfer.message_lines import Message, message_document, message_text


class NotMessages(TriggerfishError):  # noqa: N818 - what the file holds
    """A line of the file is no message; the error names it."""


def write_messages(file: IO[str], messages: Sequence[Message]) -> None:
    """Write messages, and return once they are on the disk, where ``file`` is on one."""
    for message in messages:
        file.write(json.dumps(message_document(message), ensure_ascii=False) + "\n")
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
        text = message_text(found, encoding) if isinstance(found, dict) else None
        if text is None:
            raise NotMessages(
                f"{name}, line {number}: no message. A line is a JSON object with "
                '"text" (as on the wire) or "body" (encoded here).'
            )
        yield text


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


def body_text(text: str, encoding: str) -> str:
    """Return the body of a message for a list; of one that is no text, how long it is."""
    body = decode(text, encoding)
    return body.decode() if is_text(body) else f"(no text, {size(len(body))})"
