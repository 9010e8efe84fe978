"""Whether a request's conditional headers and lease id allow it.

Pure rules over a blob or container as it is inside the unit of work, so that check and write
are one. Reads answer 304 where a cached copy is still good, writes 412.

Headers: https://learn.microsoft.com/rest/api/storageservices/specifying-conditional-headers-for-blob-service-operations
Leases: https://learn.microsoft.com/rest/api/storageservices/lease-blob
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from triggerfish_storage import errors as common
from triggerfish_storage.blobs import errors
from triggerfish_storage.blobs.model import NO_CONDITIONS, Blob, Conditions, Container, etag_text
from triggerfish_storage.blobs.tag_filter import parse_tag_condition
from triggerfish_storage.errors import ErrorCode, StorageError

Outcome = Literal["met", "unchanged", "failed", "unsatisfiable"]


def check_read(resource: Blob | Container, conditions: Conditions, now: datetime) -> None:
    """Raise where the conditions do not let this resource be read."""
    if conditions is not NO_CONDITIONS:
        outcome = evaluate_read(resource, conditions)
        _check_unleased(resource, conditions, outcome, now, unchanged=errors.NOT_MODIFIED)


def check_unguarded(resource: Blob | Container, conditions: Conditions, now: datetime) -> None:
    """Raise where the conditions forbid a change that a lease does not guard.

    A snapshot is one, the lease itself, what a container says of itself.
    """
    if conditions is not NO_CONDITIONS:
        outcome = evaluate_write(resource, conditions)
        _check_unleased(resource, conditions, outcome, now, unchanged=common.CONDITION_NOT_MET)


def check_write(resource: Blob | Container, conditions: Conditions, now: datetime) -> None:
    """Raise where the conditions, or a lease held by somebody else, forbid this write."""
    if conditions is not NO_CONDITIONS:
        outcome = evaluate_write(resource, conditions)
        # Who names the lease knows that the blob is there: clients that say both overwrite it.
        if outcome == "unsatisfiable" and not conditions.lease_id:
            raise StorageError(errors.BLOB_ALREADY_EXISTS)
        if outcome not in ("met", "unsatisfiable"):
            raise StorageError(common.CONDITION_NOT_MET)
    check_lease(resource, conditions.lease_id, now)


def check_absent(conditions: Conditions) -> None:
    """Raise where the conditions forbid a write because the blob is not there yet."""
    if conditions is NO_CONDITIONS:
        return
    check_together(conditions)
    if conditions.if_match or conditions.if_tags:
        raise StorageError(common.CONDITION_NOT_MET)
    if conditions.lease_id:
        raise StorageError(errors.LEASE_NOT_PRESENT_WITH_BLOB_OPERATION)


def check_staged(first: datetime, conditions: Conditions) -> None:
    """Raise where the dates forbid to commit what is only blocks so far.

    The service takes them for a blob as old as the ``first`` of them.
    """
    first = first.replace(microsecond=0)
    since = conditions.if_modified_since if not conditions.if_none_match else None
    until = conditions.if_unmodified_since
    if (since and first <= since) or (until and first > until):
        raise StorageError(common.CONDITION_NOT_MET)


def check_lease(resource: Blob | Container, lease_id: str, now: datetime) -> None:
    """Raise where somebody else holds a lease, or where ``lease_id`` names none that lasts."""
    lease = resource.lease
    if lease_id:
        _check_lease_id(resource, lease_id, now)
    elif lease is not None and lease.state(now) in ("leased", "breaking"):
        raise StorageError(errors.LEASE_ID_MISSING)


def evaluate_read(resource: Blob | Container, conditions: Conditions) -> Outcome:
    """Return how the conditions of a read compare, of which any may come together.

    What asks for the state that is known must hold, and one of what asks for another.
    """
    etag, modified = _state(resource)
    since, until = conditions.if_modified_since, conditions.if_unmodified_since
    if conditions.if_match and not _names(conditions.if_match, etag):
        return "failed"
    if until and modified > until:
        return "failed"
    if conditions.if_tags and not _tags_match(resource, conditions.if_tags):
        return "failed"
    if conditions.if_none_match == "*":
        return "unsatisfiable"
    is_other = bool(conditions.if_none_match) and not _names(conditions.if_none_match, etag)
    is_later = since is not None and modified > since
    is_asked = bool(conditions.if_none_match or since)
    return "unchanged" if is_asked and not (is_other or is_later) else "met"


def evaluate_write(resource: Blob | Container, conditions: Conditions) -> Outcome:
    """Return how the conditions of a change compare; a date counts only without its etag.

    Raises MultipleConditionHeadersNotSupported where others come together.
    """
    check_together(conditions)
    etag, modified = _state(resource)
    if conditions.if_match:
        if not _names(conditions.if_match, etag):
            return "failed"
    elif conditions.if_unmodified_since and modified > conditions.if_unmodified_since:
        return "failed"
    if conditions.if_tags and not _tags_match(resource, conditions.if_tags):
        return "failed"
    if conditions.if_none_match:
        if conditions.if_none_match == "*":
            return "unsatisfiable"
        if _names(conditions.if_none_match, etag):
            return "unchanged"
    elif conditions.if_modified_since and modified <= conditions.if_modified_since:
        return "unchanged"
    return "met"


def check_together(conditions: Conditions) -> None:
    """Raise where a change has two conditions, but for an etag and the date of its kind."""
    asks_for_known = conditions.if_match or conditions.if_unmodified_since
    asks_for_other = conditions.if_none_match or conditions.if_modified_since
    is_list = "," in conditions.if_match or "," in conditions.if_none_match
    if (asks_for_known and asks_for_other) or is_list:
        raise StorageError(common.MULTIPLE_CONDITION_HEADERS_NOT_SUPPORTED)


def _state(resource: Blob | Container) -> tuple[str, datetime]:
    """Return what conditions compare with: an etag, and a date to the second as headers have it."""
    return etag_text(resource.etag), resource.modified.replace(microsecond=0)


def _check_unleased(
    resource: Blob | Container,
    conditions: Conditions,
    outcome: Outcome,
    now: datetime,
    *,
    unchanged: ErrorCode,
) -> None:
    """Check all but that a lease is shown; one that is shown must be held."""
    if outcome == "unsatisfiable":
        raise StorageError(errors.UNSATISFIABLE_CONDITION)
    if outcome == "unchanged":
        raise StorageError(unchanged)
    if outcome == "failed":
        raise StorageError(common.CONDITION_NOT_MET)
    if conditions.lease_id:
        _check_lease_id(resource, conditions.lease_id, now)


def _names(header: str, etag: str) -> bool:
    """Whether the header names this etag; quotes and weakness marks are optional."""
    if header == "*":
        return True
    bare = etag.strip('"').upper()
    return any(
        given.strip().removeprefix("W/").strip('"').upper() == bare for given in header.split(",")
    )


def _tags_match(resource: Blob | Container, expression: str) -> bool:
    tags = resource.tags if isinstance(resource, Blob) else {}
    return parse_tag_condition(expression).matches(tags)


def _check_lease_id(resource: Blob | Container, lease_id: str, now: datetime) -> None:
    is_blob = isinstance(resource, Blob)
    lease = resource.lease
    if lease is None:
        raise StorageError(
            errors.LEASE_NOT_PRESENT_WITH_BLOB_OPERATION
            if is_blob
            else errors.LEASE_NOT_PRESENT_WITH_CONTAINER_OPERATION
        )
    if lease.id.lower() != lease_id.lower():
        raise StorageError(
            errors.LEASE_ID_MISMATCH_WITH_BLOB_OPERATION
            if is_blob
            else errors.LEASE_ID_MISMATCH_WITH_CONTAINER_OPERATION
        )
    if lease.state(now) in ("broken", "expired"):
        raise StorageError(errors.LEASE_LOST)
