"""What a connection string lets a transfer reach, and what is said where it does not."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from azure.storage.blob import AccountSasPermissions, ResourceTypes, generate_account_sas
from click.testing import CliRunner

from triggerfish_storage.cli.storage import storage
from triggerfish_storage.protocol.accounts import DEFAULT_KEY
from triggerfish_storage.transfer.failure import TransferError

if TYPE_CHECKING:
    from conftest import Account, ExportFrom

ACCOUNT = "devstoreaccount1"

KILLED_WHILE_UNPACKING = """
import os, sys
from triggerfish_storage.cli.storage import storage
from triggerfish_storage.transfer import sources

sources.unpack = lambda *_: os._exit(1)
storage(["import", sys.argv[1], "--connection-string", sys.argv[2]])
"""


async def test_what_a_signature_does_not_allow_is_left_out_and_said(
    accounts: list[Account], made: Path, tmp_path: Path, export_from: ExportFrom
) -> None:
    one, _ = accounts
    await one.import_(made)
    token = generate_account_sas(
        ACCOUNT,
        DEFAULT_KEY,
        ResourceTypes(service=True, container=True, object=True),
        AccountSasPermissions(read=True, list=True),
        datetime.now(UTC) + timedelta(hours=1),
    )
    endpoint = f"http://127.0.0.1:{one.served.ports['blob']}/{ACCOUNT}"
    signed = f"BlobEndpoint={endpoint};SharedAccessSignature={token}"

    tally, left_out = await asyncio.to_thread(export_from, signed, tmp_path / "saved")

    assert (tally.blobs, tally.queues, tally.tables) == (2, 0, 0)
    assert "Left out, because the signature does not allow it: access policies." in left_out
    assert "The connection string names no queue service." in left_out


@pytest.mark.parametrize(
    ("string", "problem"),
    [
        ("nonsense", "has no '='"),
        (f"AccountName=a;AccountKey={DEFAULT_KEY};BlobEndpoint=http://127.0.0.1:9/a", "reached"),
    ],
)
def test_an_account_that_cannot_be_reached_ends_the_export_and_leaves_nothing(
    string: str, problem: str, tmp_path: Path, export_from: ExportFrom
) -> None:
    with pytest.raises(TransferError, match=problem):
        export_from(string, tmp_path / "saved")

    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
async def test_the_commands_take_a_connection_string(
    accounts: list[Account], made: Path, tmp_path: Path
) -> None:
    one, _ = accounts

    imported = await command("import", str(made), "--connection-string", one.string)
    exported = await command(
        "export", str(tmp_path / "saved.zip"), "--json", "--connection-string", one.string
    )
    wrong = await command("export", str(tmp_path / "x"), "--connection-string", "AccountName=a")

    assert imported[0] == 0
    assert "1 container, 2 blobs, 1 queue, 1 message, 1 table, 1 entity" in imported[2]
    assert json.loads(exported[1])["blobs"] == 2
    assert wrong[0] == 1
    assert "neither AccountKey nor SharedAccessSignature" in wrong[2]


async def command(*arguments: str) -> tuple[int | None, str, str]:
    """Run ``triggerfish storage``; return its exit code, and what it wrote."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "triggerfish_storage", *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    return process.returncode, out.decode(), err.decode()


@pytest.mark.parametrize("option", ["--data", "--account"])
def test_a_connection_string_stands_alone(option: str) -> None:
    arguments = ["export", "x", option, "y", "--connection-string", "UseDevelopmentStorage=true"]

    result = CliRunner().invoke(storage, arguments)

    assert result.exit_code == 2
    assert f"--connection-string names the account; leave {option} out." in result.output


@pytest.mark.slow
async def test_what_a_killed_import_unpacked_goes_with_the_next_one(
    accounts: list[Account], made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    archive = shutil.make_archive(str(tmp_path / "made"), "tar", made)
    killed = [sys.executable, "-c", KILLED_WHILE_UNPACKING, archive, accounts[0].string]
    await asyncio.to_thread(subprocess.run, killed, check=False)
    [left] = temporary.iterdir()
    os.utime(left, (0, 0))

    imported = await command("import", archive, "--connection-string", accounts[0].string)

    assert imported[0] == 0
    assert list(temporary.iterdir()) == []
