"""Structured messages: content in numbered segments, each with its CRC-64, and one of the whole.

Clients that check what they transfer send and ask for them (``x-ms-structured-body``). A message
is a head (version, its length, flags, number of segments), the segments (number, length, bytes,
checksum) and the checksum of all bytes; numbers are little-endian. Pure: pieces in, pieces out,
in constant memory.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterable, AsyncIterator
from struct import Struct
from typing import Final

from triggerfish_storage.blobs.crc64 import Crc64
from triggerfish_storage.blobs.errors import CRC64_MISMATCH
from triggerfish_storage.errors import INVALID_INPUT, StorageError

FORM: Final = "x-ms-structured-body"
LENGTH: Final = "x-ms-structured-content-length"
SEGMENT_BYTES: Final = 4 * 1024 * 1024

_KNOWN: Final = re.compile(r"XSM/1\.0;\s*properties=crc64", re.IGNORECASE)
_HEAD: Final = Struct("<BQHH")
_SEGMENT: Final = Struct("<HQ")
_VERSION: Final = 1
_HAS_CRC64: Final = 1
_CRC64_BYTES: Final = 8


def is_known(form: str) -> bool:
    """Whether a header names the form that is spoken here."""
    return _KNOWN.fullmatch(form.strip()) is not None


def message_length(content_length: int) -> int:
    """Return how long the message is that ``encode`` makes of so much content."""
    each = _SEGMENT.size + _CRC64_BYTES
    return _HEAD.size + _segments(content_length) * each + content_length + _CRC64_BYTES


async def encode(pieces: AsyncIterable[bytes], content_length: int) -> AsyncIterator[bytes]:
    """Give the message of some content, which is as long as was said."""
    reader, whole = _Reader(pieces), Crc64()
    count = _segments(content_length)
    yield _HEAD.pack(_VERSION, message_length(content_length), _HAS_CRC64, count)
    for number in range(count):
        left = min(SEGMENT_BYTES, content_length - number * SEGMENT_BYTES)
        yield _SEGMENT.pack(number + 1, left)
        part = Crc64()
        while left:
            piece = await reader.some(left)
            left -= len(piece)
            part.update(piece)
            whole.update(piece)
            yield bytes(piece)
        yield part.digest()
    yield whole.digest()


async def decode(
    pieces: AsyncIterable[bytes | memoryview], *, length: int, content_length: int
) -> AsyncIterator[bytes | memoryview]:
    """Give the content of a message whose lengths, and that of its content, are announced.

    Raises InvalidInput where it is malformed, and Crc64Mismatch where a checksum differs.
    """
    reader, whole = _Reader(pieces), Crc64()
    version, announced, flags, count = _HEAD.unpack(await reader.exactly(_HEAD.size))
    if version != _VERSION or announced != length or flags not in (0, _HAS_CRC64):
        raise _malformed("Its head is not that of a message of version 1 and this length.")
    missing = content_length
    for number in range(1, count + 1):
        found, left = _SEGMENT.unpack(await reader.exactly(_SEGMENT.size))
        missing -= left
        if found != number or missing < 0:
            raise _malformed("Its segments are not in order, or longer than was announced.")
        part = Crc64()
        while left:
            piece = await reader.some(left)
            left -= len(piece)
            part.update(piece)
            whole.update(piece)
            yield piece
        await _check(reader, part, flags)
    await _check(reader, whole, flags)
    if missing or await reader.is_more():
        raise _malformed("Its content is not as long as was announced.")


class _Reader:
    """Takes from pieces as many bytes as are asked for."""

    def __init__(self, pieces: AsyncIterable[bytes | memoryview]) -> None:
        self._pieces = aiter(pieces)
        self._piece: bytes | memoryview = b""
        self._at = 0

    async def is_more(self) -> bool:
        while self._at == len(self._piece):
            try:
                self._piece, self._at = await anext(self._pieces), 0
            except StopAsyncIteration:
                return False
        return True

    async def some(self, limit: int) -> bytes | memoryview:
        """Return what is there already, or comes next."""
        if not await self.is_more():
            raise _malformed("It ends too early.")
        begin, self._at = self._at, min(self._at + limit, len(self._piece))
        return self._piece[begin : self._at]

    async def exactly(self, size: int) -> bytes:
        found = b""
        while len(found) < size:
            found += await self.some(size - len(found))
        return found


async def _check(reader: _Reader, computed: Crc64, flags: int) -> None:
    if flags == _HAS_CRC64 and await reader.exactly(_CRC64_BYTES) != computed.digest():
        raise StorageError(CRC64_MISMATCH)


def _segments(content_length: int) -> int:
    return max(1, -(-content_length // SEGMENT_BYTES))


def _malformed(reason: str) -> StorageError:
    return StorageError(INVALID_INPUT, Reason=f"The structured message is malformed. {reason}")
