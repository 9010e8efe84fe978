"""CRC-64/NVME, which clients may send and ask for instead of MD5, and which answers tell.

Python's library has none, and a loop over bytes does 5 MB/s. The compiled part does 2 GB/s or more.
Where it is not, long messages are folded as big integers first, which does 100 MB/s: a message is
a polynomial over GF(2), and its upper half times ``x^h mod P`` may be added to its lower half of
``h`` bits, which takes a few dozen shifts however long it is.

Parameters: https://reveng.sourceforge.io/crc-catalogue/all.htm#crc.cat.crc-64-nvme
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

_POLYNOMIAL: Final = 0x9A6C9329AC4BC9B5  # bit 63 is x^0: the least significant bit comes first
_ONES: Final = 2**64 - 1
_SHORT_BYTES: Final = 256


def _table() -> tuple[int, ...]:
    found = []
    for byte in range(256):
        value = byte
        for _ in range(8):
            value = (value >> 1) ^ (_POLYNOMIAL if value & 1 else 0)
        found.append(value)
    return tuple(found)


_TABLE: Final = _table()


class Crc64InPython:
    """A checksum in the making, used as those of ``hashlib`` are."""

    def __init__(self) -> None:
        self._value = 0

    def update(self, data: bytes | memoryview) -> None:
        """Go on with more of the message."""
        self._value = in_python(data, self._value)

    def digest(self) -> bytes:
        """Return the checksum as headers carry it, the least significant byte first."""
        return self._value.to_bytes(8, "little")


def in_python(data: bytes | memoryview, value: int = 0, /) -> int:
    """Return the checksum of ``data`` behind what has the checksum ``value``."""
    state = value ^ _ONES
    if len(data) > _SHORT_BYTES:
        # The state so far is added to what comes first.
        data = _folded(int.from_bytes(data, "little") ^ state, len(data) * 8)
        state = 0
    for byte in data:
        state = _TABLE[(state ^ byte) & 0xFF] ^ (state >> 8)
    return state ^ _ONES


def _folded(message: int, bits: int) -> bytes:
    """Return a short message with the same remainder."""
    while bits > _SHORT_BYTES * 8:
        low = bits // 16 * 8  # the half that comes last, in whole bytes
        first, rest = message & ((1 << (bits - low)) - 1), message >> (bits - low)
        factor = _power(low)
        product = 0
        while factor:
            lowest = factor & -factor
            product ^= first << (lowest.bit_length() - 1)
            factor ^= lowest
        # Aligned by the end, as the last bit of either is x^0.
        length = bits - low + 63
        width = max(low, length + 1)
        message = (rest << (width - low)) ^ (product << (width - length))
        bits = width
    return message.to_bytes(bits // 8, "little")


@lru_cache(maxsize=256)
def _power(exponent: int) -> int:
    """Return ``x^exponent mod P``, bit 63 being x^0."""
    result, base = 1 << 63, 1 << 62
    while exponent:
        if exponent & 1:
            result = _times(result, base)
        base = _times(base, base)
        exponent >>= 1
    return result


def _times(left: int, right: int) -> int:
    product = 0
    for power in range(63, -1, -1):
        if left >> power & 1:
            product ^= right
        right = (right >> 1) ^ (_POLYNOMIAL if right & 1 else 0)
    return product


try:
    from triggerfish_storage._checksums import Crc64 as Crc64
except ImportError:  # no compiler was there when this was installed
    Crc64 = Crc64InPython  # type: ignore[misc, assignment]

# So that it can be told where nobody asked for it.
IS_FAST: Final = not issubclass(Crc64, Crc64InPython)
