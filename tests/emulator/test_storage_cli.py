"""``triggerfish storage`` as its users start it: a process of its own."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from triggerfish_storage.cli import serving
from triggerfish_storage.cli.options import Options
from triggerfish_storage.cli.storage import storage
from triggerfish_storage.client import StorageClient, connect
from triggerfish_storage.connection_string import parse_connection_string

ANYWHERE = ("--blob-port", "0", "--queue-port", "0", "--table-port", "0")


class Program:
    """A running ``triggerfish storage``, once it has said where it is."""

    def __init__(self, process: asyncio.subprocess.Process, greeting: str) -> None:
        self.process = process
        self.greeting = greeting

    @property
    def connection_string(self) -> str:
        return next(line for line in self.greeting.splitlines() if "AccountKey=" in line)

    @asynccontextmanager
    async def client(self) -> AsyncIterator[StorageClient]:
        async with connect(parse_connection_string(self.connection_string)) as client:
            yield client

    async def end(self, name: signal.Signals) -> int:
        self.process.send_signal(name)
        async with asyncio.timeout(20):
            return await self.process.wait()


async def launch(
    *arguments: str, env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> asyncio.subprocess.Process:
    kept = {n: v for n, v in os.environ.items() if not n.startswith(("TRIGGERFISH_", "AZURITE_"))}
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "triggerfish_storage",
        *arguments,
        env=kept | dict(env or {}),
        cwd=cwd,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


@asynccontextmanager
async def running(
    *arguments: str, env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> AsyncIterator[Program]:
    process = await launch(*arguments, env=env, cwd=cwd)
    assert process.stdout is not None
    try:
        greeting = ""
        async with asyncio.timeout(20):
            while "Ctrl-C" not in greeting:
                line = await process.stdout.readline()
                assert line, (greeting, await process.communicate())
                greeting += line.decode()
        yield Program(process, greeting)
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def refused(*arguments: str, env: Mapping[str, str] | None = None) -> str:
    """Return what a program that cannot run says, on one line and without a traceback."""
    process = await launch(*arguments, env=env)
    async with asyncio.timeout(20):
        out, err = await process.communicate()
    assert process.returncode == 1, (out, err)
    assert out == b""
    [line] = err.decode().strip().splitlines()
    return line


@pytest.mark.slow
@pytest.mark.parametrize("name", [signal.SIGINT, signal.SIGTERM])
async def test_it_says_where_it_is_and_ends_well(tmp_path: Path, name: signal.Signals) -> None:
    async with running(*ANYWHERE, cwd=tmp_path) as program:
        async with program.client() as client:
            await client.create_queue("orders")

        assert await program.end(name) == 0

    assert f"Data is kept in {tmp_path / '.triggerfish'}" in program.greeting
    assert "Queue service is successfully listening at http://127.0.0.1:" in program.greeting
    assert (tmp_path / ".triggerfish" / "storage.db").exists()


@pytest.mark.slow
async def test_silent_as_it_is_it_says_in_azurites_words_that_it_listens(tmp_path: Path) -> None:
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
async def test_each_service_may_listen_at_an_address_of_its_own(tmp_path: Path) -> None:
    arguments = (*ANYWHERE, "--data", str(tmp_path), "--queueHost", "127.0.0.2")
    async with running(*arguments) as program, program.client() as client:
        await client.create_queue("orders")

        endpoint = parse_connection_string(program.connection_string).endpoint("queue")
        assert endpoint.startswith("http://127.0.0.2:")


@pytest.mark.slow
async def test_the_environment_says_the_same_as_the_options(tmp_path: Path) -> None:
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
async def test_a_second_program_on_the_same_folder_stops(tmp_path: Path) -> None:
    async with running(*ANYWHERE, "--data", str(tmp_path)) as program:
        message = await refused(*ANYWHERE, "--data", str(tmp_path))

    assert f"in use by process {program.process.pid}" in message
    assert "--data" in message


@pytest.mark.slow
async def test_a_taken_port_is_named(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        message = await refused(*ANYWHERE, "--in-memory", "--queue-port", port)

    assert port in message
    assert "--queue-port" in message


@pytest.mark.slow
async def test_a_corrupt_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "storage.db").write_bytes(b"no database" * 1000)

    assert "storage.db: not a usable database" in await refused(*ANYWHERE, "-l", str(tmp_path))


@pytest.mark.slow
async def test_bad_accounts_are_named() -> None:
    env = {"AZURITE_ACCOUNTS": "Bad Name:a2V5"}

    assert "AZURITE_ACCOUNTS: 'Bad Name'" in await refused(*ANYWHERE, "--in-memory", env=env)


@pytest.mark.slow
async def test_what_was_acknowledged_before_a_kill_is_there_afterwards(tmp_path: Path) -> None:
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


# --- the command line -------------------------------------------------------------------------


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Options]:
    """What the program would have been started with."""
    seen: list[Options] = []

    async def run(options: Options) -> str:
        seen.append(options)
        return ""

    monkeypatch.setattr(serving, "_run", run)
    monkeypatch.setattr(serving, "_log_to", lambda *_, **__: None)
    return seen


def invoke(*arguments: str) -> Any:
    return CliRunner().invoke(storage, arguments)


def test_azurites_command_line_is_understood(started: list[Options], tmp_path: Path) -> None:
    result = invoke(
        *("--silent", "--location", str(tmp_path), "--debug", str(tmp_path / "debug.log")),
        *("--blobHost", "0.0.0.0", "--blobPort", "1", "--queueHost", "::", "--queuePort", "2"),
        *("--tableHost", "0.0.0.0", "--tablePort", "3", "--loose", "--skipApiVersionCheck"),
        *("--disableProductStyleUrl", "--disableTelemetry", "--extentMemoryLimit", "1.5"),
        *("--oauth", "basic", "--blobKeepAliveTimeout", "5"),
    )

    assert result.exit_code == 0, result.output
    [options] = started
    assert (options.ports["blob"], options.ports["queue"]) == (1, 2)
    assert (options.addresses["blob"], options.addresses["queue"]) == ("0.0.0.0", "::")
    assert (options.folder, options.is_silent, options.accepts_bearer) == (tmp_path, True, True)


def test_the_defaults_are_the_well_known_ports_on_this_machine(started: list[Options]) -> None:
    assert invoke().exit_code == 0

    [options] = started
    assert (options.ports["blob"], options.ports["queue"]) == (10000, 10001)
    assert set(options.addresses.values()) == {"127.0.0.1"}
    assert options.folder == Path(".triggerfish")
    assert options.tls is None


def test_the_archive_takes_as_long_as_it_is_told_to(started: list[Options]) -> None:
    assert invoke().exit_code == 0
    assert invoke("--rehydrate-after", "0.5").exit_code == 0

    assert [one.rehydrates_after for one in started] == [timedelta(), timedelta(seconds=0.5)]
    assert invoke("--rehydrate-after", "-1").exit_code == 2


def test_in_memory_has_no_folder(started: list[Options]) -> None:
    assert invoke("--inMemoryPersistence").exit_code == 0

    assert started[0].folder is None


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("--blob-port", "70000"), "--blob-port"),
        (("--queuePort", "x"), "--queuePort"),
        (("--durability", "some"), "--durability"),
        (("--key", __file__), "--key needs the certificate"),
        (("--cert", __file__), "no PFX file that --pwd opens, and no PEM file"),
        (("--nonsense",), "--nonsense"),
    ],
)
def test_a_wrong_option_is_named(
    started: list[Options], arguments: tuple[str, ...], problem: str
) -> None:
    result = invoke(*arguments)

    assert result.exit_code == 2
    assert problem in result.output
    assert started == []


def test_every_option_has_its_environment_variable() -> None:
    for parameter in storage.params:
        if parameter.name not in ("version", "help"):
            variables = parameter.envvar
            assert variables
            for variable in [variables] if isinstance(variables, str) else variables:
                assert variable.startswith("TRIGGERFISH_")


def test_every_variable_says_the_same_as_its_option(
    started: list[Options], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "TRIGGERFISH_BLOB_HOST": "::1",
        "TRIGGERFISH_QUEUE_PORT": "5",
        "TRIGGERFISH_LOCATION": str(tmp_path / "here"),
        "TRIGGERFISH_SEED": str(tmp_path / "seed"),
        "TRIGGERFISH_DURABILITY": "full",
        "TRIGGERFISH_SILENT": "true",
        "TRIGGERFISH_OAUTH": "basic",
        "TRIGGERFISH_LOOSE": "1",
        "TRIGGERFISH_SKIP_API_VERSION_CHECK": "1",
        "TRIGGERFISH_EXTENT_MEMORY_LIMIT": "512",
        "TRIGGERFISH_BLOB_KEEP_ALIVE_TIMEOUT": "5",
    }.items():
        monkeypatch.setenv(name, value)

    assert invoke().exit_code == 0

    [options] = started
    assert (options.addresses["blob"], options.ports["queue"]) == ("::1", 5)
    assert (options.folder, options.seed) == (tmp_path / "here", tmp_path / "seed")
    assert (options.durability, options.is_silent, options.accepts_bearer) == ("full", True, True)


def test_a_variable_for_in_memory_counts_under_both_names(
    started: list[Options], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRIGGERFISH_IN_MEMORY_PERSISTENCE", "1")

    assert invoke().exit_code == 0

    assert started[0].folder is None


@pytest.mark.slow
async def test_requests_are_logged_to_a_debug_file_in_a_folder_that_is_not_there_yet(
    tmp_path: Path,
) -> None:
    arguments = ("-l", str(tmp_path / "new"), "-d", str(tmp_path / "new" / "debug.log"))
    async with running(*ANYWHERE, *arguments) as program, program.client() as client:
        await client.create_queue("orders")
        assert await program.end(signal.SIGTERM) == 0

    assert "/devstoreaccount1/orders 201" in (tmp_path / "new" / "debug.log").read_text()


@pytest.mark.slow
async def test_a_debug_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "debug.log").mkdir()
    process = await launch("--in-memory", "--debug", str(tmp_path / "debug.log"))
    async with asyncio.timeout(20):
        _, error = await process.communicate()

    assert process.returncode == 2
    assert b"debug.log: Is a directory" in error


@pytest.mark.parametrize("flag", ["-v", "--version", "version"])
def test_it_tells_its_version_alone(flag: str) -> None:
    result = invoke(flag)

    assert result.exit_code == 0
    assert result.output[0].isdigit()


def test_help_is_a_command_too() -> None:
    assert invoke("help").output == invoke("--help").output


def test_help_does_without_what_only_running_needs() -> None:
    program = (
        "import sys\n"
        "from triggerfish_storage.cli.storage import storage\n"
        "try: storage(['--help'])\n"
        "except SystemExit as end: assert not end.code\n"
        "heavy = {'asyncio', 'rich', 'sqlite3', 'triggerfish_storage.server'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )

    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=False
    )

    assert ended.returncode == 0, ended.stderr
