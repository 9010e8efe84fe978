"""TileDB: arrays and files, through Azure's client for C++ as DuckDB and ClickHouse have it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from conftest import Account

pytestmark = [pytest.mark.external, pytest.mark.slow]
BOX = "azure://box"
NAMES = ("a.txt", "folder/b b.txt", "folder/per%20cent+plus&'.txt", "folder/ünï/日本語/🐟")


@pytest.fixture
def tiledb() -> Any:
    return pytest.importorskip("tiledb", reason="tiledb is not here: pip install tiledb")


@pytest.fixture
def context(tiledb: Any, account: Account) -> Any:
    return tiledb.Ctx(
        {
            "vfs.azure.storage_account_name": account.name,
            "vfs.azure.storage_account_key": account.key,
            "vfs.azure.blob_endpoint": account.endpoint("blob"),
        }
    )


@pytest.fixture
def files(tiledb: Any, context: Any) -> Any:
    files = tiledb.VFS(ctx=context)
    files.create_bucket(BOX)
    return files


def write(files: Any, name: str, content: bytes) -> None:
    with files.open(f"{BOX}/{name}", "wb") as file:
        file.write(content)


def read(files: Any, name: str) -> bytes:
    with files.open(f"{BOX}/{name}", "rb") as file:
        content: bytes = file.read()
        return content


def test_files_are_written_listed_moved_and_removed(files: Any) -> None:
    large = bytes(range(256)) * 90_000 + b"end"  # goes up in blocks
    for name in NAMES:
        write(files, name, name.encode())
    write(files, "large", large)

    assert [read(files, name) for name in NAMES] == [name.encode() for name in NAMES]
    assert read(files, "large") == large
    assert files.ls(f"{BOX}/folder") == [f"{BOX}/{name}" for name in (*NAMES[1:3], "folder/ünï")]

    files.copy_file(f"{BOX}/large", f"{BOX}/copy")
    files.move_dir(f"{BOX}/folder", f"{BOX}/moved")
    assert read(files, "copy") == large
    assert read(files, "moved/ünï/日本語/🐟") == NAMES[3].encode()
    assert not files.is_dir(f"{BOX}/folder")

    files.empty_bucket(BOX)
    assert files.is_empty_bucket(BOX)
    files.remove_bucket(BOX)
    assert not files.is_bucket(BOX)


@pytest.mark.usefixtures("files")
def test_an_array_is_written_in_parts_and_consolidated(tiledb: Any, context: Any) -> None:
    numpy = pytest.importorskip("numpy")
    where = f"{BOX}/array"
    tiledb.from_numpy(where, numpy.arange(1_000_000).reshape(1000, 1000), ctx=context).close()
    for row in range(5):
        with tiledb.open(where, "w", ctx=context) as array:
            array[row] = numpy.full(1000, -row)
    tiledb.consolidate(where, ctx=context)
    tiledb.vacuum(where, ctx=context)

    with tiledb.open(where, ctx=context) as array:
        assert array[3, :2].tolist() == [-3, -3]
        assert array[999, 999] == 999_999
