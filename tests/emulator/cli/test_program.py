"""``triggerfish storage`` as its users start it: a process of its own."""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from triggerfish_storage.client import StorageClient, connect
from triggerfish_storage.connection_string import parse_connection_string
from triggerfish_storage.signed_requests import Request, signing

if TYPE_CHECKING:
    from conftest import Launch, Running

ANYWHERE = ("--blob-port", "0", "--queue-port", "0", "--table-port", "0")


@pytest.fixture
def problem(launch: Launch) -> Callable[..., Awaitable[str]]:
    """Return what a program that cannot run says, on one line and without a traceback."""

    async def said(*arguments: str, env: Mapping[str, str] | None = None) -> str:
        process = await launch(*arguments, env=env)
        async with asyncio.timeout(20):
            out, err = await process.communicate()
        assert process.returncode == 1, (out, err)
        assert out == b""
        [line] = err.decode().strip().splitlines()
        return line

    return said


@pytest.mark.slow
@pytest.mark.parametrize("name", [signal.SIGINT, signal.SIGTERM])
async def test_it_says_where_it_is_and_ends_well(
    tmp_path: Path, name: signal.Signals, running: Running
) -> None:
    async with running(*ANYWHERE, cwd=tmp_path) as program:
        async with program.client() as client:
            await client.create_queue("orders")

        assert await program.end(name) == 0

    assert f"Data is kept in {tmp_path / '.triggerfish'}" in program.greeting
    assert "Queue service is successfully listening at http://127.0.0.1:" in program.greeting
    assert (tmp_path / ".triggerfish" / "storage.db").exists()


@pytest.mark.slow
async def test_a_second_signal_does_not_wait_for_a_client_that_is_stuck(
    tmp_path: Path, running: Running
) -> None:
    async with running(*ANYWHERE, "--data", str(tmp_path)) as program:
        connection = parse_connection_string(program.connection_string)
        async with program.client() as client, signing(connection) as requests:
            await client.create_container("data")
            await client.put_blob("data", "large", bytes(50_000_000))
            async with requests.opened(Request("blob", "GET", "/data/large")) as answer:
                await answer.read(1)  # and no more

                program.process.send_signal(signal.SIGINT)
                await closed(connection.endpoint("queue"))
                assert program.process.returncode is None

                assert await program.end(signal.SIGINT) == 130


async def closed(endpoint: str) -> None:
    """Wait until nobody listens any more."""
    url = urlsplit(endpoint)
    with suppress(ConnectionError):
        while True:
            _, writer = await asyncio.open_connection(url.hostname, url.port)
            writer.close()


@pytest.mark.slow
async def test_silent_as_it_is_it_says_in_azurites_words_that_it_listens(
    tmp_path: Path, launch: Launch
) -> None:
    process = await launch(*ANYWHERE, "--silent", "--data", str(tmp_path))
    assert process.stdout is not None
    async with asyncio.timeout(20):
        lines = [(await process.stdout.readline()).decode() for _ in ("blob", "queue", "table")]
        process.send_signal(signal.SIGTERM)
        rest = await process.communicate()

    for service, line in zip(("Blob", "Queue", "Table"), lines, strict=True):
        assert line.startswith(f"{service} service is successfully listening at http://127.0.0.1:")
    assert rest == (b"", b"")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "darwin", reason="127.0.0.1 is the only address there")
async def test_each_service_may_listen_at_an_address_of_its_own(
    tmp_path: Path, running: Running
) -> None:
    arguments = (*ANYWHERE, "--data", str(tmp_path), "--queueHost", "127.0.0.2")
    async with running(*arguments) as program, program.client() as client:
        await client.create_queue("orders")

        endpoint = parse_connection_string(program.connection_string).endpoint("queue")
        assert endpoint.startswith("http://127.0.0.2:")


@pytest.mark.slow
async def test_the_environment_says_the_same_as_the_options(
    tmp_path: Path, running: Running
) -> None:
    env = {
        "TRIGGERFISH_BLOB_PORT": "0",
        "TRIGGERFISH_QUEUE_PORT": "0",
        "TRIGGERFISH_TABLE_PORT": "0",
        "TRIGGERFISH_DATA": str(tmp_path / "elsewhere"),
        "AZURITE_ACCOUNTS": "other:a2V5",
    }
    async with running(env=env) as program:
        queue = parse_connection_string(program.connection_string).endpoint("queue")
        text = f"AccountName=other;AccountKey=a2V5;QueueEndpoint={queue.rpartition('/')[0]}/other"
        async with connect(parse_connection_string(text)) as client:
            assert await client.create_queue("orders") is True

    assert (tmp_path / "elsewhere" / "storage.db").exists()


