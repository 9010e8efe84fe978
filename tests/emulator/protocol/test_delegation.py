"""User delegation keys and what is signed with them, from outside with the official clients."""

from __future__ import annotations

import base64
import json
import ssl
from collections.abc import AsyncIterator, Awaitable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest
from azure.core.credentials import AccessToken
from azure.core.exceptions import HttpResponseError
from azure.storage.blob import UserDelegationKey, generate_blob_sas, generate_container_sas
from azure.storage.blob.aio import BlobClient, BlobServiceClient, ContainerClient
from azure.storage.queue import generate_queue_sas
from azure.storage.queue.aio import QueueClient, QueueServiceClient

from triggerfish_storage.protocol import connection
from triggerfish_storage.protocol.accounts import DEFAULT_ACCOUNT
from triggerfish_storage.protocol.auth import ServiceName, sign
from triggerfish_storage.protocol.sas_text import delegated_text
from triggerfish_storage.protocol.xml import parse
from triggerfish_storage.testing import START, ManualClock, ServedAccount, storage_account

if TYPE_CHECKING:
    from conftest import Raw

HOUR = timedelta(hours=1)
OID, TID = "11111111-2222-3333-4444-555555555555", "99999999-8888-7777-6666-555555555555"
KEY_INFO = "<KeyInfo><Start>{}</Start><Expiry>{}</Expiry></KeyInfo>"


def token_of(**claims: Any) -> str:
    given = {"aud": "https://storage.azure.com", "exp": 2**32, "oid": OID, "tid": TID} | claims
    parts = [{"alg": "none"}, given, {}]
    return ".".join(
        base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts
    )


class Token:
    """A credential that has a token already."""

    async def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        return AccessToken(token_of(), 2**32)

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


async def refusal(attempt: Awaitable[object]) -> str:
    with pytest.raises(HttpResponseError) as caught:
        await attempt
    code = caught.value.error_code
    return f"{caught.value.status_code} {getattr(code, 'value', code)}"


async def test_a_key_says_whom_and_what_it_is_for(account: Account) -> None:
    key = account.key

    assert (key.signed_oid, key.signed_tid, key.signed_service) == (OID, TID, "b")
    assert (key.signed_start, key.signed_expiry) == ("2024-05-01T12:00:00Z", "2024-05-01T13:00:00Z")
    assert len(base64.b64decode(key.value or "")) == 32


async def test_a_blob_is_read_with_a_delegated_signature(account: Account) -> None:
    assert await account.read("a", account.sas("a")) == b"a"
    denied = [
        (account.sas("other"), "403 AuthenticationFailed"),
        (account.sas("a", permission="w"), "403 AuthorizationPermissionMismatch"),
        (account.sas("a", expiry=START), "403 AuthenticationFailed"),
        (account.sas("a", ip="10.0.0.1"), "403 AuthorizationSourceIPMismatch"),
        (account.sas("a") + "&si=readers", "403 AuthenticationFailed"),
    ]
    for sas, code in denied:
        assert await refusal(account.read("a", sas)) == code


async def test_a_snapshot_is_read_with_a_signature_for_it(account: Account) -> None:
    blob = account.client.get_blob_client("data", "a")
    snapshot = (await blob.create_snapshot())["snapshot"]
    await blob.upload_blob(b"new", overwrite=True)
    sas = account.sas("a", snapshot=snapshot)

    assert await account.read("a", f"{sas}&snapshot={snapshot}") == b"a"
    assert await refusal(account.read("a", sas)) == "403 AuthenticationFailed"


async def test_a_container_is_listed_and_written_with_a_delegated_signature(
    account: Account,
) -> None:
    sas = generate_container_sas(
        DEFAULT_ACCOUNT,
        "data",
        user_delegation_key=account.key,
        permission="rwl",
        expiry=START + HOUR,
    )
    async with account.container(sas) as container:
        await container.upload_blob("new", b"new")
        assert [name async for name in container.list_blob_names()] == [
            *("a", "dir/sub/b", "dir2/c", "new")
        ]
        denied = await refusal(container.delete_blob("new"))
    assert denied == "403 AuthorizationPermissionMismatch"


async def test_a_directory_is_read_at_any_depth_and_listed_by_prefix(account: Account) -> None:
    sas = account.sas("dir", is_directory=True, permission="rl")

    assert await account.read("dir/sub/b", sas) == b"dir/sub/b"
    assert await refusal(account.read("dir2/c", sas)) == "403 AuthenticationFailed"
    async with account.container(sas) as container:
        found = [name async for name in container.list_blob_names(name_starts_with="dir/")]
        assert found == ["dir/sub/b"]
        for prefix in ("dir", "dir2/", None):
            listing = container.list_blob_names(name_starts_with=prefix)
            assert await refusal(anext(listing)) == "403 AuthenticationFailed"


async def test_a_signature_ends_with_its_key(account: Account, clock: ManualClock) -> None:
    sas = account.sas("a")
    clock.move(hours=1)

    assert await refusal(account.read("a", sas)) == "403 AuthenticationFailed"


@pytest.mark.parametrize("field", ["signed_oid", "signed_tid", "signed_expiry", "signed_version"])
async def test_a_key_that_says_something_else_is_not_genuine(account: Account, field: str) -> None:
    setattr(account.key, field, "2024-05-09T12:00:00Z")

    assert await refusal(account.read("a", account.sas("a"))) == "403 AuthenticationFailed"


