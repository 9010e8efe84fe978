"""Frames: how host and worker talk over one socket, and how values lie in them.

A frame is a JSON head, which says what it is, and a payload of raw bytes, which holds
what is binary or long. ``HEADER`` gives the length of both. Pure: no I/O here. The host
and the worker share this module, so it runs on every Python the worker supports.

Heads are arrays that begin with their kind. From host to worker::

    [LOAD, {"folder", "script", "functions"}]
    [INVOKE, number, id, function, inputs, metadata, copies, trace parent, trace state, retry]
    [WHERE, number]                  what is that invocation doing, or the import before them?
    [END]

and from worker to host::

    [READY, {"python", "library"}]   azure.functions is there: load something
    [NO_LIBRARY, {"python", "reason"}]
    [LOADED, {"functions", "errors"}]
    [FAILED, {"type", "message", "traceback", "file", "line"}]
    [RESULT, number, outputs]
    [RAISED, number, kind, type, message, traceback]
    [LOG, level, category, text, id, function]
    [PLACE, number, traceback]

Metadata in ``copies`` has the value of the input named there; it is sent once.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from typing import Any, Final

from .json_text import encoder

LOAD: Final = "load"
INVOKE: Final = "i"
WHERE: Final = "where"
END: Final = "end"
READY: Final = "ready"
NO_LIBRARY: Final = "no-library"
LOADED: Final = "loaded"
FAILED: Final = "failed"
RESULT: Final = "r"
RAISED: Final = "x"
LOG: Final = "log"
PLACE: Final = "place"

MAGIC: Final = b"\xf1sh\n"  # user code can write to any descriptor; a frame it cannot make
HEADER: Final = struct.Struct("<4sII")  # magic, length of the head, length of the payload
LONGEST: Final = 0xFFFFFFFF
INLINE_CHARACTERS: Final = 2048  # longer text is cheaper as bytes than as a JSON string

Head = list[Any]
Frame = tuple[Head, bytes]

_encode: Final = encoder()
_decode: Final = json.JSONDecoder().raw_decode


class FrameError(Exception):
    """Bytes that are no frame, or a value too large for one."""


def encode(head: Head, parts: Sequence[bytes] = ()) -> bytes:
    """Return the frame of ``head`` with ``parts`` one after the other as payload."""
    text = _encode(head).encode("ascii")
    size = sum(map(len, parts))
    if max(len(text), size) > LONGEST:
        raise FrameError(f"A value of {size} bytes is too large to hand over; 4 GiB is the limit.")
    return b"".join((HEADER.pack(MAGIC, len(text), size), text, *parts))


class Decoder:
    """Cuts a stream of bytes into frames; keeps what is incomplete for the next piece."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, data: bytes) -> list[Frame]:
        """Return the frames that ``data`` completes, in order."""
        rest = self._rest
        if rest:
            rest += data
            if len(rest) < self._wanted():
                return []  # a long frame arrives in many pieces: copy it once, at its end
            data = bytes(rest)
            rest.clear()
        frames, end = _cut(data)
        if end < len(data):
            rest += data[end:]
        return frames

    def _wanted(self) -> int:
        if len(self._rest) < HEADER.size:
            return HEADER.size
        return HEADER.size + sum(_sizes(self._rest, 0))


def _cut(data: bytes) -> tuple[list[Frame], int]:
    frames: list[Frame] = []
    start, size = 0, len(data)
    while size - start >= HEADER.size:
        head_size, payload_size = _sizes(data, start)
        head_at = start + HEADER.size
        payload_at = head_at + head_size
        end = payload_at + payload_size
        if end > size:
            break
        frames.append((_head(data[head_at:payload_at]), data[payload_at:end]))
        start = end
    return frames, start


def _sizes(data: bytes | bytearray, start: int) -> tuple[int, int]:
    magic, head_size, payload_size = HEADER.unpack_from(data, start)
    if magic != MAGIC:
        raise FrameError("Something else than frames was written to the connection.")
    return head_size, payload_size


def _head(data: bytes) -> Head:
    try:
        head, _ = _decode(data.decode("ascii"))
    except ValueError as error:
        raise FrameError("The head of a frame is not JSON.") from error
    if not isinstance(head, list) or not head:
        raise FrameError("The head of a frame is not an array.")
    return head


# --- values -----------------------------------------------------------------------------------
#
# A string is itself, nothing is null. Everything else is an array: its letter, then what it
# needs; bytes and long text give their length and lie in the payload, in order.


def pack(kind: str, value: Any, parts: list[bytes]) -> Any:
    """Return what stands for a value in a head, adding to ``parts`` what does not."""
    if kind == "string":
        if len(value) <= INLINE_CHARACTERS:
            return value
        return ["S", _part(value.encode("utf-8", "surrogatepass"), parts)]
    if kind == "json":
        if len(value) <= INLINE_CHARACTERS:
            return ["j", value]
        return ["J", _part(value.encode("utf-8", "surrogatepass"), parts)]
    if kind == "bytes":
        return ["b", _part(value, parts)]
    if kind == "none":
        return None
    raise FrameError(f"A value of kind '{kind}' cannot be handed over.")


def pack_http(fields: list[Any], body: bytes, parts: list[bytes]) -> Any:
    """Return what stands for a request or a response: its fields, then its body."""
    return ["h", _part(body, parts), *fields]


def _part(data: bytes, parts: list[bytes]) -> int:
    parts.append(data)
    return len(data)


class Payload:
    """Reads the values of one frame, in the order they were packed."""

    __slots__ = ("_at", "_data")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def unpack(self, form: Any) -> tuple[str, Any]:
        """Return kind and value; of kind ``http`` the value is its fields and its body."""
        if form.__class__ is str:
            return "string", form
        if form is None:
            return "none", None
        letter = form[0]
        if letter == "b":
            return "bytes", self._take(form[1])
        if letter == "j":
            return "json", form[1]
        if letter == "S":
            return "string", self._take(form[1]).decode("utf-8", "surrogatepass")
        if letter == "J":
            return "json", self._take(form[1]).decode("utf-8", "surrogatepass")
        if letter == "h":
            return "http", (form[2:], self._take(form[1]))
        raise FrameError(f"A frame holds a value of unknown form '{letter}'.")

    def _take(self, size: int) -> bytes:
        start = self._at
        self._at = start + size
        return self._data[start : self._at]
