"""The id of a host: two apps with the same one on one account share locks and receipts.

Pure. Behaviour: spec host-and-worker.md, 19.1.
"""

from __future__ import annotations

from typing import Final

LONGEST: Final = 32
_SIGN_BIT: Final = 1 << 31
_WORD: Final = (1 << 32) - 1


def computed_host_id(machine: str, app_folder: str) -> str:
    """Return the id of a host whose settings give none."""
    letters = "".join(character for character in machine if character.isalnum())
    return f"{letters}-{abs(_hash(app_folder))}"[:LONGEST].rstrip("-").lower()


def _hash(text: str) -> int:
    """Return the 32-bit hash that the real host makes of a path, overflow included."""
    value = 23
    units = text.encode("utf-16-le", "surrogatepass")
    for index in range(0, len(units), 2):
        value = (value * 31 + int.from_bytes(units[index : index + 2], "little")) & _WORD
    return value - (1 << 32) if value & _SIGN_BIT else value
