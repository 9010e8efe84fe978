"""Message ids and pop receipts: what clients name a row by, and how that leads back to the row.

Pure. An id is a GUID of the row's number and a secret that nobody can guess; a pop receipt is
the random number that the row got when it was last taken or updated.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

# Each half of an id and a receipt are one number that SQLite knows: below 2 ** 63.
_IS_ID: Final = re.compile(
    r"[0-7][0-9a-f]{7}-[0-9a-f]{4}-[0-9a-f]{4}-[0-7][0-9a-f]{3}-[0-9a-f]{12}", re.IGNORECASE
).fullmatch
_IS_RECEIPT: Final = re.compile(r"[0-7][0-9a-f]{15}").fullmatch
_NONE: Final = -1  # no row has it


class Key(NamedTuple):
    """What a row is found by; -1 where the row cannot be named so."""

    seq: int
    secret: int
    receipt: int


def message_id(seq: int, secret: int) -> str:
    """Return the id of row ``seq``."""
    digits = "%016x%016x" % (secret, seq)  # noqa: UP031 - two thirds of an f-string's time
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def pop_receipt(receipt: int) -> str:
    """Return a receipt as clients show it."""
    return f"{receipt:016x}"


def key(message_id: str, pop_receipt: str) -> Key:
    """Return what an id and a receipt stand for, whatever texts they are."""
    seq = secret = receipt = _NONE
    if _IS_ID(message_id):
        digits = message_id.replace("-", "")
        secret, seq = int(digits[:16], 16), int(digits[16:], 16)
    if _IS_RECEIPT(pop_receipt):
        receipt = int(pop_receipt, 16)
    return Key(seq, secret, receipt)
