"""A request's headers as the steps want them: values by lower-case name, and metadata as sent."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from triggerfish_storage.protocol import header_text

METADATA_PREFIX: Final = "x-ms-meta-"

Sent = Sequence[tuple[bytes, bytes]]  # names and values

_SENT_PREFIX: Final = METADATA_PREFIX.encode()


def by_name(sent: Sent) -> dict[str, str]:
    """Return the values by lower-case name; those of a name that is repeated are joined."""
    found: dict[str, str] = {}
    for sent_name, sent_value in sent:
        name, value = _name(sent_name), header_text.decode(sent_value)
        found[name] = f"{found[name]},{value}" if name in found else value
    return found


def metadata(sent: Sent) -> Sent:
    """Return the headers that are metadata: the case of their names counts."""
    length = len(_SENT_PREFIX)
    return [header for header in sent if header[0][:length].lower() == _SENT_PREFIX]


@lru_cache(maxsize=1024)
def _name(sent: bytes) -> str:
    return sent.decode("utf-8", "surrogateescape").lower()