@pytest.mark.slow
async def test_a_second_program_on_the_same_folder_stops(
    tmp_path: Path, running: Running, problem: Callable[..., Awaitable[str]]
) -> None:
    async with running(*ANYWHERE, "--data", str(tmp_path)) as program:
        message = await problem(*ANYWHERE, "--data", str(tmp_path))

    assert f"in use by process {program.process.pid}" in message
    assert "--data" in message


@pytest.mark.slow
async def test_a_taken_port_is_named(
    tmp_path: Path, problem: Callable[..., Awaitable[str]]
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        message = await problem(*ANYWHERE, "--in-memory", "--queue-port", port)

    assert port in message
    assert "--queue-port" in message


@pytest.mark.slow
async def test_a_corrupt_database_is_named(
    tmp_path: Path, problem: Callable[..., Awaitable[str]]
) -> None:
    (tmp_path / "storage.db").write_bytes(b"no database" * 1000)

    assert "storage.db: not a usable database" in await problem(*ANYWHERE, "-l", str(tmp_path))


@pytest.mark.slow
async def test_bad_accounts_are_named(problem: Callable[..., Awaitable[str]]) -> None:
    env = {"AZURITE_ACCOUNTS": "Bad Name:a2V5"}

    assert "AZURITE_ACCOUNTS: 'Bad Name'" in await problem(*ANYWHERE, "--in-memory", env=env)


@pytest.mark.slow
async def test_what_was_acknowledged_before_a_kill_is_there_afterwards(
    tmp_path: Path, running: Running
) -> None:
    arguments = (*ANYWHERE, "--data", str(tmp_path))
    async with running(*arguments) as program, program.client() as client:
        await client.create_queue("orders")
        await client.create_container("uploads")
        async with asyncio.TaskGroup() as group:
            for worker in range(20):
                group.create_task(_put_fifty(client, worker))
        taken = [message for _ in range(4) for message in await client.get_messages("orders", 32)][
            :100
        ]
        for message in taken:
            await client.delete_message("orders", message.id, message.pop_receipt)
        await program.end(signal.SIGKILL)

    async with running(*arguments) as program, program.client() as client:
        assert await client.count_messages("orders") == 900
        assert len([blob async for blob in client.blobs("uploads")]) == 200
        for number in range(200):
            content = await client.get_blob("uploads", f"{number // 10}-{number % 10}")
            assert content == b"%d" % (number % 10) * 1000


async def _put_fifty(client: StorageClient, worker: int) -> None:
    for number in range(50):
        await client.put_message("orders", f"{worker}-{number}")
        if number < 10:
            await client.put_blob("uploads", f"{worker}-{number}", b"%d" % number * 1000)


@pytest.mark.slow
async def test_requests_are_logged_to_a_debug_file_in_a_folder_that_is_not_there_yet(
    tmp_path: Path,
    running: Running,
) -> None:
    arguments = ("-l", str(tmp_path / "new"), "-d", str(tmp_path / "new" / "debug.log"))
    async with running(*ANYWHERE, *arguments) as program, program.client() as client:
        await client.create_queue("orders")
        assert await program.end(signal.SIGTERM) == 0

    assert "/devstoreaccount1/orders 201" in (tmp_path / "new" / "debug.log").read_text()


@pytest.mark.slow
async def test_a_variable_can_say_that_nothing_is_to_be_debugged(
    tmp_path: Path, running: Running
) -> None:
    env = {"TRIGGERFISH_DEBUG": "false"}
    async with running(*ANYWHERE, env=env, cwd=tmp_path) as program:
        assert await program.end(signal.SIGTERM) == 0
        assert program.process.stderr is not None
        assert await program.process.stderr.read() == b""

    assert not (tmp_path / "false").exists()


@pytest.mark.slow
async def test_other_accounts_are_told_and_keys_that_are_not_public_are_not(
    running: Running,
) -> None:
    env = {"AZURITE_ACCOUNTS": "devstoreaccount1:c2VjcmV0;mine:a2V5;yours:a2V5"}
    async with running(*ANYWHERE, "--in-memory", env=env) as program:
        greeting = program.greeting

    assert "devstoreaccount1 has the keys that AZURITE_ACCOUNTS gives it." in greeting
    assert "More accounts, with their names in the addresses: mine, yours" in greeting
    assert "AccountKey" not in greeting


@pytest.mark.slow
async def test_a_debug_file_that_cannot_be_written_is_named(tmp_path: Path, launch: Launch) -> None:
    (tmp_path / "debug.log").mkdir()
    process = await launch("--in-memory", "--debug", str(tmp_path / "debug.log"))
    async with asyncio.timeout(20):
        _, error = await process.communicate()

    assert process.returncode == 2
    assert b"debug.log: Is a directory" in error
