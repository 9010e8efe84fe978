from collections.abc import Sequence
from typing import Final, final

LANES: Final[int]

@final
class Md5:
    """The MD5 of one message, used as those of ``hashlib`` are; by one thread at a time."""

    def update(self, data: bytes | bytearray | memoryview, /) -> None: ...
    def digest(self) -> bytes: ...

def update_together(pairs: Sequence[tuple[object, bytes | bytearray | memoryview]], /) -> None:
    """Go on with up to ``LANES`` messages, given as pairs of an ``Md5`` and what comes next.

    Raises ValueError for more of them or for one that is given twice, TypeError for other pairs.
    """
