"""``triggerfish storage export|import|snapshot|restore``, as scripts call them."""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from triggerfish_storage.cli.storage import storage
from triggerfish_storage.data_folder import CONTROL_FILE
from triggerfish_storage.testing import ManualClock

if TYPE_CHECKING:
    from conftest import Open, Running

ANYWHERE = ("--blob-port", "0", "--queue-port", "0", "--table-port", "0")


def invoke(*arguments: str | Path) -> Any:
    return CliRunner().invoke(storage, [str(one) for one in arguments])


@pytest.fixture
async def data(clock: ManualClock, tmp_path: Path, opened: Open) -> Path:
    async with opened(tmp_path / "data", clock) as account:
        await account.blobs.create_container("uploads", now=clock.now())
        await account.blobs.put("uploads", "a.csv", b"content", now=clock.now())
    return tmp_path / "data"


async def test_export_and_import_tell_what_they_did(data: Path, tmp_path: Path) -> None:
    exported = invoke("export", tmp_path / "saved", "--data", data)
    imported = invoke("import", tmp_path / "saved", "--data", tmp_path / "two")

    assert (exported.exit_code, exported.stdout) == (0, "")
    assert "Exported devstoreaccount1 to" in exported.stderr
    assert "1 container, 1 blob" in exported.stderr
    assert (imported.exit_code, imported.stdout) == (0, "")
    assert "Imported into devstoreaccount1: 1 container, 1 blob" in imported.stderr


async def test_json_is_one_document_on_stdout(data: Path, tmp_path: Path) -> None:
    exported = invoke("--data", data, "export", tmp_path / "saved.zip", "--json")
    imported = invoke(
        "import", tmp_path / "saved.zip", "-l", tmp_path / "two", "--dry-run", "--json"
    )
    taken = invoke("snapshot", "one", "--data", data, "--json")
    listed = invoke("snapshot", "--data", data, "--json")

    counts = {"containers": 1, "blobs": 1, "bytes": 7, "messages": 0}
    assert json.loads(exported.stdout).items() >= counts.items()
    assert json.loads(imported.stdout).items() >= {**counts, "dryRun": True}.items()
    assert json.loads(taken.stdout)["name"] == "one"
    assert [one["name"] for one in json.loads(listed.stdout)] == ["one"]


async def test_snapshots_go_by_name(data: Path) -> None:
    for arguments, said in (
        (["snapshot"], "there are no snapshots"),
        (["snapshot", "one"], "Snapshot one was taken"),
        (["restore", "one"], "Snapshot one was put back"),
        (["snapshot", "one", "--delete"], "Snapshot one was removed"),
    ):
        result = invoke(*arguments, "--data", data)
        assert result.exit_code == 0, result.output
        assert said in result.stderr


async def test_a_snapshot_says_with_which_command_it_is_put_back(data: Path) -> None:
    taken = invoke("snapshot", "my state", "--data", data)

    command = taken.stderr.strip().partition("Put it back with: triggerfish storage ")[2]
    assert invoke(*shlex.split(command)).exit_code == 0


async def test_a_snapshot_makes_an_account_elsewhere(data: Path, tmp_path: Path) -> None:
    invoke("snapshot", "one", "--data", data)

    made = invoke("restore", data / "snapshots" / "one", "--data", tmp_path / "two")

    assert made.exit_code == 0, made.output
    assert (tmp_path / "two" / "storage.db").exists()
    assert (tmp_path / "two" / ".gitignore").read_text() == "*\n"


