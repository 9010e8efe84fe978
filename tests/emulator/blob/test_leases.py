"""The published outcome tables of Lease Blob, row by row.

https://learn.microsoft.com/rest/api/storageservices/lease-blob#outcomes-of-lease-operations-on-blobs-by-lease-state
"""

from datetime import UTC, datetime, timedelta

import pytest

from triggerfish_storage.blobs import leases
from triggerfish_storage.blobs.conditions import check_read, check_write
from triggerfish_storage.blobs.model import (
    INFINITE,
    Blob,
    Conditions,
    ContentHeaders,
    Lease,
)
from triggerfish_storage.errors import StorageError

NOW = datetime(2024, 5, 1, tzinfo=UTC)
A, B, C = "aaaa", "bbbb", "cccc"


def seconds(count: int) -> timedelta:
    return timedelta(seconds=count)


STATES = {
    "available": None,
    "leased": Lease(A, 30, NOW + seconds(20)),
    "breaking": Lease(A, 30, NOW + seconds(20), is_breaking=True),
    "broken": Lease(A, 30, NOW, is_breaking=True),
    "expired": Lease(A, 30, NOW),
}
ACTIONS = {
    "acquire A": lambda lease: leases.acquire(lease, A, 15, NOW),
    "acquire B": lambda lease: leases.acquire(lease, B, 15, NOW),
    "break": lambda lease: leases.break_lease(lease, None, NOW),
    "break 0": lambda lease: leases.break_lease(lease, 0, NOW),
    "break 60": lambda lease: leases.break_lease(lease, 60, NOW),
    "change A to B": lambda lease: leases.change(lease, A, B, NOW),
    "change B to A": lambda lease: leases.change(lease, B, A, NOW),
    "change B to C": lambda lease: leases.change(lease, B, C, NOW),
    "renew A": lambda lease: leases.renew(lease, A, NOW),
    "renew B": lambda lease: leases.renew(lease, B, NOW),
    "release A": lambda lease: leases.release(lease, A),
    "release B": lambda lease: leases.release(lease, B),
}
NOT_PRESENT, MISMATCH = "LeaseNotPresentWithLeaseOperation", "LeaseIdMismatchWithLeaseOperation"
OUTCOMES = {
    "acquire A": {
        "available": "leased A",
        "leased": "leased A",
        "breaking": "LeaseIsBreakingAndCannotBeAcquired",
        "broken": "leased A",
        "expired": "leased A",
    },
    "acquire B": {
        "available": "leased B",
        "leased": "LeaseAlreadyPresent",
        "breaking": "LeaseAlreadyPresent",
        "broken": "leased B",
        "expired": "leased B",
    },
    "break": {
        "available": NOT_PRESENT,
        "leased": "breaking 20",
        "breaking": "breaking 20",
        "broken": "broken 0",
        "expired": "broken 0",
    },
    "break 0": {
        "available": NOT_PRESENT,
        "leased": "broken 0",
        "breaking": "broken 0",
        "broken": "broken 0",
        "expired": "broken 0",
    },
    "break 60": {
        "available": NOT_PRESENT,
        "leased": "breaking 20",
        "breaking": "breaking 20",
        "broken": "broken 0",
        "expired": "broken 0",
    },
    "change A to B": {
        "available": NOT_PRESENT,
        "leased": "leased B",
        "breaking": "LeaseIsBreakingAndCannotBeChanged",
        "broken": NOT_PRESENT,
        "expired": NOT_PRESENT,
    },
    "change B to A": {
        "available": NOT_PRESENT,
        "leased": "leased A",
        "breaking": "LeaseIsBreakingAndCannotBeChanged",
        "broken": NOT_PRESENT,
        "expired": NOT_PRESENT,
    },
    "change B to C": {
        "available": NOT_PRESENT,
        "leased": MISMATCH,
        "breaking": MISMATCH,
        "broken": NOT_PRESENT,
        "expired": NOT_PRESENT,
    },
    "renew A": {
        "available": MISMATCH,
        "leased": "leased A",
        "breaking": "LeaseIsBrokenAndCannotBeRenewed",
        "broken": "LeaseIsBrokenAndCannotBeRenewed",
        "expired": "leased A",
    },
    "renew B": dict.fromkeys(STATES, MISMATCH),
    "release A": {
        "available": MISMATCH,
        "leased": "available",
        "breaking": "available",
        "broken": "available",
        "expired": "available",
    },
    "release B": dict.fromkeys(STATES, MISMATCH),
}
ROWS = [(action, state, OUTCOMES[action][state]) for action in ACTIONS for state in STATES]


def described(lease: Lease | None) -> str:
    if lease is None:
        return "available"
    state = lease.state(NOW)
    if state == "leased":
        return f"leased {lease.id[0].upper()}"
    return f"{state} {lease.seconds_left(NOW)}"


@pytest.mark.parametrize(("action", "state", "outcome"), ROWS)
def test_each_action_has_its_documented_outcome_in_each_state(action, state, outcome):
    try:
        found = described(ACTIONS[action](STATES[state]))
    except StorageError as error:
        found = error.error.code if error.error.status == 409 else str(error)

    assert found == outcome


def blob_with(lease: Lease | None) -> Blob:
    return Blob(1, 1, "b", 0, "BlockBlob", 1, NOW, NOW, 0, ContentHeaders(), b"", lease=lease)


USE_ROWS = [
    ("write", "", {"leased": "LeaseIdMissing", "breaking": "LeaseIdMissing"}),
    (
        "write",
        A,
        {
            "available": "LeaseNotPresentWithBlobOperation",
            "broken": "LeaseLost",
            "expired": "LeaseLost",
        },
    ),
    (
        "write",
        B,
        {
            "available": "LeaseNotPresentWithBlobOperation",
            "leased": "LeaseIdMismatchWithBlobOperation",
            "breaking": "LeaseIdMismatchWithBlobOperation",
            "broken": "LeaseIdMismatchWithBlobOperation",
            "expired": "LeaseIdMismatchWithBlobOperation",
        },
    ),
    ("read", "", {}),
    (
        "read",
        A,
        {
            "available": "LeaseNotPresentWithBlobOperation",
            "broken": "LeaseLost",
            "expired": "LeaseLost",
        },
    ),
    (
        "read",
        B,
        {
            "available": "LeaseNotPresentWithBlobOperation",
            "leased": "LeaseIdMismatchWithBlobOperation",
            "breaking": "LeaseIdMismatchWithBlobOperation",
            "broken": "LeaseIdMismatchWithBlobOperation",
            "expired": "LeaseIdMismatchWithBlobOperation",
        },
    ),
]


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize(("use", "lease_id", "refusals"), USE_ROWS)
def test_a_lease_lets_its_holder_write_and_everybody_read(use, lease_id, refusals, state):
    check = check_write if use == "write" else check_read
    found = "allowed"

    try:
        check(blob_with(STATES[state]), Conditions(lease_id=lease_id), NOW)
    except StorageError as error:
        found = error.error.code if error.error.status == 412 else str(error)

    assert found == refusals.get(state, "allowed")


def test_an_infinite_lease_never_expires_and_breaks_at_once_unless_told_otherwise():
    lease = leases.acquire(None, A, INFINITE, NOW)

    assert lease.state(NOW + timedelta(days=10_000)) == "leased"
    assert described(leases.break_lease(lease, None, NOW)) == "broken 0"
    assert described(leases.break_lease(lease, 25, NOW)) == "breaking 25"


def test_a_renewed_lease_lasts_for_its_own_length_again():
    renewed = leases.renew(STATES["leased"], A, NOW)

    assert renewed.until == NOW + seconds(30)
