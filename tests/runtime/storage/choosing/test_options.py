"""The host's options decide where the account lies, how it is served, and what is in it."""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest
from azure.core.credentials import AccessToken
from azure.storage.queue.aio import QueueServiceClient

from triggerfish.config.app_config import load_app_config
from triggerfish.config.start_options import StartOptions
from triggerfish.model import LogLine, PutMessage
from triggerfish.storage.account import AccountError
from triggerfish.storage.choose import Accounts, open_accounts
from triggerfish_storage.clock import SystemClock
from triggerfish_storage.ownership import read_owner


def opened(
    options: StartOptions, data: Path, log: Callable[[LogLine], object] = print
) -> AbstractAsyncContextManager[Accounts]:
    """Open the accounts of a host that was started with these options."""
    config = load_app_config(options, {})
    return open_accounts(options, config, data=data, clock=SystemClock(), log=log)


@pytest.mark.parametrize(("timing", "announced"), [("local", True), ("azure", False)])
async def test_the_hosts_options_decide_where_and_how(tmp_path, timing, announced):
    (tmp_path / "host.json").write_text('{"version": "2.0"}')
    options = StartOptions(tmp_path, blob_port=0, queue_port=0, table_port=0, timing=timing)

    async with opened(options, tmp_path / "data") as accounts:
        account = await accounts.of("")
        accounts.announce_host("127.0.0.1", 7071)
        owner = read_owner(tmp_path / "data")
        with account.watch_queue("orders") as watch, account.watch_container("files") as files:
            await account.apply([PutMessage("orders", "one")])
            await account.blobs.put("files", "a", b"x")

            assert (watch.event.is_set(), files.event.is_set()) == (announced, announced)

    assert account.is_embedded == announced
    assert owner is not None
    assert owner.ports["host"] == 7071


@pytest.fixture
def seeded(tmp_path):
    """Options with a seed of one message, for an app whose messages are plain text."""
    messages = '{"version": "2.0", "extensions": {"queues": {"messageEncoding": "none"}}}'
    (tmp_path / "host.json").write_text(messages)
    (tmp_path / "orders.jsonl").write_text('{"body": "one"}\n')
    seed = tmp_path / "orders.jsonl"
    return StartOptions(tmp_path, blob_port=0, queue_port=0, table_port=0, seed=seed)


async def test_a_seed_is_loaded_before_anybody_gets_the_account(tmp_path, seeded):
    lines = []
    async with opened(seeded, tmp_path / "data", lines.append) as accounts:
        account = await accounts.of("")
        [message] = await account.queues.peek("orders", count=5)

    assert message.text == "one"
    assert any("1 queue, 1 message" in line.message for line in lines)


async def test_a_seed_with_an_error_in_it_is_named(tmp_path, seeded):
    (tmp_path / "orders.jsonl").write_text("no json")
    async with opened(seeded, tmp_path / "data") as accounts:
        with pytest.raises(AccountError, match=r"^--seed: .*orders\.jsonl, line 1: not JSON"):
            await accounts.of("")


async def test_a_seed_for_an_account_of_somebody_else_is_not_loaded_and_said_so(
    tmp_path, seeded, serving
):
    lines = []
    async with serving(tmp_path / "data") as (storage, _):
        async with opened(seeded, tmp_path / "data", lines.append) as accounts:
            await accounts.of("")
            accounts.claim_folder()
        assert not storage.queues.exists("orders")

    assert any("--seed was not loaded" in line.message for line in lines)


async def test_the_account_takes_tokens_over_https_where_start_says_so(
    tmp_path: Path, tls: ssl.SSLContext, certificate: Path
) -> None:
    claims = {"aud": "https://storage.azure.com", "exp": 2**32}
    token = ".".join(
        base64.urlsafe_b64encode(json.dumps(part).encode()).decode() for part in ({}, claims, {})
    )
    options = StartOptions(
        tmp_path, blob_port=0, queue_port=0, table_port=0, tls=tls, accepts_bearer=True
    )

    class Credential:
        async def get_token(self, *scopes: str, **given: object) -> AccessToken:
            return AccessToken(token, 2**32)

    async with opened(options, tmp_path / "data") as accounts:
        account = await accounts.of("")
        url = f"https://127.0.0.1:{accounts.served['queue']}/devstoreaccount1"
        async with QueueServiceClient(
            url,
            credential=Credential(),
            connection_verify=str(certificate),
        ) as client:
            await client.create_queue("orders")
            await client.get_queue_client("orders").send_message("one")
        [message] = await account.queues.peek("orders", count=1)

    assert message.text == "one"


@pytest.mark.parametrize("address", ["0.0.0.0", "127.0.0.2"])
@pytest.mark.skipif(sys.platform != "linux", reason="has one loopback address only")
async def test_the_account_listens_where_it_is_told_to(tmp_path: Path, address: str) -> None:
    options = StartOptions(
        tmp_path, blob_port=0, queue_port=0, table_port=0, storage_address=address
    )

    async with opened(options, tmp_path / "data") as accounts:
        await accounts.of("")
        _, writer = await asyncio.open_connection("127.0.0.2", accounts.served["blob"])
        writer.close()
