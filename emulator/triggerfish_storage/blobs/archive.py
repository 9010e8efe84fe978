"""The archive: whose bytes are not online, and how they come back.

Coming back takes as long as the account was opened with, at once where that is nothing. Whether
a blob has come back is a matter of the time, as with leases: nobody has to touch its row.

Protocol: https://learn.microsoft.com/azure/storage/blobs/archive-rehydrate-overview
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from triggerfish_storage.blobs import errors
from triggerfish_storage.blobs.model import Blob, Priority, Rehydration
from triggerfish_storage.errors import StorageError

ARCHIVE: Final = "Archive"


def as_of(blob: Blob, now: datetime) -> Blob:
    """Return a blob as it is now: what has come back meanwhile is in its tier."""
    coming = blob.rehydration
    if coming is None or now < coming.until:
        return blob
    return blob._replace(tier=coming.tier, tier_changed=coming.until, rehydration=None)


def check_online(blob: Blob, now: datetime) -> None:
    """Raise where a blob is archived: its bytes are not read, and nothing of it is written.

    It may be moved to another tier, copied there, tagged, held and deleted.
    """
    found = as_of(blob, now)
    if found.tier == ARCHIVE:
        is_coming = found.rehydration is not None
        raise StorageError(errors.BLOB_BEING_REHYDRATED if is_coming else errors.BLOB_ARCHIVED)


def archive_status(coming: Rehydration) -> str:
    """Return how headers and listings say that a blob is on its way."""
    return f"rehydrate-pending-to-{coming.tier.lower()}"


def brought_back(
    blob: Blob, tier: str, priority: Priority | None, after: timedelta, now: datetime
) -> Blob:
    """Return an archived blob on its way to a tier, or there already.

    Who asks again may only raise the priority, and gets it no sooner; raises BlobBeingRehydrated.
    """
    coming = blob.rehydration
    if coming is None and not after:
        return blob._replace(tier=tier, tier_changed=now)
    if coming is None:
        return blob._replace(rehydration=Rehydration(tier, priority or "Standard", now + after))
    if tier != coming.tier or (coming.priority == "High" and priority == "Standard"):
        raise StorageError(errors.BLOB_BEING_REHYDRATED)
    return blob._replace(rehydration=coming._replace(priority=priority or coming.priority))
