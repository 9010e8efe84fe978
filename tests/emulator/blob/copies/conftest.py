"""A blob to be copied, and a signature that lets its URL be read."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from azure.storage.blob import (
    AccountSasPermissions,
    ContentSettings,
    ResourceTypes,
    generate_account_sas,
)
from azure.storage.blob.aio import BlobClient

from triggerfish_storage.protocol.accounts import DEFAULT_KEY
from triggerfish_storage.testing import ManualClock

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
    return _signature(clock, AccountSasPermissions(read=True))


@pytest.fixture
async def signed_target(container, clock) -> AsyncIterator[BlobClient]:
    """A blob whose client has a signature in place of the key: it copies over HTTP alone."""
    write = _signature(clock, AccountSasPermissions(write=True))
    url = f"{container.get_blob_client('to').url}?{write}"
    async with BlobClient.from_blob_url(url, retry_total=0) as client:
        yield client


def _signature(clock: ManualClock, permissions: AccountSasPermissions) -> str:
    return generate_account_sas(
        "devstoreaccount1",
        DEFAULT_KEY,
        ResourceTypes(object=True),
        permissions,
        expiry=clock.now() + timedelta(hours=1),
    )
