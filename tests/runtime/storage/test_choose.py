"""Which account a connection means, and what is said where none can be opened."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import socket
import ssl
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
from azure.core.credentials import AccessToken
from azure.storage.queue.aio import QueueServiceClient

from triggerfish.config.app_config import load_app_config
from triggerfish.config.connections import DEVELOPMENT_KEY
from triggerfish.config.errors import ConfigError
from triggerfish.config.start_options import StartOptions
from triggerfish.model import LogLevel, LogLine, PutMessage
from triggerfish.storage.account import AccountError
from triggerfish.storage.azure import AzureAccount
from triggerfish.storage.choose import Accounts, Place, open_accounts
from triggerfish.storage.embedded import EmbeddedAccount
from triggerfish_storage.account import StorageAccount
from triggerfish_storage.clock import SystemClock
from triggerfish_storage.ownership import own, read_owner
from triggerfish_storage.server import open_account, serve

ANY_PORTS = {"blob": 0, "queue": 0, "table": 0}


@asynccontextmanager
async def accounts_of(
    data: Path,
    settings: Mapping[str, str] | None = None,
    ports: Mapping[str, int] = ANY_PORTS,
    log: list[LogLine] | None = None,
) -> AsyncIterator[Accounts]:
    lines: list[LogLine] = [] if log is None else log
    async with AsyncExitStack() as stack:
        place = Place(data, ports)
        yield Accounts(settings or {}, place, stack, clock=SystemClock(), log=lines.append)


@asynccontextmanager
async def answering(reply: bytes, port: int = 0) -> AsyncIterator[int]:
    """A server that is no storage service; gives its port."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(reply)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", port)
    async with server:
        yield server.sockets[0].getsockname()[1]


@asynccontextmanager
async def serving(folder: Path) -> AsyncIterator[tuple[StorageAccount, dict[str, int]]]:
    """A storage account that somebody else serves; gives its stores and ports."""
    async with (
        open_account(folder) as storage,
        serve(storage, ports={"blob": 0, "queue": 0}) as bound,
    ):
        yield storage, {**bound, "table": 0}


def free_ports() -> dict[str, int]:
    """Ports that nobody listens on, as far as can be known."""
    sockets = {service: socket.socket() for service in ("blob", "queue", "table")}
    try:
        for one in sockets.values():
            one.bind(("127.0.0.1", 0))
        return {service: one.getsockname()[1] for service, one in sockets.items()}
    finally:
        for one in sockets.values():
            one.close()


def with_port(**taken: int) -> dict[str, int]:
    return free_ports() | taken


def string_to(ports: Mapping[str, int], host: str = "127.0.0.1", key: str = DEVELOPMENT_KEY) -> str:
    return (
        f"AccountName=devstoreaccount1;AccountKey={key};"
        f"BlobEndpoint=http://{host}:{ports['blob']}/devstoreaccount1;"
        f"QueueEndpoint=http://{host}:{ports['queue']}/devstoreaccount1"
    )


@pytest.mark.parametrize("settings", [{}, {"AzureWebJobsStorage": "UseDevelopmentStorage=true"}])
async def test_without_another_account_it_is_the_embedded_one(tmp_path, settings):
    async with accounts_of(tmp_path, settings) as accounts:
        account = await accounts.of("")

    assert isinstance(account, EmbeddedAccount)
    assert (account.name, account.is_embedded) == ("devstoreaccount1", True)


async def test_one_connection_is_opened_once_whatever_names_it(tmp_path):
    settings = {"Mine": "UseDevelopmentStorage=true"}

    async with accounts_of(tmp_path, settings) as accounts:
        found = [await accounts.of(name) for name in ("", "AzureWebJobsStorage", "Mine")]

    assert found[0] is found[1] is found[2]


async def test_many_who_ask_at_once_get_the_same_account(tmp_path):
    async with accounts_of(tmp_path) as accounts:
        found = await asyncio.gather(*(accounts.of("") for _ in range(5)))

    assert len({id(account) for account in found}) == 1


async def test_the_embedded_account_is_served_to_others(tmp_path):
    ports = free_ports()

    async with accounts_of(tmp_path / "a", ports=ports) as accounts:
        account = await accounts.of("")
        await account.apply([PutMessage("orders", "one")])
        async with accounts_of(tmp_path / "b", {"X": string_to(ports)}) as others:
            [message] = await (await others.of("X")).queues.peek("orders", count=1)

    assert message.text == "one"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_a_connection_string_to_our_own_ports_is_the_embedded_account(tmp_path, host):
    ports = free_ports()
    settings = {"AzureWebJobsStorage": string_to(ports, host)}

    async with accounts_of(tmp_path, settings, ports) as accounts:
        account = await accounts.of("")

    assert account.is_embedded


