"""Where another process has the folder or the ports."""

from __future__ import annotations

import os
import socket

import pytest

from triggerfish.model import LogLevel, LogLine, PutMessage
from triggerfish.storage.account import AccountError
from triggerfish_storage.ownership import own
from triggerfish_storage.server import open_account, serve


async def test_a_folder_that_is_in_use_is_shared_through_its_owners_ports(tmp_path, accounts_of):
    log: list[LogLine] = []

    async with accounts_of(tmp_path) as owners, accounts_of(tmp_path, log=log) as others:
        owner, other = await owners.of(""), await others.of("")
        await other.apply([PutMessage("orders", "one")])

        [message] = await owner.queues.peek("orders", count=1)

    assert (message.text, other.is_embedded) == ("one", False)
    assert f"in use by process {os.getpid()}" in log[0].message
    assert "Using the storage account that answers on 127.0.0.1:" in log[1].message
    assert {line.level for line in log[:2]} == {LogLevel.WARNING}


async def test_an_owner_that_serves_over_https_is_used_whoever_signed_its_certificate(
    tmp_path, tls, accounts_of
):
    log: list[LogLine] = []

    async with (
        open_account(tmp_path) as storage,
        serve(storage, ports=dict.fromkeys(("blob", "queue", "table"), 0), tls=tls),
        accounts_of(tmp_path, log=log) as others,
    ):
        account = await others.of("")
        await account.queues.create("orders")
        await account.blobs.put("uploads", "a", b"content")

        assert storage.queues.exists("orders")
        assert (await account.blobs.get("uploads", "a")).content == b"content"
    assert not account.is_embedded
    assert "(Triggerfish-Blob" in log[1].message


@pytest.mark.parametrize("address", ["::1", "::", "0.0.0.0"])
@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6 here")
async def test_an_owner_is_reached_wherever_it_listens(tmp_path, accounts_of, address):
    async with (
        open_account(tmp_path) as storage,
        serve(storage, address=address, ports=dict.fromkeys(("blob", "queue", "table"), 0)),
        accounts_of(tmp_path) as others,
    ):
        account = await others.of("")
        await account.queues.create("orders")

        assert storage.queues.exists("orders")


async def test_a_folder_whose_owner_serves_nothing_cannot_be_used(tmp_path, accounts_of):
    with own(tmp_path, started="2024-01-01T00:00:00+00:00"):
        async with accounts_of(tmp_path) as accounts:
            with pytest.raises(AccountError, match=r"in use by .*--data FOLDER"):
                await accounts.of("")


async def test_a_storage_service_on_our_ports_is_used(tmp_path, accounts_of, serving):
    async with (
        serving(tmp_path / "a") as (storage, ports),
        accounts_of(tmp_path / "b", ports=ports) as accounts,
    ):
        account = await accounts.of("")
        await account.queues.create("orders")

        assert storage.queues.exists("orders")
        assert not account.is_embedded


async def test_another_server_on_our_ports_is_named(tmp_path, accounts_of, answering, with_port):
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
async def test_what_holds_a_port_is_described(
    tmp_path, reply, said, accounts_of, answering, with_port
):
    async with answering(reply) as port, accounts_of(tmp_path, ports=with_port(blob=port)) as mine:
        with pytest.raises(AccountError, match=said):
            await mine.of("")


async def test_a_port_that_was_taken_can_be_had_later(tmp_path, accounts_of, answering, with_port):
    ports = with_port()
    async with accounts_of(tmp_path, ports=ports) as accounts:
        async with answering(b"", ports["queue"]):
            with pytest.raises(AccountError):
                await accounts.of("")

        account = await accounts.of("")

    assert account.is_embedded


async def test_a_closed_account_leaves_folder_and_ports_to_the_next(
    tmp_path, accounts_of, with_port
):
    ports = with_port()

    for _ in range(2):
        async with accounts_of(tmp_path, ports=ports) as accounts:
            assert (await accounts.of("")).is_embedded
