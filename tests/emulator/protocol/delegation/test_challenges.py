"""Tokens that are refused: clients are told where to get one that is for storage."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from azure.core.credentials import AccessToken
from azure.storage.queue.aio import QueueServiceClient

from triggerfish_storage.protocol.accounts import DEFAULT_ACCOUNT
from triggerfish_storage.testing import ServedAccount

if TYPE_CHECKING:
    from conftest import Raw

ELSEWHERE = "https://elsewhere.queue.core.windows.net"


class Issuer:
    """A credential that gives tokens for whatever it is asked, and knows what that was."""

    def __init__(self, token_of: Callable[..., str]) -> None:
        self.asked: list[tuple[str, str | None]] = []
        self._token_of = token_of

    async def get_token(
        self, *scopes: str, tenant_id: str | None = None, **options: Any
    ) -> AccessToken:
        self.asked.append((scopes[0], tenant_id))
        return AccessToken(self._token_of(aud=scopes[0].removesuffix("/.default")), 2**32)

    async def close(self) -> None: ...

    async def __aenter__(self) -> Issuer:
        return self

    async def __aexit__(self, *error: object) -> None: ...


async def test_a_token_for_something_else_is_challenged(
    blob: Raw, token_of: Callable[..., str]
) -> None:
    given = token_of(aud=ELSEWHERE, tid="t 1\ud800")  # whatever a client makes up
    headers = {"authorization": f"Bearer {given}"}

    answer = await blob.request("GET", "/?comp=list", headers=headers, sign=False)

    assert (answer.status, answer.code) == (401, "InvalidAuthenticationInfo")
    assert answer.headers["www-authenticate"] == (
        "Bearer authorization_uri=https://login.microsoftonline.com/t%201%3F/oauth2/authorize "
        "resource_id=https://storage.azure.com"
    )
    assert f"<AuthenticationErrorDetail>The token's audience '{ELSEWHERE}' is" in answer.text
    assert "Tenant" not in answer.text


async def test_a_client_with_a_token_for_something_else_gets_a_better_one(
    secure: ServedAccount, options: dict[str, Any], token_of: Callable[..., str]
) -> None:
    url = f"https://127.0.0.1:{secure.ports['queue']}/{DEFAULT_ACCOUNT}"
    issuer = Issuer(token_of)

    async with QueueServiceClient(url, credential=issuer, audience=ELSEWHERE, **options) as queues:
        await queues.create_queue("orders")

    tenant = "99999999-8888-7777-6666-555555555555"
    assert issuer.asked == [
        (f"{ELSEWHERE}/.default", None),
        ("https://storage.azure.com/.default", tenant),
    ]