@pytest.mark.parametrize("key", ["AAAA", ""])
async def test_another_key_or_port_is_another_account(tmp_path, key):
    ports = free_ports()
    elsewhere = {service: port + 1 for service, port in ports.items()}
    text = string_to(ports, key=key) if key else string_to(elsewhere)

    async with accounts_of(tmp_path, {"X": text}, ports) as accounts:
        account = await accounts.of("X")

    assert isinstance(account, AzureAccount)
    assert not account.is_embedded


async def test_a_real_account_opens_nothing_here(tmp_path):
    settings = {
        "AzureWebJobsStorage": "DefaultEndpointsProtocol=https;AccountName=acme;AccountKey=AAAA;"
        "EndpointSuffix=core.windows.net",
        "Again": "AccountName=acme;AccountKey=AAAA",
    }

    async with accounts_of(tmp_path / "data", settings) as accounts:
        account = await accounts.of("")
        again = await accounts.of("Again")

    assert account is again
    assert account.name == "acme"
    assert not (tmp_path / "data").exists()


async def test_a_connection_that_is_not_there_names_its_setting(tmp_path):
    async with accounts_of(tmp_path) as accounts:
        with pytest.raises(ConfigError, match="'AzureWebJobsMissing' does not exist"):
            await accounts.of("Missing")


async def test_an_identity_reaches_an_emulator_with_its_published_key(tmp_path):
    async with serving(tmp_path / "a") as (storage, ports):
        settings = {
            "X__blobServiceUri": f"http://127.0.0.1:{ports['blob']}/devstoreaccount1",
            "X__queueServiceUri": f"http://127.0.0.1:{ports['queue']}/devstoreaccount1",
        }
        async with accounts_of(tmp_path / "b", settings) as accounts:
            account = await accounts.of("X")
            await account.queues.create("orders")

            assert account.name == "devstoreaccount1"
            assert storage.queues.exists("orders")


# --- where another process has the folder or the ports ----------------------------------------


async def test_a_folder_that_is_in_use_is_shared_through_its_owners_ports(tmp_path):
    log: list[LogLine] = []

    async with accounts_of(tmp_path) as owners, accounts_of(tmp_path, log=log) as others:
        owner, other = await owners.of(""), await others.of("")
        await other.apply([PutMessage("orders", "one")])

        [message] = await owner.queues.peek("orders", count=1)

    assert (message.text, other.is_embedded) == ("one", False)
    assert f"in use by process {os.getpid()}" in log[0].message
    assert "Using the storage account that answers on 127.0.0.1:" in log[1].message
    assert {line.level for line in log[:2]} == {LogLevel.WARNING}


async def test_an_owner_that_serves_over_https_is_asked_so(tmp_path, tls):
    log: list[LogLine] = []

    async with (
        open_account(tmp_path) as storage,
        serve(storage, ports=dict.fromkeys(("blob", "queue", "table"), 0), tls=tls),
        accounts_of(tmp_path, log=log) as others,
    ):
        account = await others.of("")

    assert not account.is_embedded
    assert "(Triggerfish-Blob" in log[1].message


async def test_a_folder_whose_owner_serves_nothing_cannot_be_used(tmp_path):
    with own(tmp_path, started="2024-01-01T00:00:00+00:00"):
        async with accounts_of(tmp_path) as accounts:
            with pytest.raises(AccountError, match=r"in use by .*--data FOLDER"):
                await accounts.of("")


async def test_a_storage_service_on_our_ports_is_used(tmp_path):
    async with (
        serving(tmp_path / "a") as (storage, ports),
        accounts_of(tmp_path / "b", ports=ports) as accounts,
    ):
        account = await accounts.of("")
        await account.queues.create("orders")

        assert storage.queues.exists("orders")
        assert not account.is_embedded


async def test_another_server_on_our_ports_is_named(tmp_path):
    reply = b"HTTP/1.1 404 Not Found\r\nServer: SimpleHTTP/0.6\r\nContent-Length: 0\r\n\r\n"

    async with answering(reply) as port, accounts_of(tmp_path, ports=with_port(queue=port)) as mine:
        with pytest.raises(AccountError) as raised:
            await mine.of("")

    text = str(raised.value)
    assert text.startswith(f"Port {port} on 127.0.0.1")
    for option in ("--queue-port", "AzureWebJobsStorage"):
        assert option in text


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (b"HTTP/1.1 404 Not Found\r\nServer: SimpleHTTP/0.6\r\n\r\n", "itself 'SimpleHTTP/0.6'"),
        (b"HTTP/1.1 200 OK\r\n\r\n", "no storage service"),
        (b"220 mail.example ESMTP\r\n\r\n", "does not speak HTTP"),
        (b"", "does not speak HTTP"),
    ],
)
async def test_what_holds_a_port_is_described(tmp_path, reply, said):
    async with answering(reply) as port, accounts_of(tmp_path, ports=with_port(blob=port)) as mine:
        with pytest.raises(AccountError, match=said):
            await mine.of("")


