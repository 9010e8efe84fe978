"""What the port raises for what a storage service answered, whoever asked it.

Codes: https://learn.microsoft.com/rest/api/storageservices/status-and-error-codes2
"""

from __future__ import annotations

from typing import Final

from triggerfish.storage.account import AccountError, Conflict, NotFound, Unavailable

# Not 404, yet for the host the same: what it asked for is not there, or no longer its own.
_GONE: Final = frozenset(
    {"PopReceiptMismatch", "QueueBeingDeleted", "QueueDisabled", "ContainerBeingDeleted"}
)


def failure(account: str, subject: str, status: int, code: str, message: str) -> AccountError:
    """Return the error for an answer; ``subject`` is what was asked for, as in ``queue 'x'``."""
    line = message.strip().partition("\n")[0]
    text = f"{subject} of storage account '{account}': {line} ({status} {code})"
    if status == 404 or code in _GONE:
        return NotFound(text)
    if status in (409, 412):
        return Conflict(text)
    if status >= 500:
        return Unavailable(text)
    return AccountError(text)
