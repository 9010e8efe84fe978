"""An account that takes tokens, and a client that shows one and was given a key."""

from __future__ import annotations

import base64
import json
import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from azure.core.credentials import AccessToken
from azure.storage.blob import UserDelegationKey, generate_blob_sas
from azure.storage.blob.aio import BlobClient, BlobServiceClient, ContainerClient

from triggerfish_storage.protocol import connection
from triggerfish_storage.protocol.accounts import DEFAULT_ACCOUNT
from triggerfish_storage.protocol.auth import ServiceName
from triggerfish_storage.testing import START, ManualClock, ServedAccount, storage_account

HOUR = timedelta(hours=1)
OID, TID = "11111111-2222-3333-4444-555555555555", "99999999-8888-7777-6666-555555555555"


def _token_of(**claims: Any) -> str:
    given = {"aud": "https://storage.azure.com", "exp": 2**32, "oid": OID, "tid": TID} | claims
    parts = [{"alg": "none"}, given, {}]
    return ".".join(
        base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts
    )


class Token:
    """A credential that has a token already."""

    async def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        return AccessToken(_token_of(), 2**32)

    async def close(self) -> None: ...

    async def __aenter__(self) -> Token:
        return self

    async def __aexit__(self, *error: object) -> None: ...


@pytest.fixture
async def served(
    clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[ServedAccount]:
    """An account that takes tokens."""
    monkeypatch.setattr(connection, "LINGER_SECONDS", 0.01)
    services: list[ServiceName] = ["blob", "queue", "table"]
    async with storage_account(clock=clock, services=services, accepts_bearer=True) as served:
        yield served


@pytest.fixture
async def secure(
    clock: ManualClock, tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[ServedAccount]:
    """An account that takes tokens, over HTTPS: clients send them no other way."""
    monkeypatch.setattr(connection, "LINGER_SECONDS", 0.01)
    async with storage_account(clock=clock, tls=tls, accepts_bearer=True) as served:
        yield served


@pytest.fixture
def options(certificate: Path) -> dict[str, Any]:
    """What clients need to take the test's certificate, and to fail at once."""
    return {"connection_verify": str(certificate), "retry_total": 0}


@dataclass
class Account:
    """A client with a token, a key it was given, and how to reach what it signs."""

    client: BlobServiceClient
    key: UserDelegationKey
    options: dict[str, Any]

    def sas(self, name: str, **changed: Any) -> str:
        options = {"permission": "r", "expiry": START + 2 * HOUR} | changed
        return generate_blob_sas(
            DEFAULT_ACCOUNT, "data", name, user_delegation_key=self.key, **options
        )

    def blob(self, name: str, sas: str) -> BlobClient:
        return BlobClient.from_blob_url(f"{self.client.url}data/{name}?{sas}", **self.options)

    def container(self, sas: str) -> ContainerClient:
        return ContainerClient.from_container_url(f"{self.client.url}data?{sas}", **self.options)

    async def read(self, name: str, sas: str) -> bytes:
        async with self.blob(name, sas) as blob:
            return await (await blob.download_blob()).readall()


@pytest.fixture
async def account(secure: ServedAccount, options: dict[str, Any]) -> AsyncIterator[Account]:
    """An account with blobs in the container ``data``."""
    url = f"https://127.0.0.1:{secure.ports['blob']}/{DEFAULT_ACCOUNT}"
    async with BlobServiceClient(url, credential=Token(), **options) as client:
        container = await client.create_container("data")
        for name in ("a", "dir/sub/b", "dir2/c"):
            await container.upload_blob(name, name.encode())
        key = await client.get_user_delegation_key(START, START + HOUR)
        yield Account(client, key, options)


@pytest.fixture
def token_of() -> Callable[..., str]:
    """Make a token with these claims."""
    return _token_of


@pytest.fixture
def credential() -> Token:
    return Token()
