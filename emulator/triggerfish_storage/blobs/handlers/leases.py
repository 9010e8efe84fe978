"""Lease Blob and Lease Container: acquire, renew, change, release, break.

Protocol: https://learn.microsoft.com/rest/api/storageservices/lease-blob
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Final
from uuid import uuid4

from triggerfish_storage import errors as common
from triggerfish_storage.blobs import leases
from triggerfish_storage.blobs.leasing import Action, lease_resource
from triggerfish_storage.blobs.model import INFINITE, NO_CONDITIONS, Address
from triggerfish_storage.blobs.request_headers import (
    conditions_of,
    container_address,
    lease_id_of,
    own_address,
)
from triggerfish_storage.blobs.response_headers import stamp
from triggerfish_storage.blobs.store import BlobStore
from triggerfish_storage.errors import StorageError
from triggerfish_storage.protocol.operations import Call, Reply

_PERIOD_LIMIT_SECONDS: Final = 60


@dataclass(frozen=True, slots=True)
class _Step:
    """What is to happen to a lease, and how the answer tells of it."""

    status: int
    action: Action
    lease_id: str = ""


async def lease_container(call: Call, store: BlobStore) -> Reply:
    """Lease Container."""
    return await _lease(call, store, container_address(call))


async def lease_blob(call: Call, store: BlobStore) -> Reply:
    """Lease Blob."""
    return await _lease(call, store, own_address(call))


async def _lease(call: Call, store: BlobStore, address: Address) -> Reply:
    action = call.header("x-ms-lease-action").lower()
    if action not in _STEPS:
        raise call.bad_header("x-ms-lease-action")
    if not call.allows("wd" if action == "break" else "w"):  # who may delete may break
        raise StorageError(common.AUTHORIZATION_PERMISSION_MISMATCH)
    step = _STEPS[action](call)
    conditions = conditions_of(call)
    if conditions is not NO_CONDITIONS:  # the id names the lease to act on; it is no condition
        conditions = replace(conditions, lease_id="")
    resource = await store.write(
        lambda tx: lease_resource(tx, address, step.action, conditions, call.now)
    )
    headers = stamp(resource)
    if step.lease_id:
        headers["x-ms-lease-id"] = step.lease_id
    if action == "break" and resource.lease is not None:
        headers["x-ms-lease-time"] = str(resource.lease.seconds_left(call.now))
    return Reply(step.status, headers=headers)


def _acquire(call: Call) -> _Step:
    held = lease_id_of(call, "x-ms-proposed-lease-id") or str(uuid4())
    seconds = call.header_integer("x-ms-lease-duration", low=INFINITE, high=60)
    if seconds is None:
        raise StorageError(common.MISSING_REQUIRED_HEADER, HeaderName="x-ms-lease-duration")
    if seconds != INFINITE and seconds < 15:
        raise call.bad_header("x-ms-lease-duration")
    return _Step(201, partial(leases.acquire, lease_id=held, seconds=seconds, now=call.now), held)


def _renew(call: Call) -> _Step:
    held = _required_id(call, "x-ms-lease-id")
    return _Step(200, partial(leases.renew, lease_id=held, now=call.now), held)


def _change(call: Call) -> _Step:
    held = _required_id(call, "x-ms-lease-id")
    wanted = _required_id(call, "x-ms-proposed-lease-id")
    action = partial(leases.change, lease_id=held, proposed_id=wanted, now=call.now)
    return _Step(200, action, wanted)


def _release(call: Call) -> _Step:
    return _Step(200, partial(leases.release, lease_id=_required_id(call, "x-ms-lease-id")))


def _break(call: Call) -> _Step:
    period = call.header_integer("x-ms-lease-break-period", low=0, high=_PERIOD_LIMIT_SECONDS)
    return _Step(202, partial(leases.break_lease, period=period, now=call.now))


_STEPS: Final[Mapping[str, Callable[[Call], _Step]]] = {
    "acquire": _acquire,
    "renew": _renew,
    "change": _change,
    "release": _release,
    "break": _break,
}


def _required_id(call: Call, name: str) -> str:
    found = lease_id_of(call, name)
    if not found:
        raise StorageError(common.MISSING_REQUIRED_HEADER, HeaderName=name)
    return found
