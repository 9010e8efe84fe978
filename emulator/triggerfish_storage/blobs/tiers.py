"""Access tiers. Here a tier costs nothing, and what it holds is as near as anything else.

Rules run inside the caller's transaction.

Protocol: https://learn.microsoft.com/rest/api/storageservices/set-blob-tier
"""

from __future__ import annotations

import sqlite3
from datetime import datetime, timedelta
from typing import Final

from triggerfish_storage.blobs import errors
from triggerfish_storage.blobs.archive import ARCHIVE, as_of, brought_back, check_online
from triggerfish_storage.blobs.conditions import check_lease, check_unguarded
from triggerfish_storage.blobs.guards import check_ordinary
from triggerfish_storage.blobs.model import (
    NO_CONDITIONS,
    Address,
    Blob,
    BlobType,
    Conditions,
    Priority,
)
from triggerfish_storage.blobs.rows import get_blob, save_blob
from triggerfish_storage.errors import CONDITION_NOT_MET, INVALID_HEADER_VALUE, StorageError

TIERS: Final = {
    "BlockBlob": ("Hot", "Cool", "Cold", "Archive", "Smart", "Premium"),
    "PageBlob": ("P4", "P6", "P10", "P15", "P20", "P30", "P40", "P50", "P60", "P70", "P80"),
    "AppendBlob": (),
}
_KNOWN: Final = {tier.lower(): tier for tiers in TIERS.values() for tier in tiers}


def check_tier(tier: str, blob_type: BlobType) -> str:
    """Return a tier that such blobs may have, in its usual spelling.

    Raises InvalidBlobTier for one that others may have, else InvalidHeaderValue.
    """
    known = _KNOWN.get(tier.lower(), "")
    if not known:
        raise StorageError(INVALID_HEADER_VALUE, HeaderName="x-ms-access-tier", HeaderValue=tier)
    if known not in TIERS[blob_type]:
        raise StorageError(errors.INVALID_BLOB_TIER)
    return known


def check_tier_age(blob: Blob, changed_since: datetime | None, before: datetime | None) -> None:
    """Raise where the tier was not changed since an instant, or was not before one."""
    changed = (blob.tier_changed or blob.created).replace(microsecond=0)
    if (changed_since and changed <= changed_since) or (before and changed > before):
        raise StorageError(CONDITION_NOT_MET)


def set_tier(
    tx: sqlite3.Connection,
    address: Address,
    tier: str,
    *,
    priority: Priority | None = None,
    rehydrates_after: timedelta = timedelta(),
    conditions: Conditions = NO_CONDITIONS,
    now: datetime,
) -> bool:
    """Move a blob to a tier; return whether it is brought back from the archive.

    Raises BlobArchived for a snapshot in there. Neither etag nor last-modified change.
    """
    blob = as_of(get_blob(tx, address), now)
    check_unguarded(blob, conditions, now)
    check_lease(blob, conditions.lease_id, now)
    check_ordinary(blob)
    known = check_tier(tier, blob.type)
    if blob.rehydration is not None or (blob.tier == ARCHIVE and known != ARCHIVE):
        if blob.is_snapshot:  # nor an earlier version: what they held comes back as a copy
            check_online(blob, now)
        save_blob(tx, brought_back(blob, known, priority, rehydrates_after, now))
        return True
    if blob.tier != known:
        save_blob(tx, blob._replace(tier=known, tier_changed=now))
    return False
