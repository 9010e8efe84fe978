"""duplicity: full and incremental backups in volumes."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Account, Command, FindCommand

pytestmark = [pytest.mark.external, pytest.mark.slow]

INSTALL = "pip install --no-deps duplicity, then fasteners azure-storage-blob"
WHERE = "azure://backups"  # the container, which it creates


@pytest.fixture
def duplicity(find_command: FindCommand, account: Account, tmp_path: Path) -> Command:
    environment = {
        "AZURE_CONNECTION_STRING": account.connection_string,
        "HOME": str(tmp_path / "home"),
    }
    found = find_command("duplicity", INSTALL, environment)
    with Path(shutil.which("duplicity") or "").open(encoding="utf-8") as script:
        python = script.readline().removeprefix("#!").strip()
    client = [python, "-c", "import azure.storage.blob"]
    if subprocess.run(client, capture_output=True, check=False).returncode:
        pytest.skip(f"duplicity is here without the SDK: {INSTALL}")
    return found


def test_a_tree_is_backed_up_twice_verified_restored_and_forgotten(
    duplicity: Command, tree: Path, tmp_path: Path
) -> None:
    plain = ["--no-encryption", "--archive-dir", tmp_path / "cache"]
    duplicity("full", *plain, "--volsize", "1", tree, WHERE)
    (tree / "plain.txt").write_bytes(b"changed\n")
    os.utime(tree / "plain.txt", (1, 1))  # it compares times to the second
    (tree / "empty.bin").unlink()
    duplicity("incremental", *plain, tree, WHERE)

    assert " 0 difference" in duplicity("verify", *plain, "--compare-data", WHERE, tree)
    shutil.rmtree(tmp_path / "cache")  # what was there is read from the account again
    duplicity("restore", *plain, WHERE, tmp_path / "restored")
    files = [path.relative_to(tree) for path in tree.rglob("*") if path.is_file()]
    assert [(tmp_path / "restored" / file).read_bytes() for file in files] == [
        (tree / file).read_bytes() for file in files
    ]
    assert not (tmp_path / "restored" / "empty.bin").exists()

    duplicity("full", *plain, "--azure-max-single-put-size", "1000000", tree, WHERE)
    duplicity("remove-all-but-n-full", "1", *plain, "--force", WHERE)
    assert "Number of contained backup sets: 1" in duplicity("collection-status", *plain, WHERE)
