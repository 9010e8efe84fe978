from collections.abc import Sequence
from typing import Final, final

LANES: Final[int]

@final
class Md5:
    """The MD5 of one message, used as those of ``hashlib`` are; by one thread at a time."""

    def update(self, data: bytes | bytearray | memoryview, /) -> None: ...
    def digest(self) -> bytes: ...

@final
class Crc64:
    """The CRC-64/NVME of one message, used as a hash is; by one thread at a time."""

    def update(self, data: bytes | bytearray | memoryview, /) -> None: ...
    def digest(self) -> bytes:
        """Return the checksum as headers carry it, the least significant byte first."""

def update_together(pairs: Sequence[tuple[object, bytes | bytearray | memoryview]], /) -> None:
    """Go on with up to ``LANES`` messages of each kind, pairs of it and what comes next.

    Raises ValueError for more of them or for one that is given twice, TypeError for other pairs.
    """
