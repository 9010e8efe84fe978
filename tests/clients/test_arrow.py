"""Arrow's own file system for Azure, and Polars: tables in Parquet, through the Blob endpoint."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Account

pytestmark = [pytest.mark.external, pytest.mark.slow]


@pytest.fixture
def arrow() -> Any:
    return pytest.importorskip("pyarrow.fs", reason="pyarrow is not here: pip install pyarrow")


@pytest.fixture
def files(arrow: Any, account: Account) -> Any:
    """It asks a ``dfs`` endpoint whether folders are real; here none is, and it sees that."""
    where = urlsplit(account.endpoint("blob"))
    system = arrow.AzureFileSystem(
        account.name,
        account_key=account.key,
        blob_storage_authority=where.netloc,
        dfs_storage_authority=where.netloc,
        blob_storage_scheme=where.scheme,
        dfs_storage_scheme=where.scheme,
    )
    system.create_dir("box")
    return system


def test_files_are_written_listed_copied_and_deleted(arrow: Any, files: Any) -> None:
    content = bytes(range(256)) * 40_000
    for name in ("box/a.bin", "box/folder/a b/é.bin"):
        with files.open_output_stream(name) as stream:
            stream.write(content)
    with files.open_append_stream("box/log") as stream:
        stream.write(b"one ")
    with files.open_append_stream("box/log") as stream:
        stream.write(b"two")

    files.copy_file("box/a.bin", "box/copied.bin")
    files.delete_file("box/a.bin")

    found = files.get_file_info(arrow.FileSelector("box", recursive=True))
    names = ["box/copied.bin", "box/folder", "box/folder/a b", "box/folder/a b/é.bin", "box/log"]
    assert sorted(info.path for info in found) == names
    with files.open_input_file("box/copied.bin") as file:
        file.seek(1000)
        assert file.read(24) == content[1000:1024]
    assert files.open_input_stream("box/log").read() == b"one two"
    files.delete_dir("box/folder")
    assert files.get_file_info("box/folder/a b/é.bin").type == arrow.FileType.NotFound


def test_a_partitioned_dataset_is_written_and_read(arrow: Any, files: Any) -> None:
    import pyarrow
    from pyarrow import dataset

    table = pyarrow.table({"year": [2023, 2023, 2024], "count": [1, 2, 3]})
    layout = dataset.partitioning(pyarrow.schema([("year", pyarrow.int64())]), flavor="hive")

    dataset.write_dataset(table, "box/set", format="parquet", partitioning=layout, filesystem=files)

    read = dataset.dataset("box/set", format="parquet", partitioning=layout, filesystem=files)
    assert read.to_table(filter=dataset.field("year") == 2023)["count"].to_pylist() == [1, 2]


@pytest.mark.usefixtures("arrow")
def test_what_arrow_itself_expects_of_azurite_holds(tmp_path: Path) -> None:
    """Its tests, which come with it, start the program that they find as ``azurite-blob``."""
    program = tmp_path / "azurite-blob"
    others = "--queuePort 0 --tablePort 0"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m triggerfish storage "$@" {others}\n')
    program.chmod(0o755)
    command = [sys.executable, "-m", "pytest", "--pyargs", "pyarrow.tests.test_fs", "-k", "azure"]

    ended = subprocess.run(
        [*command, "-c", os.devnull, "-p", "no:cacheprovider", "-W", "ignore", "-rs"],
        env={**os.environ, "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert ended.returncode == 0, ended.stdout
    assert "failed to execute" not in ended.stdout
    assert " passed" in ended.stdout


def test_polars_scans_many_files_and_writes_one(account: Account) -> None:
    polars = pytest.importorskip("polars", reason="polars is not here: pip install polars")
    from azure.storage.blob import ContainerClient

    with ContainerClient.from_connection_string(account.connection_string, "box") as container:
        container.create_container()
    options = account.object_store_options()
    for number in range(3):
        frame = polars.DataFrame({"id": [number], "name": ["é 🐟"]})
        frame.write_parquet(f"az://box/parts/{number}.parquet", storage_options=options)

    scanned = polars.scan_parquet("az://box/parts/*.parquet", storage_options=options)

    assert scanned.filter(polars.col("id") > 0).collect().rows() == [(1, "é 🐟"), (2, "é 🐟")]