async def test_a_signature_for_a_user_needs_that_users_token(account: Account) -> None:
    mine = account.sas("a", user_delegation_oid=OID)
    others = account.sas("a", user_delegation_oid=TID)
    token: dict[str, Any] = {"headers": {"Authorization": f"Bearer {token_of()}"}}

    async def get(sas: str, **options: Any) -> int:
        async with account.blob("a", sas) as blob:
            return int((await blob.get_blob_properties(**options)).size)

    assert await get(mine, **token) == 1
    assert await refusal(get(mine)) == "403 AuthenticationFailed"
    assert await refusal(get(others, **token)) == "403 AuthenticationFailed"


async def test_a_signature_holds_for_the_headers_it_is_tied_to(account: Account) -> None:
    sas = account.sas("a", request_headers={"x-ms-client-request-id": "mine"})

    async with account.blob("a", sas) as blob:
        assert await blob.exists(client_request_id="mine")
        denied = await refusal(blob.get_blob_properties(client_request_id="other"))
    assert denied == "403 AuthenticationFailed"


async def test_a_signed_blob_is_copied_over_https_under_a_certificate_of_our_own(
    account: Account,
) -> None:
    source = account.client.get_blob_client("data", "a")
    async with account.blob("copy", account.sas("copy", permission="w")) as copy:
        await copy.upload_blob_from_url(f"{source.url}?{account.sas('a')}")
        denied = await refusal(copy.upload_blob_from_url(f"{source.url}?{account.sas('copy')}"))

    assert denied == "403 CannotVerifyCopySource"
    assert await account.read("copy", account.sas("copy")) == b"a"


async def test_a_key_of_one_service_is_none_of_another(
    secure: ServedAccount, account: Account
) -> None:
    url = f"https://127.0.0.1:{secure.ports['queue']}/{DEFAULT_ACCOUNT}"
    async with QueueServiceClient(url, credential=Token(), **account.options) as queues:
        own = await queues.get_user_delegation_key(expiry=START + HOUR, start=START)
        await queues.create_queue("orders")

    async def put(delegated: Any) -> None:
        sas = generate_queue_sas(
            DEFAULT_ACCOUNT,
            "orders",
            user_delegation_key=delegated,
            permission="a",
            expiry=START + HOUR,
        )
        async with QueueClient(url, "orders", credential=sas, **account.options) as queue:
            await queue.send_message("one")

    await put(own)
    assert await refusal(put(account.key)) == "403 AuthorizationServiceMismatch"


async def test_no_key_is_given_to_who_shows_none_but_the_accounts(blob: Raw) -> None:
    body = KEY_INFO.format(START.isoformat(), (START + HOUR).isoformat()).encode()

    answer = await blob.request("POST", "/?restype=service&comp=userdelegationkey", body=body)

    assert (answer.status, answer.code) == (403, "AuthenticationFailed")
    assert "Only authentication scheme Bearer is supported" in answer.text


@pytest.mark.parametrize(
    ("start", "expiry", "status"),
    [
        (START, START + timedelta(days=7), 200),
        (START - HOUR, START + HOUR, 200),
        (START, START + timedelta(days=7, seconds=1), 400),
        (START + timedelta(days=8), START + timedelta(days=8), 400),
        (START + HOUR, START + HOUR, 400),
        (START - HOUR, START, 400),
        ("", START + HOUR, 200),
        (START, "", 400),
        (START, "9999-12-31T23:59:59-14:00", 400),
        ("soon", START + HOUR, 400),
    ],
)
async def test_a_key_lasts_seven_days_at_most(
    blob: Raw, start: datetime | str, expiry: datetime | str, status: int
) -> None:
    body = KEY_INFO.format(start, expiry).encode()
    headers = {"authorization": f"Bearer {token_of()}"}

    answer = await blob.request(
        "POST", "/?restype=service&comp=userdelegationkey", headers=headers, body=body, sign=False
    )

    assert answer.status == status
    assert answer.code == ("" if status == 200 else "InvalidXmlNodeValue")


async def test_a_key_without_an_end_is_not_given(blob: Raw) -> None:
    answer = await blob.request(
        *("POST", "/?restype=service&comp=userdelegationkey"),
        headers={"authorization": f"Bearer {token_of()}"},
        body=b"<KeyInfo><Start>2024-05-01</Start></KeyInfo>",
        sign=False,
    )

    assert (answer.status, answer.code) == (400, "MissingRequiredXmlNode")


async def test_a_table_is_read_with_a_delegated_signature(table: Raw) -> None:
    bearer = {"authorization": f"Bearer {token_of()}", "content-type": "application/json"}
    await table.request(
        "POST", "/Tables", headers=bearer, body=b'{"TableName":"Things"}', sign=False
    )
    info = KEY_INFO.format(START.isoformat(), (START + HOUR).isoformat()).encode()
    answer = await table.request(
        *("POST", "/?restype=service&comp=userdelegationkey"),
        headers=bearer,
        body=info,
        sign=False,
    )
    key = parse(answer.body, "UserDelegationKey")
    fields = {
        "sp": "r",
        "se": "2024-05-01T13:00:00Z",
        "sv": "2026-02-06",
        "tn": "Things",
        "skoid": OID,
        "sktid": TID,
        "sks": "t",
        "skt": key.child_text("SignedStart"),
        "ske": key.child_text("SignedExpiry"),
        "skv": key.child_text("SignedVersion"),
    }
    text = delegated_text(
        "table", fields, {}, account=DEFAULT_ACCOUNT, resource="things", snapshot=""
    )
    query = urlencode({**fields, "sig": sign(base64.b64decode(key.child_text("Value")), text)})

    found = await table.request("GET", f"/things?{query}", sign=False)
    denied = await table.request("POST", f"/things?{query}", body=b"{}", sign=False)

    assert (found.status, denied.status) == (200, 403)
