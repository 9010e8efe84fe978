"""adlfs, the fsspec file system: listings, whole trees, open files of every mode, pandas on top."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from conftest import Account

pytestmark = [
    pytest.mark.external,
    pytest.mark.slow,
    pytest.mark.filterwarnings("default"),  # those of code that is not ours
]


@pytest.fixture
def files(account: Account) -> Any:
    adlfs = pytest.importorskip("adlfs", reason="adlfs is not here: pip install adlfs")
    system = adlfs.AzureBlobFileSystem(
        connection_string=account.connection_string, skip_instance_cache=True
    )
    system.mkdir("box")
    return system


def test_a_tree_goes_up_and_comes_down_as_it_was(files: Any, tree: Path, tmp_path: Path) -> None:
    names = {str(path.relative_to(tree)) for path in tree.rglob("*") if path.is_file()}

    files.put(f"{tree}/", "box/below", recursive=True)
    files.get("box/below/", str(tmp_path / "down"), recursive=True)

    assert {path.removeprefix("box/below/") for path in files.find("box/below")} == names
    for name in names:
        assert files.cat_file(f"box/below/{name}") == (tree / name).read_bytes()
        assert (tmp_path / "down" / name).read_bytes() == (tree / name).read_bytes()


def test_folders_are_listed_walked_and_matched(files: Any) -> None:
    for name in ("a.txt", "one/b.txt", "one/two/c.txt", "one/two/d.csv", "ünï/e.txt"):
        files.pipe_file(f"box/{name}", name.encode())

    assert sorted(files.ls("box", detail=False)) == ["box/a.txt", "box/one", "box/ünï"]
    assert [folder for folder, _, _ in files.walk("box")] == [
        *("box", "box/one", "box/one/two", "box/ünï")
    ]
    assert sorted(files.glob("box/**/*.txt")) == [
        *("box/a.txt", "box/one/b.txt", "box/one/two/c.txt", "box/ünï/e.txt")
    ]
    assert files.info("box/one")["type"] == "directory"
    assert files.info("box/one/b.txt")["size"] == len("one/b.txt")
    assert files.du("box/one/two") == len("one/two/c.txt") + len("one/two/d.csv")
    assert files.exists("box/one/two")
    assert not files.exists("box/one/three")


def test_files_are_written_appended_to_and_read_in_parts(files: Any) -> None:
    block = 1024 * 1024
    large = bytes(range(256)) * (3 * block // 256) + b"end"

    with files.open("box/large", "wb", block_size=block) as file:
        for start in range(0, len(large), 700_000):
            file.write(large[start : start + 700_000])
    with files.open("box/log", "ab") as file:
        file.write(b"one\n")
    with files.open("box/log", "ab") as file:
        file.write(b"two\n")
    with files.open("box/text", "w", encoding="utf-8") as file:
        file.write("é 🐟\n")

    with files.open("box/large", "rb", block_size=block) as file:
        file.seek(-3, 2)
        assert file.read() == b"end"
        file.seek(block - 2)
        assert file.read(4) == large[block - 2 : block + 2]
    assert files.cat_file("box/large") == large
    assert files.cat_file("box/log") == b"one\ntwo\n"
    assert files.open("box/text", "r", encoding="utf-8").read() == "é 🐟\n"
    with pytest.raises(FileExistsError), files.open("box/text", "xb") as file:
        file.write(b"again")


def test_blobs_are_copied_moved_and_removed(files: Any) -> None:
    for name in ("one/a", "one/b", "other"):
        files.pipe_file(f"box/{name}", name.encode())

    files.copy("box/one", "box/copied", recursive=True)
    files.mv("box/other", "box/moved")
    files.rm("box/one", recursive=True)

    assert sorted(files.find("box")) == ["box/copied/a", "box/copied/b", "box/moved"]
    assert files.cat_file("box/copied/b") == b"one/b"
    assert files.cat_file("box/moved") == b"other"
    files.rm("box", recursive=True)
    assert files.ls("") == []


def test_metadata_and_urls(files: Any) -> None:
    import requests

    files.pipe_file("box/a b.txt", b"text")
    files.setxattrs("box/a b.txt", kind="proof")

    assert files.getxattr("box/a b.txt", "kind") == "proof"
    assert requests.get(files.url("box/a b.txt"), timeout=30).content == b"text"


def test_pandas_writes_and_reads_csv_and_parquet(account: Account) -> None:
    pytest.importorskip("adlfs", reason="adlfs is not here: pip install adlfs")
    pandas = pytest.importorskip("pandas", reason="pandas is not here: pip install pandas pyarrow")
    options = {"connection_string": account.connection_string, "skip_instance_cache": True}
    frame = pandas.DataFrame({"name": ["é", "🐟"], "count": [1, 2]})
    import fsspec

    fsspec.filesystem("abfs", **options).mkdir("box")

    frame.to_csv("abfs://box/a.csv", index=False, storage_options=options)
    frame.to_parquet("abfs://box/a.parquet", storage_options=options)

    assert pandas.read_csv("abfs://box/a.csv", storage_options=options).equals(frame)
    assert pandas.read_parquet("abfs://box/a.parquet", storage_options=options).equals(frame)
