"""Values of headers as text, whichever bytes a client sent: the same bytes go out again.

HTTP leaves open what bytes beyond ASCII mean. aiohttp and others send UTF-8; Python's own client
(under the SDK without asyncio) sends Latin-1, and so does Node, at times. What is UTF-8 is read
as that. Each byte of anything else becomes a character of Unicode's private use, because a
database, XML and JSON take those, and no lone surrogates.

Pure.
"""

from __future__ import annotations

import re
from typing import Final

_FIRST: Final = 0xF700  # byte 0x80 is U+F780, 0xFF is U+F7FF
_OURS: Final = re.compile("[\uf780-\uf7ff]")
_FROM_SURROGATES: Final = {0xDC00 + byte: _FIRST + byte for byte in range(0x80, 0x100)}
_TO_SURROGATES: Final = {ours: surrogate for surrogate, ours in _FROM_SURROGATES.items()}
_TO_LATIN: Final = {_FIRST + byte: byte for byte in range(0x80, 0x100)}


def decode(raw: bytes) -> str:
    """Return a value as text; ``encode`` gives the same bytes back."""
    if raw.isascii():
        return raw.decode("ascii")
    text = raw.decode("utf-8", "surrogateescape")
    return _OURS.sub(_as_bytes, text).translate(_FROM_SURROGATES)


def encodable(text: str) -> str:
    """Return what ``str.encode("utf-8", "surrogateescape")`` makes the client's bytes of."""
    return text.translate(_TO_SURROGATES)


def legible(text: str) -> str:
    """Return what such a value says: what is not UTF-8 was meant as Latin-1."""
    return text if text.isascii() or not _OURS.search(text) else text.translate(_TO_LATIN)


def _as_bytes(found: re.Match[str]) -> str:
    """Return a character that happens to be one of ours by its bytes, as if they were no UTF-8."""
    return "".join(chr(_FIRST + byte) for byte in found[0].encode())