async def test_a_port_that_was_taken_can_be_had_later(tmp_path):
    ports = free_ports()
    async with accounts_of(tmp_path, ports=ports) as accounts:
        async with answering(b"", ports["queue"]):
            with pytest.raises(AccountError):
                await accounts.of("")

        account = await accounts.of("")

    assert account.is_embedded


async def test_a_closed_account_leaves_folder_and_ports_to_the_next(tmp_path):
    ports = free_ports()

    for _ in range(2):
        async with accounts_of(tmp_path, ports=ports) as accounts:
            assert (await accounts.of("")).is_embedded


# --- what cannot be used ----------------------------------------------------------------------


async def test_a_damaged_database_is_named(tmp_path):
    (tmp_path / "storage.db").write_bytes(b"this is no database" * 100)

    async with accounts_of(tmp_path) as accounts:
        with pytest.raises(AccountError, match=r"storage\.db"):
            await accounts.of("")


async def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("in the way")

    async with accounts_of(tmp_path / "file" / "data") as accounts:
        with pytest.raises(AccountError, match="--data FOLDER"):
            await accounts.of("")


async def test_without_the_sdk_the_way_to_it_is_told(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "triggerfish.storage.azure", None)

    async with accounts_of(tmp_path, {"X": "AccountName=acme;AccountKey=AAAA"}) as accounts:
        with pytest.raises(AccountError, match=r"X: .*pip install 'triggerfish\[azure\]'"):
            await accounts.of("X")


async def test_bad_further_accounts_are_named(tmp_path):
    async with accounts_of(tmp_path, {"AZURITE_ACCOUNTS": "no good"}) as accounts:
        with pytest.raises(AccountError, match="AZURITE_ACCOUNTS"):
            await accounts.of("")


# --- as the host opens them -------------------------------------------------------------------


@pytest.mark.parametrize(("timing", "announced"), [("local", True), ("azure", False)])
async def test_the_hosts_options_decide_where_and_how(tmp_path, timing, announced):
    (tmp_path / "host.json").write_text('{"version": "2.0"}')
    options = StartOptions(tmp_path, blob_port=0, queue_port=0, table_port=0, timing=timing)
    config = load_app_config(options, {})

    async with open_accounts(
        options, config, data=tmp_path / "data", clock=SystemClock(), log=print
    ) as accounts:
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
    async with open_accounts(
        seeded,
        load_app_config(seeded, {}),
        data=tmp_path / "data",
        clock=SystemClock(),
        log=lines.append,
    ) as accounts:
        account = await accounts.of("")
        [message] = await account.queues.peek("orders", count=5)

    assert message.text == "one"
    assert any("1 queue, 1 message" in line.message for line in lines)


async def test_a_seed_with_an_error_in_it_is_named(tmp_path, seeded):
    (tmp_path / "orders.jsonl").write_text("no json")
    async with open_accounts(
        seeded,
        load_app_config(seeded, {}),
        data=tmp_path / "data",
        clock=SystemClock(),
        log=print,
    ) as accounts:
        with pytest.raises(AccountError, match=r"orders\.jsonl, line 1: not JSON"):
            await accounts.of("")


async def test_a_seed_for_an_account_of_somebody_else_is_not_loaded_and_said_so(tmp_path, seeded):
    lines = []
    async with serving(tmp_path / "data") as (storage, _):
        async with open_accounts(
            seeded,
            load_app_config(seeded, {}),
            data=tmp_path / "data",
            clock=SystemClock(),
            log=lines.append,
        ) as accounts:
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

    config = load_app_config(options, {})
    async with open_accounts(
        options, config, data=tmp_path / "data", clock=SystemClock(), log=lambda line: None
    ) as accounts:
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


async def test_an_account_over_https_is_found_by_a_string_that_says_https(
    tmp_path: Path, tls: ssl.SSLContext
) -> None:
    ports = free_ports()
    settings = {"Mine": string_to(ports).replace("=http", "=https")}

    async with AsyncExitStack() as stack:
        place = Place(tmp_path, ports, tls=tls)
        accounts = Accounts(settings, place, stack, clock=SystemClock(), log=lambda line: None)
        account = await accounts.of("Mine")

    assert account.is_embedded


@pytest.mark.parametrize("address", ["0.0.0.0", "127.0.0.2"])
@pytest.mark.skipif(sys.platform != "linux", reason="has one loopback address only")
async def test_the_account_listens_where_it_is_told_to(tmp_path: Path, address: str) -> None:
    options = StartOptions(
        tmp_path, blob_port=0, queue_port=0, table_port=0, storage_address=address
    )
    config = load_app_config(options, {})

    async with open_accounts(
        options, config, data=tmp_path / "data", clock=SystemClock(), log=lambda line: None
    ) as accounts:
        await accounts.of("")
        _, writer = await asyncio.open_connection("127.0.0.2", accounts.served["blob"])
        writer.close()
