"""cloudpathlib: blobs as paths."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.request import urlopen

import pytest

if TYPE_CHECKING:
    from conftest import Account

pytestmark = [pytest.mark.external, pytest.mark.slow]


@pytest.fixture
def box(account: Account, tmp_path: Path) -> Any:
    """The container ``box`` as a path."""
    cloudpathlib = pytest.importorskip(
        "cloudpathlib", reason="cloudpathlib is not here: pip install cloudpathlib[azure]"
    )
    client = cloudpathlib.AzureBlobClient(
        connection_string=account.connection_string, local_cache_dir=tmp_path / "cache"
    )
    client.service_client.create_container("box")
    return client.CloudPath("az://box")


def test_files_are_written_found_copied_moved_and_deleted(box: Any) -> None:
    file = box / "folder" / "a b é.txt"
    file.write_text("text 🐟")

    file.copy(box / "folder" / "copied.txt")
    (box / "folder" / "copied.txt").rename(box / "moved.txt")

    assert (box / "moved.txt").read_text() == file.read_text() == "text 🐟"
    assert sorted(path.blob for path in box.rglob("*.txt")) == ["folder/a b é.txt", "moved.txt"]
    assert [path.name for path in box.iterdir() if path.is_dir()] == ["folder"]
    assert file.stat().st_size == len("text 🐟".encode())
    assert (file.exists(), file.parent.exists(), (box / "missing").exists()) == (True, True, False)
    (box / "folder").rmtree()
    assert [path.blob for path in box.rglob("*")] == ["moved.txt"]


def test_a_tree_goes_up_and_comes_down_as_it_was(box: Any, tree: Path, tmp_path: Path) -> None:
    (box / "tree").upload_from(tree)
    (box / "tree").download_to(tmp_path / "down")

    files = [path.relative_to(tree) for path in tree.rglob("*") if path.is_file()]
    assert [(tmp_path / "down" / file).read_bytes() for file in files] == [
        (tree / file).read_bytes() for file in files
    ]


def test_a_signed_url_reads_a_file_of_any_name(box: Any) -> None:
    file = box / "folder" / "a b é.txt"
    file.write_text("text")

    with urlopen(file.as_url(presign=True, expire_seconds=60)) as answer:
        assert answer.read() == b"text"
