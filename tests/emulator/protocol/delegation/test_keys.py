"""User delegation keys: who is given one, for which service, and for how long."""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest
from azure.storage.queue import generate_queue_sas
from azure.storage.queue.aio import QueueClient, QueueServiceClient

from triggerfish_storage.protocol.accounts import DEFAULT_ACCOUNT
from triggerfish_storage.protocol.auth import sign
from triggerfish_storage.protocol.sas_text import delegated_text
from triggerfish_storage.protocol.xml import parse
from triggerfish_storage.testing import START, ServedAccount

if TYPE_CHECKING:
    from conftest import Account, Raw, Token

HOUR = timedelta(hours=1)
OID, TID = "11111111-2222-3333-4444-555555555555", "99999999-8888-7777-6666-555555555555"
KEY_INFO = "<KeyInfo><Start>{}</Start><Expiry>{}</Expiry></KeyInfo>"


async def test_a_key_says_whom_and_what_it_is_for(account: Account) -> None:
    key = account.key

    assert (key.signed_oid, key.signed_tid, key.signed_service) == (OID, TID, "b")
    assert (key.signed_start, key.signed_expiry) == ("2024-05-01T12:00:00Z", "2024-05-01T13:00:00Z")
    assert len(base64.b64decode(key.value or "")) == 32


async def test_a_key_of_one_service_is_none_of_another(
    secure: ServedAccount,
    account: Account,
    credential: Token,
    refusal: Callable[..., Awaitable[str]],
) -> None:
    url = f"https://127.0.0.1:{secure.ports['queue']}/{DEFAULT_ACCOUNT}"
    async with QueueServiceClient(url, credential=credential, **account.options) as queues:
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
    blob: Raw,
    start: datetime | str,
    expiry: datetime | str,
    status: int,
    token_of: Callable[..., str],
) -> None:
    body = KEY_INFO.format(start, expiry).encode()
    headers = {"authorization": f"Bearer {token_of()}"}

    answer = await blob.request(
        "POST", "/?restype=service&comp=userdelegationkey", headers=headers, body=body, sign=False
    )

    assert answer.status == status
    assert answer.code == ("" if status == 200 else "InvalidXmlNodeValue")


async def test_a_key_without_an_end_is_not_given(blob: Raw, token_of: Callable[..., str]) -> None:
    answer = await blob.request(
        *("POST", "/?restype=service&comp=userdelegationkey"),
        headers={"authorization": f"Bearer {token_of()}"},
        body=b"<KeyInfo><Start>2024-05-01</Start></KeyInfo>",
        sign=False,
    )

    assert (answer.status, answer.code) == (400, "MissingRequiredXmlNode")


async def test_a_table_is_read_with_a_delegated_signature(
    table: Raw, token_of: Callable[..., str]
) -> None:
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
