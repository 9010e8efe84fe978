"""How values lie in columns: addresses, metadata, instants, leases, copies and the like.

Pure conversions, shared by the rows of containers and of blobs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from triggerfish_storage.blobs.model import (
    Address,
    Copy,
    DefaultScope,
    Encryption,
    Lease,
    Rehydration,
)
from triggerfish_storage.clock import instant, micros


def named(address: Address) -> dict[str, object]:
    """Return the parameters that address a container, blob or snapshot."""
    return {
        "account": address.account,
        "container": address.container,
        "blob": address.blob,
        "snapshot": address.snapshot,
    }


def json_text(mapping: Mapping[str, str]) -> str:
    """Return metadata or tags as a column keeps them."""
    return json.dumps(dict(mapping)) if mapping else "{}"


def mapping_of(text: str) -> Mapping[str, str]:
    """Undo ``json_text``."""
    if text == "{}":
        return {}
    found: dict[str, str] = json.loads(text)
    return found


def maybe_instant(value: int | None) -> datetime | None:
    """Return the instant of a column that may be NULL."""
    return None if value is None else instant(value)


def maybe_micros(value: datetime | None) -> int | None:
    """Return an instant as a column keeps it, NULL without one."""
    return None if value is None else micros(value)


def lease_of(lease_id: str | None, seconds: int, until: int | None, breaking: int) -> Lease | None:
    """Return the lease of four columns."""
    if lease_id is None:
        return None
    return Lease(lease_id, seconds, maybe_instant(until), breaking == 1)


def lease_values(lease: Lease | None) -> dict[str, object]:
    """Undo ``lease_of``."""
    if lease is None:
        return {
            "lease_id": None,
            "lease_seconds": None,
            "lease_until": None,
            "lease_breaking": None,
        }
    return {
        "lease_id": lease.id,
        "lease_seconds": lease.seconds,
        "lease_until": maybe_micros(lease.until),
        "lease_breaking": int(lease.is_breaking),
    }


def copy_of(text: str | None) -> Copy | None:
    """Return the copy operation of a column."""
    if text is None:
        return None
    values: dict[str, Any] = json.loads(text)
    values["completed"] = maybe_instant(values["completed"])
    return Copy(**values)


def copy_text(copy: Copy | None) -> str | None:
    """Undo ``copy_of``."""
    if copy is None:
        return None
    return json.dumps(
        {
            "id": copy.id,
            "source": copy.source,
            "status": copy.status,
            "progress": copy.progress,
            "completed": maybe_micros(copy.completed),
            "description": copy.description,
            "is_incremental": copy.is_incremental,
            "destination_snapshot": copy.destination_snapshot,
        }
    )


def encryption_of(text: str | None) -> Encryption | None:
    """Return with whose key something is encrypted."""
    return None if text is None else Encryption(*json.loads(text))


def scope_of(text: str | None) -> DefaultScope | None:
    """Return a container's default scope of a column."""
    return None if text is None else DefaultScope(*json.loads(text))


def tuple_text(value: Encryption | DefaultScope | None) -> str | None:
    """Undo ``encryption_of`` and ``scope_of``."""
    return None if value is None else json.dumps(value)


def rehydration_of(text: str | None) -> Rehydration | None:
    """Return how a blob comes back from the archive."""
    if text is None:
        return None
    tier, priority, until = json.loads(text)
    return Rehydration(tier, priority, instant(until))


def rehydration_text(rehydration: Rehydration | None) -> str | None:
    """Undo ``rehydration_of``."""
    if rehydration is None:
        return None
    return json.dumps([rehydration.tier, rehydration.priority, micros(rehydration.until)])
