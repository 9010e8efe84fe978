"""Conditional headers: which state of a blob meets them.

https://learn.microsoft.com/rest/api/storageservices/specifying-conditional-headers-for-blob-service-operations
"""

from datetime import UTC, datetime, timedelta

import pytest
from azure.core import MatchConditions

from triggerfish_storage.blobs.conditions import check_absent, check_read, check_write
from triggerfish_storage.blobs.model import Blob, Conditions, ContentHeaders, etag_text
from triggerfish_storage.errors import StorageError

MODIFIED = datetime(2024, 5, 1, 12, 0, 0, 250_000, tzinfo=UTC)
BEFORE, SAME, AFTER = (MODIFIED.replace(microsecond=0) + timedelta(seconds=by) for by in (-1, 0, 1))
SEVERAL = "400 MultipleConditionHeadersNotSupported"
ETAG, OTHER = etag_text(7), etag_text(8)
BLOB = Blob(
    *(1, 1, "b", 0, "BlockBlob", 7, MODIFIED, MODIFIED, 0, ContentHeaders(), b""),
    tags={"stage": "raw"},
)

ROWS = [
    (Conditions(if_match=ETAG), "", ""),
    (Conditions(if_match=ETAG.strip('"')), "", ""),
    (Conditions(if_match=f"{OTHER}, {ETAG}"), "", SEVERAL),
    (Conditions(if_match="*"), "", ""),
    (Conditions(if_match=OTHER), "412 ConditionNotMet", "412 ConditionNotMet"),
    (Conditions(if_none_match=OTHER), "", ""),
    (Conditions(if_none_match=ETAG), "304 ConditionNotMet", "412 ConditionNotMet"),
    (Conditions(if_none_match=f"W/{ETAG}"), "304 ConditionNotMet", "412 ConditionNotMet"),
    (Conditions(if_none_match="*"), "400 UnsatisfiableCondition", "409 BlobAlreadyExists"),
    (Conditions(if_modified_since=BEFORE), "", ""),
    (Conditions(if_modified_since=SAME), "304 ConditionNotMet", "412 ConditionNotMet"),
    (Conditions(if_modified_since=AFTER), "304 ConditionNotMet", "412 ConditionNotMet"),
    (Conditions(if_unmodified_since=BEFORE), "412 ConditionNotMet", "412 ConditionNotMet"),
    (Conditions(if_unmodified_since=SAME), "", ""),
    (Conditions(if_unmodified_since=AFTER), "", ""),
    (Conditions(if_none_match=f"{OTHER}, {ETAG}"), "304 ConditionNotMet", SEVERAL),
    # Of two that may come together a change takes the etag, and a read both or one of them.
    (Conditions(if_match=ETAG, if_unmodified_since=BEFORE), "412 ConditionNotMet", ""),
    (Conditions(if_match=ETAG, if_unmodified_since=SAME), "", ""),
    (Conditions(if_none_match=OTHER, if_modified_since=AFTER), "", ""),
    (Conditions(if_none_match=ETAG, if_modified_since=BEFORE), "", "412 ConditionNotMet"),
    (
        *(Conditions(if_none_match=ETAG, if_modified_since=SAME), "304 ConditionNotMet"),
        "412 ConditionNotMet",
    ),
    (Conditions(if_match=ETAG, if_none_match=ETAG), "304 ConditionNotMet", SEVERAL),
    (Conditions(if_match=ETAG, if_modified_since=BEFORE), "", SEVERAL),
    (Conditions(if_modified_since=BEFORE, if_unmodified_since=AFTER), "", SEVERAL),
    (Conditions(if_tags="stage = 'raw'"), "", ""),
    (Conditions(if_tags="stage = 'done'"), "412 ConditionNotMet", "412 ConditionNotMet"),
]


def outcome(check, conditions: Conditions) -> str:
    try:
        check(BLOB, conditions, AFTER)
    except StorageError as error:
        return f"{error.error.status} {error.error.code}"
    return ""


@pytest.mark.parametrize(("conditions", "read", "write"), ROWS)
def test_an_existing_blob_is_read_and_written_only_as_the_conditions_allow(conditions, read, write):
    assert outcome(check_read, conditions) == read
    assert outcome(check_write, conditions) == write


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        (Conditions(), ""),
        (Conditions(if_none_match="*"), ""),
        (Conditions(if_none_match=ETAG), ""),
        (Conditions(if_modified_since=AFTER), ""),
        (Conditions(if_none_match="*", if_modified_since=AFTER), ""),
        (Conditions(if_none_match="*", if_match=ETAG), SEVERAL),
        (Conditions(if_match="*"), "412 ConditionNotMet"),
        (Conditions(if_match=ETAG), "412 ConditionNotMet"),
        (Conditions(if_tags="a = 'b'"), "412 ConditionNotMet"),
        (Conditions(lease_id="x"), "412 LeaseNotPresentWithBlobOperation"),
    ],
)
def test_a_missing_blob_is_created_unless_the_conditions_want_one(conditions, expected):
    found = ""
    try:
        check_absent(conditions)
    except StorageError as error:
        found = f"{error.error.status} {error.error.code}"

    assert found == expected


async def test_what_a_lease_does_not_guard_is_changed_as_conditions_have_it(container, refusal):
    blob = container.get_blob_client("a")
    etag = (await blob.upload_blob(b"1"))["etag"]
    since = {"if_modified_since": datetime.now(UTC) + timedelta(days=1)}
    other = {"etag": etag, "match_condition": MatchConditions.IfModified}

    for attempt in (
        blob.create_snapshot(**other),
        blob.acquire_lease(15, **other),
        container.acquire_lease(15, **since),
        container.set_container_metadata({"k": "v"}, **since),
        container.set_container_access_policy({}, **since),
    ):
        assert await refusal(attempt) == "412 ConditionNotMet"
