"""Large blobs on their way up and down: in pieces, and files that are whole or as they were."""

from __future__ import annotations

import asyncio
import os
import stat
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from triggerfish.cli import blob_transfer
from triggerfish.cli.blob_paths import BlobPath
from triggerfish.cli.blob_transfer import replacing, upload
from triggerfish.model import TriggerfishError


@pytest.fixture(autouse=True)
def _small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blob_transfer, "BLOCK_BYTES", 1000)
    monkeypatch.setattr(blob_transfer, "PIECE_BYTES", 1000)


@pytest.mark.parametrize("size_bytes", [0, 999, 1000, 2500])
def test_a_content_of_any_size_goes_up_and_comes_down_as_it_was(
    server: Any, name: str, tmp_path: Path, size_bytes: int
) -> None:
    file = tmp_path / "file.csv"
    file.write_bytes(os.urandom(size_bytes))

    server.run("blob", "put", f"{name}/from-file.csv", str(file))
    server.run("blob", "put", f"{name}/piped.csv", input=file.read_bytes())
    for blob in ("from-file.csv", "piped.csv"):
        got = server.run("blob", "get", f"{name}/{blob}", str(tmp_path / blob))
        assert f"was written to {tmp_path / blob} (" in got.stderr

    assert (tmp_path / "from-file.csv").read_bytes() == file.read_bytes()
    assert (tmp_path / "piped.csv").read_bytes() == file.read_bytes()
    assert server.run("blob", "get", f"{name}/piped.csv", "-").stdout_bytes == file.read_bytes()
    listed = server.run("blob", "list", name).stdout
    assert listed.count("text/csv") == 2


def test_an_upload_tells_how_far_it_is_and_holds_no_more_than_a_block(
    server: Any, name: str
) -> None:
    told: list[int] = []
    read: list[int] = []

    class Watched(BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            read.append(size or 0)
            return super().read(size)

    async def put(client: Any) -> None:
        await client.create_container(name)
        await upload(
            client,
            BlobPath(name, "large"),
            Watched(bytes(2500)),
            size_bytes=2500,
            content_type="",
            advance=told.append,
        )

    server.ask(put)

    assert told == [1000, 1000, 500]
    assert set(read) == {1000}


def test_a_file_of_more_than_all_blocks_gets_larger_ones(
    server: Any, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blob_transfer, "BLOCKS", 2)
    told: list[int] = []

    async def put(client: Any) -> None:
        await client.create_container(name)
        content, to = BytesIO(bytes(2500)), BlobPath(name, "large")
        await upload(client, to, content, size_bytes=2500, content_type="", advance=told.append)

    server.ask(put)

    assert told == [1250, 1250]


def test_what_is_cut_off_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    file = tmp_path / "data"
    file.write_bytes(b"before")

    with pytest.raises(asyncio.CancelledError), replacing(file) as output:
        output.write(b"half")
        raise asyncio.CancelledError

    assert file.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.skipif(os.name == "nt", reason="no such modes and devices there")
def test_what_a_file_was_beside_its_content_stays(tmp_path: Path) -> None:
    file, link = tmp_path / "data", tmp_path / "link"
    file.touch(mode=0o600)
    link.symlink_to(file)

    with replacing(link) as output:
        output.write(b"new")
    with replacing(Path(os.devnull)) as output:
        output.write(b"new")

    assert (file.read_bytes(), link.is_symlink()) == (b"new", True)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert not Path(os.devnull).is_file()


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with (
        pytest.raises(TriggerfishError, match="file/below: cannot be written"),
        replacing(tmp_path / "file" / "below"),
    ):
        pass
