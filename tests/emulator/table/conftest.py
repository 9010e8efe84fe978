"""One Table service, and requests to it that no client sends."""

from __future__ import annotations

import io
import json
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import aiohttp
import pytest
from azure.core.credentials import AzureNamedKeyCredential
from azure.data.tables import TableSasPermissions, generate_table_sas
from yarl import URL

from triggerfish_storage.protocol import connection
from triggerfish_storage.protocol.accounts import DEFAULT_ACCOUNT, DEFAULT_KEY
from triggerfish_storage.protocol.auth import Signed, authorization, decode_key
from triggerfish_storage.protocol.dates import http_date
from triggerfish_storage.protocol.target import parse_query
from triggerfish_storage.tables.store import TableStore
from triggerfish_storage.testing import ManualClock, ServedAccount, storage_account

PERSON = {
    "PartitionKey": "p",
    "RowKey": "it's",
    "age": 5,
    "big@odata.type": "Edm.Int64",
    "big": "50",
}


@pytest.fixture
async def served(
    clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[ServedAccount]:
    monkeypatch.setattr(connection, "LINGER_SECONDS", 0.01)
    async with storage_account(clock=clock, services=("table",)) as served:
        yield served


@pytest.fixture
def store(served: ServedAccount) -> TableStore:
    return served.account.tables


@dataclass(frozen=True)
class Answer:
    """A response; ``outcome`` is status and error code."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def outcome(self) -> str:
        return f"{self.status} {self.headers.get('x-ms-error-code', '')}".strip()

    @property
    def document(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)
        return found


class Raw:
    """Sends requests signed with the account's key, or with what their query says."""

    def __init__(self, session: aiohttp.ClientSession, port: int, clock: ManualClock) -> None:
        self._session = session
        self._clock = clock
        self.root = f"http://127.0.0.1:{port}"

    async def send(
        self,
        method: str,
        target: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        is_signed: bool = True,
        account: str = DEFAULT_ACCOUNT,
    ) -> Answer:
        """Send one request; ``target`` is what stands behind the account."""
        own = {"x-ms-date": http_date(self._clock.now()), "accept": "application/json"}
        own |= {name.replace("_", "-"): value for name, value in (headers or {}).items()}
        if body is not None:
            own.setdefault("content-type", "application/json")
        path, _, query = f"/{account}{target}".partition("?")
        if is_signed:
            signed = Signed(method, DEFAULT_ACCOUNT, path, parse_query(query), own)
            own["authorization"] = authorization(signed, decode_key(DEFAULT_KEY), service="table")
        url = URL(f"{self.root}/{account}{target}", encoded=True)
        async with self._session.request(
            method,
            url,
            data=io.BytesIO(body) if body else body,
            headers=own,
            skip_auto_headers=("content-type", "accept"),
        ) as response:
            lower = {name.lower(): value for name, value in response.headers.items()}
            return Answer(response.status, lower, await response.read())


@pytest.fixture
async def raw(served: ServedAccount, clock: ManualClock) -> AsyncIterator[Raw]:
    async with aiohttp.ClientSession() as session:
        yield Raw(session, served.ports["table"], clock)


@pytest.fixture
def person() -> Mapping[str, Any]:
    """What ``people`` holds."""
    return PERSON


@pytest.fixture
async def people(raw: Raw) -> Raw:
    await raw.send("POST", "/Tables", b'{"TableName":"people"}')
    answer = await raw.send("POST", "/people", json.dumps(PERSON).encode())
    assert answer.status == 201
    return raw


@pytest.fixture
def sas() -> Callable[..., str]:
    """Make a signature, good for an hour, for a table."""
    return _sas


def _sas(now: datetime, permission: str, table: str = "people", **keys: str) -> str:
    token: str = generate_table_sas(
        AzureNamedKeyCredential(DEFAULT_ACCOUNT, DEFAULT_KEY),
        table,
        permission=TableSasPermissions.from_string(permission),
        expiry=now + timedelta(hours=1),
        **keys,
    )
    return token
