"""A Blob service over HTTPS, since the official client shows keys over nothing else."""

from datetime import timedelta

import pytest
from azure.storage.blob import BlobSasPermissions, generate_blob_sas
from azure.storage.blob.aio import BlobServiceClient

from triggerfish_storage.protocol.accounts import DEFAULT_KEY, Accounts
from triggerfish_storage.protocol.http import Endpoint, serve_endpoint

ACCOUNT = "devstoreaccount1"


@pytest.fixture
async def secure(service, clock, certificate, tls):
    """The official client, over HTTPS, since it shows keys over nothing else."""
    served = Endpoint(service, Accounts(), clock)
    async with (
        serve_endpoint(served, address="127.0.0.1", port=0, tls=tls) as port,
        BlobServiceClient(
            f"https://localhost:{port}/{ACCOUNT}",
            credential={"account_name": ACCOUNT, "account_key": DEFAULT_KEY},
            connection_verify=str(certificate),
            retry_total=0,
        ) as client,
    ):
        yield client


@pytest.fixture
async def container(secure):
    return await secure.create_container("data")


@pytest.fixture
def signed(clock):
    """Make a signature for a blob."""

    def made(blob, **given) -> str:
        return generate_blob_sas(
            ACCOUNT,
            blob.container_name,
            blob.blob_name,
            account_key=DEFAULT_KEY,
            permission=BlobSasPermissions(read=True, write=True, create=True),
            expiry=clock.now() + timedelta(hours=1),
            **given,
        )

    return made
