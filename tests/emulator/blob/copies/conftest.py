"""A blob to be copied, and a signature that lets its URL be read."""

from datetime import timedelta

import pytest
from azure.storage.blob import (
    AccountSasPermissions,
    ContentSettings,
    ResourceTypes,
    generate_account_sas,
)

from triggerfish_storage.protocol.accounts import DEFAULT_KEY

LARGE = bytes(range(256)) * 400


@pytest.fixture
async def source(container):
    blob = container.get_blob_client("from/é 1.bin")
    await blob.upload_blob(
        LARGE,
        metadata={"Key": "v"},
        tags={"t": "1"},
        content_settings=ContentSettings(content_type="image/png", cache_control="no-cache"),
    )
    return blob


@pytest.fixture
def signature(clock) -> str:
    return generate_account_sas(
        "devstoreaccount1",
        DEFAULT_KEY,
        ResourceTypes(object=True),
        AccountSasPermissions(read=True),
        expiry=clock.now() + timedelta(hours=1),
    )