async def test_removing_a_snapshot_answers_in_json_too(data: Path) -> None:
    invoke("snapshot", "one", "--data", data)

    removed = invoke("snapshot", "one", "--delete", "--json", "--data", data)

    path = str(data / "snapshots" / "one")
    assert json.loads(removed.stdout) == {"name": "one", "path": path}


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("import", "missing"), "missing: there is no such file or folder"),
        (("restore", "missing"), "there is no such snapshot"),
        (("snapshot", "missing", "--delete"), "there is no such snapshot"),
        (("snapshot", ".."), "no name of a snapshot"),
        (("export", "out.7z"), "out.7z: archives of this kind are not written"),
        (("export", "out.tar.xz"), "end in .tar, .tar.gz, .tgz or .zip, or name a folder"),
        (("export", "out", "--account", "nobody"), "no account 'nobody'; there is: devstore"),
    ],
)
async def test_what_cannot_be_done_is_said_on_one_line(
    data: Path, arguments: tuple[str, ...], problem: str
) -> None:
    result = invoke(*arguments, "--data", data)

    assert result.exit_code == 1
    assert problem in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize(
    "arguments", [("import", "missing"), ("snapshot", "one"), ("restore", "one")]
)
def test_what_cannot_be_done_makes_no_folder(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    assert invoke(*arguments, "--data", tmp_path / "typo").exit_code == 1

    assert not (tmp_path / "typo").exists()


def test_an_import_makes_a_folder_hidden_from_git_and_a_dry_one_makes_none(tmp_path: Path) -> None:
    (tmp_path / "orders.jsonl").write_text('{"body": "one"}')
    command = ("import", tmp_path / "orders.jsonl", "--data", tmp_path / "data", "--json")

    dry = invoke(*command, "--dry-run")
    assert json.loads(dry.stdout)["messages"] == 1
    assert not (tmp_path / "data").exists()

    assert json.loads(invoke(*command).stdout)["messages"] == 1
    assert (tmp_path / "data" / ".gitignore").read_text() == "*\n"


def test_an_account_that_nobody_can_address_gets_nothing(tmp_path: Path) -> None:
    (tmp_path / "orders.jsonl").write_text('{"body": "one"}')

    result = invoke("import", tmp_path / "orders.jsonl", "--account", "Shop", "--data", tmp_path)

    assert result.exit_code == 2
    assert "--account: 'Shop' is no account name; 3 to 24 lower-case letters" in result.stderr


async def test_one_of_several_accounts_has_to_be_chosen(
    data: Path, clock: ManualClock, tmp_path: Path, opened: Open
) -> None:
    async with opened(data, clock) as account:
        await account.queues_of("other").create("orders")

    unclear = invoke("export", tmp_path / "saved", "--data", data)
    chosen = invoke("export", tmp_path / "saved", "--data", data, "--account", "other", "--json")

    assert unclear.exit_code == 1
    assert "choose with --account: devstoreaccount1, other" in unclear.stderr
    assert json.loads(chosen.stdout)["queues"] == 1


async def test_an_owner_that_takes_no_requests_is_named(
    data: Path, clock: ManualClock, tmp_path: Path, opened: Open
) -> None:
    invoke("export", tmp_path / "saved", "--data", data)
    invoke("snapshot", "one", "--data", data)

    async with opened(data, clock):
        (data / CONTROL_FILE).unlink()
        for arguments in (("import", tmp_path / "saved"), ("restore", "one")):
            result = invoke(*arguments, "--data", data)
            assert result.exit_code == 1
            assert "in use by process" in result.stderr


@pytest.mark.slow
async def test_a_running_program_is_seeded_exported_and_kept(
    tmp_path: Path, running: Running
) -> None:
    (tmp_path / "seed" / "uploads").mkdir(parents=True)
    (tmp_path / "seed" / "uploads" / "a.csv").write_text("x,y")
    arguments = (*ANYWHERE, "--data", str(tmp_path / "data"))
    env = {"TRIGGERFISH_SEED": str(tmp_path / "seed")}
    async with running(*arguments, env=env) as program, program.client() as client:
        assert "seed: 1 container, 1 blob" in program.greeting
        assert await client.get_blob("uploads", "a.csv") == b"x,y"
        await client.create_queue("orders")
        await client.put_message("orders", "one")

        assert invoke("export", tmp_path / "saved", "--data", tmp_path / "data").exit_code == 0
        assert invoke("snapshot", "now", "--data", tmp_path / "data").exit_code == 0

        await client.put_blob("uploads", "b.csv", b"later")
        restored = invoke("restore", "now", "--data", tmp_path / "data")
        assert restored.exit_code == 0, restored.output
        assert [blob.name async for blob in client.blobs("uploads")] == ["a.csv"]
        source = tmp_path / "more" / "uploads"
        source.mkdir(parents=True)
        (source / "c.csv").write_text("c")
        imported = invoke("import", tmp_path / "more", "--data", tmp_path / "data", "--json")
        assert json.loads(imported.stdout)["blobs"] == 1
        assert await client.get_blob("uploads", "c.csv") == b"c"

    [line] = (tmp_path / "saved" / "queues" / "orders.jsonl").read_text().splitlines()
    assert json.loads(line)["text"] == "one"
    assert invoke("restore", "now", "--data", tmp_path / "data").exit_code == 0


@pytest.mark.slow
async def test_an_account_in_memory_can_be_exported_from_the_folder_that_is_told(
    tmp_path: Path,
    running: Running,
) -> None:
    async with running(*ANYWHERE, "--in-memory") as program, program.client() as client:
        await client.create_queue("orders")
        [line] = [line for line in program.greeting.splitlines() if line.startswith("Data")]
        folder = line.removeprefix("Data is kept in").partition("(")[0].strip()

        result = invoke("export", tmp_path / "saved", "--data", folder)

    assert result.exit_code == 0, result.output
    assert (tmp_path / "saved" / "queues" / "orders.jsonl").exists()


@pytest.mark.slow
@pytest.mark.parametrize("name", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_ends_an_export_and_leaves_nothing_half(
    data: Path, clock: ManualClock, tmp_path: Path, name: signal.Signals
) -> None:
    ended, error = await _ended_at_work(name, tmp_path, "export", tmp_path / "saved", data)

    assert ended not in (0, -name)
    assert b"Traceback" not in error
    assert not (data / "scratch").exists()
    assert _names(tmp_path) == {"data", "gate"}


@pytest.mark.slow
async def test_what_a_killed_snapshot_left_elsewhere_is_removed_by_the_next_one_there(
    data: Path, tmp_path: Path
) -> None:
    place = tmp_path / "kept"
    await _ended_at_work(signal.SIGKILL, tmp_path, "snapshot", place, data)
    assert len(_names(tmp_path)) == len({"data", "gate", "what it left"})

    result = invoke("snapshot", place, "--data", data)

    assert result.exit_code == 0, result.output
    assert _names(tmp_path) == {"data", "gate", "kept"}


@pytest.mark.slow
@pytest.mark.parametrize("target", ["saved", "saved.tar.gz", "saved.zip"])
async def test_what_a_killed_export_left_is_removed_by_the_next_one_to_that_place(
    data: Path, clock: ManualClock, tmp_path: Path, target: str
) -> None:
    await _ended_at_work(signal.SIGKILL, tmp_path, "export", tmp_path / target, data)
    assert len(_names(tmp_path)) == len({"data", "gate", "what it left"})

    result = invoke("export", tmp_path / target, "--data", data)

    assert result.exit_code == 0, result.output
    assert not (data / "scratch").exists()
    assert _names(tmp_path) == {"data", "gate", target}


async def _ended_at_work(
    name: signal.Signals, folder: Path, command: str, target: Path, data: Path
) -> tuple[int, bytes]:
    """End a command by a signal in the middle of its work; return exit code and stderr."""
    gate = folder / "gate"
    os.mkfifo(gate)
    script = (
        "import sys\n"
        "from triggerfish_storage.transfer import exporting, snapshots\n"
        "from triggerfish_storage.cli.storage import storage\n"
        f"exporting.iso = snapshots.iso = lambda _: open({str(gate)!r}).read()\n"  # waits there
        "storage(sys.argv[1:])\n"
    )
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", script, command, str(target), "--data", str(data)),
        stderr=asyncio.subprocess.PIPE,
    )
    descriptor = await asyncio.to_thread(os.open, gate, os.O_WRONLY)
    process.send_signal(name)
    _, error = await process.communicate()
    os.close(descriptor)
    assert process.returncode is not None
    return process.returncode, error


def _names(folder: Path) -> set[str]:
    return {one.name for one in folder.iterdir()}
