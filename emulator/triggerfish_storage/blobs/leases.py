"""What each lease action does in each state, for blobs and containers alike.

Pure rules: a lease (or None) goes in, the new one comes out, or a ``StorageError`` that
tells why not. Who keeps the lease and what else it guards is the caller's matter.

States and outcomes: https://learn.microsoft.com/rest/api/storageservices/lease-blob
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from triggerfish_storage.blobs import errors
from triggerfish_storage.blobs.model import INFINITE, Lease
from triggerfish_storage.errors import StorageError


def acquire(lease: Lease | None, lease_id: str, seconds: int, now: datetime) -> Lease:
    """Return a new lease under ``lease_id``; its present holder may extend it so."""
    state = lease.state(now) if lease else "available"
    if lease and state == "leased" and lease.id != lease_id:
        raise StorageError(errors.LEASE_ALREADY_PRESENT)
    if lease and state == "breaking":
        if lease.id == lease_id:
            raise StorageError(errors.LEASE_IS_BREAKING_AND_CANNOT_BE_ACQUIRED)
        raise StorageError(errors.LEASE_ALREADY_PRESENT)
    return Lease(lease_id, seconds, _end(seconds, now))


def renew(lease: Lease | None, lease_id: str, now: datetime) -> Lease:
    """Return the lease for its full length again, also after it expired."""
    held = _held(lease, lease_id)
    if held.is_breaking:
        raise StorageError(errors.LEASE_IS_BROKEN_AND_CANNOT_BE_RENEWED)
    return replace(held, until=_end(held.seconds, now))


def change(lease: Lease | None, lease_id: str, proposed_id: str, now: datetime) -> Lease:
    """Return the lease under another id; asking twice for the same change is no error."""
    state = lease.state(now) if lease else "available"
    if lease is None or state in ("broken", "expired"):
        raise StorageError(errors.LEASE_NOT_PRESENT_WITH_LEASE_OPERATION)
    if lease.id not in (lease_id, proposed_id):
        raise StorageError(errors.LEASE_ID_MISMATCH_WITH_LEASE_OPERATION)
    if state == "breaking":
        raise StorageError(errors.LEASE_IS_BREAKING_AND_CANNOT_BE_CHANGED)
    return replace(lease, id=proposed_id)


def release(lease: Lease | None, lease_id: str) -> None:
    """Return no lease, if this one may be given up, in whatever state it is."""
    _held(lease, lease_id)


def break_lease(lease: Lease | None, period: int | None, now: datetime) -> Lease:
    """Return the lease as it breaks: in ``period`` seconds, but never later than it would end."""
    if lease is None:
        raise StorageError(errors.LEASE_NOT_PRESENT_WITH_LEASE_OPERATION)
    if lease.state(now) in ("broken", "expired"):
        return replace(lease, is_breaking=True, until=now)
    if lease.until is None:
        until = now + timedelta(seconds=period or 0)
    elif period is None:
        until = lease.until
    else:
        until = min(lease.until, now + timedelta(seconds=period))
    return replace(lease, is_breaking=True, until=until)


def _held(lease: Lease | None, lease_id: str) -> Lease:
    if lease is None or lease.id != lease_id:
        raise StorageError(errors.LEASE_ID_MISMATCH_WITH_LEASE_OPERATION)
    return lease


def _end(seconds: int, now: datetime) -> datetime | None:
    return None if seconds == INFINITE else now + timedelta(seconds=seconds)
