"""Which account a connection means."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from triggerfish.config.errors import ConfigError
from triggerfish.model import PutMessage
from triggerfish.storage.azure import AzureAccount
from triggerfish.storage.choose import Accounts
from triggerfish.storage.embedded import EmbeddedAccount
from triggerfish.storage.place import Place
from triggerfish_storage.clock import SystemClock


@pytest.mark.parametrize("settings", [{}, {"AzureWebJobsStorage": "UseDevelopmentStorage=true"}])
async def test_without_another_account_it_is_the_embedded_one(tmp_path, settings, accounts_of):
    async with accounts_of(tmp_path, settings) as accounts:
        account = await accounts.of("")

    assert isinstance(account, EmbeddedAccount)
    assert (account.name, account.is_embedded) == ("devstoreaccount1", True)


async def test_one_connection_is_opened_once_whatever_names_it(tmp_path, accounts_of):
    settings = {"Mine": "UseDevelopmentStorage=true"}

    async with accounts_of(tmp_path, settings) as accounts:
        found = [await accounts.of(name) for name in ("", "AzureWebJobsStorage", "Mine")]

    assert found[0] is found[1] is found[2]


async def test_many_who_ask_at_once_get_the_same_account(tmp_path, accounts_of):
    async with accounts_of(tmp_path) as accounts:
        found = await asyncio.gather(*(accounts.of("") for _ in range(5)))

    assert len({id(account) for account in found}) == 1


async def test_the_embedded_account_is_served_to_others(
    tmp_path, accounts_of, with_port, string_to
):
    ports = with_port()

    async with accounts_of(tmp_path / "a", ports=ports) as accounts:
        account = await accounts.of("")
        await account.apply([PutMessage("orders", "one")])
        async with accounts_of(tmp_path / "b", {"X": string_to(ports)}) as others:
            [message] = await (await others.of("X")).queues.peek("orders", count=1)

    assert message.text == "one"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_a_connection_string_to_our_own_ports_is_the_embedded_account(
    tmp_path, host, accounts_of, with_port, string_to
):
    ports = with_port()
    settings = {"AzureWebJobsStorage": string_to(ports, host)}

    async with accounts_of(tmp_path, settings, ports) as accounts:
        account = await accounts.of("")

    assert account.is_embedded


@pytest.mark.parametrize("key", ["AAAA", ""])
async def test_another_key_or_port_is_another_account(
    tmp_path, key, accounts_of, with_port, string_to
):
    ports = with_port()
    elsewhere = {service: port + 1 for service, port in ports.items()}
    text = string_to(ports, key=key) if key else string_to(elsewhere)

    async with accounts_of(tmp_path, {"X": text}, ports) as accounts:
        account = await accounts.of("X")

    assert isinstance(account, AzureAccount)
    assert not account.is_embedded


async def test_a_real_account_opens_nothing_here(tmp_path, accounts_of):
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


async def test_the_folder_of_a_host_with_a_real_account_is_hidden_from_git(tmp_path, accounts_of):
    settings = {"AzureWebJobsStorage": "AccountName=acme;AccountKey=AAAA"}

    async with accounts_of(tmp_path / "data", settings) as accounts:
        await accounts.of("")
        accounts.claim_folder()

    assert (tmp_path / "data" / ".gitignore").read_text() == "*\n"


async def test_a_connection_that_is_not_there_names_its_setting(tmp_path, accounts_of):
    async with accounts_of(tmp_path) as accounts:
        with pytest.raises(ConfigError, match="'AzureWebJobsMissing' does not exist"):
            await accounts.of("Missing")


async def test_an_identity_reaches_an_emulator_with_its_published_key(
    tmp_path, accounts_of, serving
):
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


async def test_an_account_over_https_is_found_by_a_string_that_says_https(
    tmp_path: Path, tls: ssl.SSLContext, with_port, string_to
) -> None:
    ports = with_port()
    settings = {"Mine": string_to(ports).replace("=http", "=https")}

    async with AsyncExitStack() as stack:
        place = Place(tmp_path, ports, tls=tls)
        accounts = Accounts(settings, place, stack, clock=SystemClock(), log=lambda line: None)
        account = await accounts.of("Mine")

    assert account.is_embedded
