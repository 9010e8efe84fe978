"""Leases as blobs and containers hold them: one action is one unit of work.

What an action does is in ``leases``. Taking or losing a lease changes neither the etag nor
the last-modified time of what it guards.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from triggerfish_storage.blobs.conditions import check_unguarded
from triggerfish_storage.blobs.container_rows import get_container, save_container
from triggerfish_storage.blobs.guards import check_ordinary
from triggerfish_storage.blobs.model import (
    NO_CONDITIONS,
    Address,
    Blob,
    Conditions,
    Container,
    Lease,
)
from triggerfish_storage.blobs.rows import get_blob, save_blob

Action = Callable[[Lease | None], Lease | None]


def lease_resource(
    tx: sqlite3.Connection,
    address: Address,
    action: Action,
    conditions: Conditions = NO_CONDITIONS,
    now: datetime | None = None,
) -> Blob | Container:
    """Let ``action`` say which lease a blob (or, without one in the address, a container) has."""
    resource = get_blob(tx, address) if address.blob else get_container(tx, address)
    if now is not None:
        check_unguarded(resource, conditions, now)
    if isinstance(resource, Blob):
        check_ordinary(resource)
        blob = resource._replace(lease=action(resource.lease))
        save_blob(tx, blob)
        return blob
    container = replace(resource, lease=action(resource.lease))
    save_container(tx, container)
    return container
