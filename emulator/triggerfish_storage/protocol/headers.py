"""A request's headers as the steps want them: values by lower-case name, and metadata as sent."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from triggerfish_storage.protocol import header_text

METADATA_PREFIX: Final = "x-ms-meta-"
NAMES_LIMIT: Final = 1000  # of what clients send and we remember

Sent = Sequence[tuple[bytes, bytes]]  # names and values

_SENT_PREFIX: Final = METADATA_PREFIX.encode()
_names: dict[bytes, str] = {}  # lower-case ones, by what was sent


def by_name(sent: Sent) -> dict[str, str]:
    """Return the values by lower-case name; those of a name that is repeated are joined."""
    try:
        found = {_names[name]: value.decode("ascii") for name, value in sent}
    except (KeyError, UnicodeDecodeError):
        return _joined(sent)
    return found if len(found) == len(sent) else _joined(sent)


def metadata(sent: Sent, names: Iterable[str]) -> Sent:
    """Return the headers that are metadata, whose names' case counts; ``names`` are lower-case."""
    if METADATA_PREFIX not in "\n".join(names):
        return ()
    length = len(_SENT_PREFIX)
    return [header for header in sent if header[0][:length].lower() == _SENT_PREFIX]


def _joined(sent: Sent) -> dict[str, str]:
    """Return headers whose names are new or repeated, or whose values go beyond ASCII."""
    found: dict[str, str] = {}
    for sent_name, sent_value in sent:
        name = _names.get(sent_name)
        if name is None:
            name = sent_name.decode("utf-8", "surrogateescape").lower()
            if len(_names) < NAMES_LIMIT:
                _names[sent_name] = name
        value = header_text.decode(sent_value)
        found[name] = f"{found[name]},{value}" if name in found else value
    return found
