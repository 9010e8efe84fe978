"""What is signed with a user delegation key: what it lets its bearer do, and until when."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from azure.storage.blob import generate_container_sas

from triggerfish_storage.protocol.accounts import DEFAULT_ACCOUNT
from triggerfish_storage.testing import START, ManualClock

if TYPE_CHECKING:
    from conftest import Account

HOUR = timedelta(hours=1)
OID, TID = "11111111-2222-3333-4444-555555555555", "99999999-8888-7777-6666-555555555555"


async def test_a_blob_is_read_with_a_delegated_signature(
    account: Account, refusal: Callable[..., Awaitable[str]]
) -> None:
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


async def test_a_snapshot_is_read_with_a_signature_for_it(
    account: Account, refusal: Callable[..., Awaitable[str]]
) -> None:
    blob = account.client.get_blob_client("data", "a")
    snapshot = (await blob.create_snapshot())["snapshot"]
    await blob.upload_blob(b"new", overwrite=True)
    sas = account.sas("a", snapshot=snapshot)

    assert await account.read("a", f"{sas}&snapshot={snapshot}") == b"a"
    assert await refusal(account.read("a", sas)) == "403 AuthenticationFailed"


async def test_a_container_is_listed_and_written_with_a_delegated_signature(
    account: Account,
    refusal: Callable[..., Awaitable[str]],
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


async def test_a_directory_is_read_at_any_depth_and_listed_by_prefix(
    account: Account, refusal: Callable[..., Awaitable[str]]
) -> None:
    sas = account.sas("dir", is_directory=True, permission="rl")

    assert await account.read("dir/sub/b", sas) == b"dir/sub/b"
    assert await refusal(account.read("dir2/c", sas)) == "403 AuthenticationFailed"
    async with account.container(sas) as container:
        found = [name async for name in container.list_blob_names(name_starts_with="dir/")]
        assert found == ["dir/sub/b"]
        for prefix in ("dir", "dir2/", None):
            listing = container.list_blob_names(name_starts_with=prefix)
            assert await refusal(anext(listing)) == "403 AuthenticationFailed"


async def test_a_signature_ends_with_its_key(
    account: Account, clock: ManualClock, refusal: Callable[..., Awaitable[str]]
) -> None:
    sas = account.sas("a")
    clock.move(hours=1)

    assert await refusal(account.read("a", sas)) == "403 AuthenticationFailed"


@pytest.mark.parametrize("field", ["signed_oid", "signed_tid", "signed_expiry", "signed_version"])
async def test_a_key_that_says_something_else_is_not_genuine(
    account: Account, field: str, refusal: Callable[..., Awaitable[str]]
) -> None:
    setattr(account.key, field, "2024-05-09T12:00:00Z")

    assert await refusal(account.read("a", account.sas("a"))) == "403 AuthenticationFailed"


async def test_a_signature_for_a_user_needs_that_users_token(
    account: Account, token_of: Callable[..., str], refusal: Callable[..., Awaitable[str]]
) -> None:
    mine = account.sas("a", user_delegation_oid=OID)
    others = account.sas("a", user_delegation_oid=TID)
    token: dict[str, Any] = {"headers": {"Authorization": f"Bearer {token_of()}"}}

    async def get(sas: str, **options: Any) -> int:
        async with account.blob("a", sas) as blob:
            return int((await blob.get_blob_properties(**options)).size)

    assert await get(mine, **token) == 1
    assert await refusal(get(mine)) == "403 AuthenticationFailed"
    assert await refusal(get(others, **token)) == "403 AuthenticationFailed"


async def test_a_signature_holds_for_the_headers_it_is_tied_to(
    account: Account, refusal: Callable[..., Awaitable[str]]
) -> None:
    sas = account.sas("a", request_headers={"x-ms-client-request-id": "mine"})

    async with account.blob("a", sas) as blob:
        assert await blob.exists(client_request_id="mine")
        denied = await refusal(blob.get_blob_properties(client_request_id="other"))
    assert denied == "403 AuthenticationFailed"


async def test_a_signed_blob_is_copied_over_https_under_a_certificate_of_our_own(
    account: Account,
    refusal: Callable[..., Awaitable[str]],
) -> None:
    source = account.client.get_blob_client("data", "a")
    async with account.blob("copy", account.sas("copy", permission="w")) as copy:
        await copy.upload_blob_from_url(f"{source.url}?{account.sas('a')}")
        denied = await refusal(copy.upload_blob_from_url(f"{source.url}?{account.sas('copy')}"))

    assert denied == "403 CannotVerifyCopySource"
    assert await account.read("copy", account.sas("copy")) == b"a"
