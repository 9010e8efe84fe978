"""What only the account behind the SDK does: errors of the network, keys, and waking."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from azure.storage.blob import AccountSasPermissions, ResourceTypes, generate_account_sas

from triggerfish.config.connections import (
    DEVELOPMENT_KEY,
    ConnectionString,
    Identity,
)
from triggerfish.model import LogLine, PutMessage
from triggerfish.storage.account import AccountError, Unavailable
from triggerfish.storage.azure import AzureAccount, open_azure
from triggerfish.storage.azure_clients import account_name, open_clients
from triggerfish.storage.recent import Recent
from triggerfish_storage.changes import Changes


@asynccontextmanager
async def opened(
    connection: ConnectionString | Identity, changes: Changes | None = None
) -> AsyncIterator[AzureAccount]:
    log: list[LogLine] = []
    async with open_azure(connection, changes=changes or Changes(), log=log.append) as account:
        yield account


@pytest.mark.slow
async def test_an_account_out_of_reach_is_unavailable(connection, unused_tcp_port):
    nowhere = replace(
        connection, queue_endpoint=f"http://127.0.0.1:{unused_tcp_port}/devstoreaccount1"
    )

    async with opened(nowhere) as account:
        with pytest.raises(Unavailable, match=f"'orders' of storage account .*{unused_tcp_port}"):
            await account.queues.take("orders", count=1, hide_for=timedelta(seconds=30))


async def test_a_wrong_key_is_said_to_be_one(connection):
    async with opened(replace(connection, account_key="AAAA")) as account:
        with pytest.raises(AccountError, match="AuthenticationFailed") as raised:
            await account.queues.create("orders")

    assert type(raised.value) is AccountError


async def test_a_shared_access_signature_is_enough(connection):
    token = generate_account_sas(
        "devstoreaccount1",
        DEVELOPMENT_KEY,
        ResourceTypes(service=True, container=True, object=True),
        AccountSasPermissions(read=True, write=True, list=True, add=True, create=True),
        expiry=datetime.now(UTC) + timedelta(hours=1),
        services="bq",
    )

    async with opened(replace(connection, account_key="", sas_token=token)) as account:
        await account.blobs.put("files", "a b", b"x")
        await account.queues.create("orders")
        found = await account.blobs.properties("files", "a b")

    assert found is not None
    assert found.uri == f"{connection.blob_endpoint}/files/a%20b"


@pytest.mark.parametrize("service", ["queue", "blob"])
async def test_a_service_that_the_connection_leaves_out_is_named(connection, service):
    async with opened(replace(connection, **{f"{service}_endpoint": ""})) as account:
        with pytest.raises(AccountError, match=f"Mine: .*{service.capitalize()}Endpoint"):
            await (
                account.queues.create("orders")
                if service == "queue"
                else account.blobs.put("files", "a", b"")
            )


async def test_a_message_put_here_wakes_who_waits_for_that_queue_name(connection):
    changes = Changes()

    async with opened(connection, changes) as account, opened(connection, changes) as other:
        with other.watch_queue("orders") as orders, other.watch_queue("others") as others:
            await account.apply([PutMessage("orders", "one")])

    assert orders.event.is_set()
    assert not others.event.is_set()


async def test_blobs_are_found_by_scans_only(connection):
    async with opened(connection) as account:
        with account.watch_container("files") as watch:
            await account.blobs.put("files", "a", b"")
        next_visible = await account.next_visible("orders", after=datetime.now(UTC))

    assert not watch.event.is_set()
    assert next_visible is None


async def test_the_sdk_is_silent(connection, caplog):
    with caplog.at_level(logging.INFO):
        async with opened(connection) as account:
            await account.queues.exists("missing")

    assert [record for record in caplog.records if record.name.startswith("azure")] == []


@pytest.mark.parametrize(
    ("endpoint", "name"),
    [
        ("https://acme.blob.core.windows.net", "acme"),
        ("http://127.0.0.1:10000/devstoreaccount1", "devstoreaccount1"),
        ("http://storage:10000/other", "other"),
    ],
)
async def test_an_account_without_a_name_is_called_as_its_address_says(endpoint, name):
    connection = Identity("X", blob_endpoint=endpoint, queue_endpoint="", table_endpoint="")

    assert account_name(connection) == name


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({}, "DefaultAzureCredential"),
        ({"credential": "managedidentity", "client_id": "c"}, "ManagedIdentityCredential"),
        ({"client_id": "c", "tenant_id": "t", "client_secret": "s"}, "ClientSecretCredential"),
    ],
)
async def test_an_identity_uses_what_its_settings_name(fields, kind):
    endpoint = "https://acme.blob.core.windows.net"
    identity = Identity("X", endpoint, "", "", **fields)

    async with open_clients(identity) as clients:
        assert type(clients.blobs().credential).__name__ == kind


def test_what_was_used_last_is_kept_longest():
    made: list[str] = []
    recent: Recent[str] = Recent(lambda name: made.append(name) or name)

    for number in range(256):
        assert recent[str(number)] == str(number)
    assert (recent["0"], recent["new"], recent["0"]) == ("0", "new", "0")
    assert made[256:] == ["new"]
    assert recent["1"] == "1"
    assert made[256:] == ["new", "1"]


def test_what_the_sdk_logs_is_not_printed() -> None:
    code = (
        "import logging, triggerfish.storage.azure_clients\n"
        "logging.getLogger('azure.identity.aio').warning('pages of advice')"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)

    assert (done.stdout, done.stderr) == (b"", b"")
