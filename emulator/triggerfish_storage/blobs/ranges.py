"""Byte ranges as requests write them.

Pure. A range that cannot be understood is ignored, as HTTP has it; one that begins behind
the end of the blob is InvalidRange.

Headers: https://learn.microsoft.com/rest/api/storageservices/specifying-the-range-header-for-blob-service-operations
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from triggerfish_storage import errors
from triggerfish_storage.errors import StorageError

_RANGE: Final = re.compile(r"bytes=([0-9]{1,19})-([0-9]{1,19})?\s*")


@dataclass(frozen=True, slots=True)
class ByteRange:
    """From ``begin`` to ``last`` inclusive, to the end without ``last``."""

    begin: int = 0
    last: int | None = None

    def within(self, length: int) -> tuple[int, int]:
        """Return begin and (exclusive) end for a resource of that length."""
        if self is WHOLE:
            return 0, length
        if self.begin >= length:
            raise StorageError(errors.INVALID_RANGE, ContentRange=f"bytes */{length}")
        return self.begin, length if self.last is None else min(self.last + 1, length)


WHOLE: Final = ByteRange(0, None)


def parse_range(text: str) -> ByteRange | None:
    """Return the range of a ``Range`` or ``x-ms-range`` header; None where it is no such."""
    found = _RANGE.fullmatch(text)
    if found is None:
        return None
    begin, last = int(found[1]), int(found[2]) if found[2] else None
    if last is not None and last < begin:
        return None
    return ByteRange(begin, last)
