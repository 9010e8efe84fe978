"""Whatever a manifest says, an import takes it or says what is wrong, and nothing else."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from triggerfish_storage.testing import START
from triggerfish_storage.transfer.failure import TransferError

if TYPE_CHECKING:
    from conftest import Import

BLOB = {
    "name": "a",
    "file": "a",
    "snapshot": "2024-05-01T12:00:00.0000000Z",
    "type": "PageBlob",
    "contentType": "text/plain",
    "contentMd5": "computed",
    "metadata": {"k": "v"},
    "tags": {"k": "v"},
    "accessTier": "Cool",
    "accessTierChanged": "2024-05-01T12:00:00Z",
    "rehydrateTo": "",
    "rehydratePriority": "High",
    "rehydrateUntil": "2024-05-01T12:00:00Z",
    "created": "2024-05-01T12:00:00Z",
    "lastModified": "2024-05-01T12:00:00Z",
    "etag": "0x8DC0123456789AB",
    "blocks": [["AAA=", 5]],
    "committedBlockCount": 1,
    "sealed": True,
    "length": 512,
    "pages": [[0, 5]],
    "sequenceNumber": 5,
    "copy": None,
    "immutableUntil": "2024-05-01T12:00:00Z",
    "immutabilityMode": "Locked",
    "legalHold": False,
    "encryptionScope": "scope",
    "encryptionKeySha256": "",
    "deleted": "2024-05-01T12:00:00Z",
    "deletedUntil": "2024-05-09T12:00:00Z",
}
CONTAINER = {
    "container": "uploads",
    "metadata": {"k": "v"},
    "publicAccess": "blob",
    "accessPolicies": [{"id": "x", "start": "2024-05-01", "expiry": "2024-05-02"}],
    "defaultEncryptionScope": "scope",
    "denyEncryptionScopeOverride": True,
    "lastModified": "2024-05-01T12:00:00Z",
    "etag": "0x8DC0123456789AB",
}
SERVICE = {"service": "blob", "properties": {"Cors": "<Cors />"}}
MESSAGE = {
    "text": "one",
    "id": "00000000-0000-0001-0000-000000000001",
    "insertedAt": "2024-05-01T12:00:00Z",
    "expiresAt": "2024-05-08T12:00:00Z",
    "dequeueCount": 0,
    "visibleAt": "2024-05-01T12:00:00Z",
}
ENTITY = {"PartitionKey": "p", "RowKey": "r", "Timestamp": "2024-05-01T12:00:00Z", "x": 1}
FILES = {
    "blobs/uploads.jsonl": BLOB,
    "account.jsonl": CONTAINER,
    "account.jsonl ": SERVICE,
    "queues/orders.jsonl": MESSAGE,
    "tables/People.jsonl": ENTITY,
}

TEXTS = st.one_of(
    st.sampled_from(
        ["", "0001-01-01", "9999-12-31T23:59:59Z", "0xFFFFFFFFFFFFFFFFFFFF", "-1", "{}", "PageBlob"]
    ),
    st.text(max_size=5),
)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.sampled_from([2**63, -1, 1.5]), TEXTS),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=3), inner, max_size=2)
    ),
    max_leaves=5,
)


@pytest.mark.slow
@settings(max_examples=100, deadline=None)
@given(file=st.sampled_from(sorted(FILES)), data=st.data())
def test_an_import_takes_any_line_or_names_what_is_wrong(
    tmp_path_factory: pytest.TempPathFactory, file: str, data: st.DataObject, import_from: Import
) -> None:
    line: dict[str, Any] = dict(FILES[file])
    for key in data.draw(st.lists(st.sampled_from(sorted(line)), min_size=1, max_size=3)):
        line[key] = data.draw(VALUES)
    root = tmp_path_factory.mktemp("any")
    source = root / "source"
    blob = source / "blobs" / "uploads" / "a"
    blob.parent.mkdir(parents=True)
    blob.write_bytes(b"12345")
    target = source / Path(file.strip())
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(line) + "\n")

    with suppress(TransferError):
        import_from(source, root / "data", START)
