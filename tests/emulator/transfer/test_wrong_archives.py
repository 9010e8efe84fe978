"""Archives that are damaged, cut off, or lead out of themselves."""

from __future__ import annotations

import errno
import os
import tarfile
import zipfile
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from triggerfish_storage.testing import ManualClock
from triggerfish_storage.transfer import unpacking
from triggerfish_storage.transfer.failure import TransferError

if TYPE_CHECKING:
    from conftest import Export, Import, Make, Open


def test_what_is_wrong_in_an_archive_is_named_by_the_archive(tmp_path, clock, import_from: Import):
    with zipfile.ZipFile(tmp_path / "saved.zip", "w") as zipped:
        zipped.writestr("queues/orders.jsonl", "no json")

    with pytest.raises(TransferError) as caught:
        import_from(tmp_path / "saved.zip", tmp_path / "data", clock.now())

    assert str(caught.value).startswith(
        f"{tmp_path}/saved.zip: queues/orders.jsonl, line 1: not JSON"
    )


@pytest.mark.parametrize("name", ["../evil", "/etc/evil", "a/../../evil", "C:/evil"])
@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_an_archive_that_leads_out_of_itself_is_refused(
    clock: ManualClock, tmp_path: Path, name: str, kind: str, import_from: Import
) -> None:
    archive = tmp_path / f"evil.{kind}"
    if kind == "zip":
        with zipfile.ZipFile(archive, "w") as zipped:
            zipped.writestr(name, b"x")
    else:
        with tarfile.open(archive, "w") as tar:
            entry = tarfile.TarInfo(name)
            entry.size = 1
            tar.addfile(entry, BytesIO(b"x"))

    with pytest.raises(TransferError, match="leads out of the archive"):
        import_from(archive, tmp_path / "data", clock.now())

    assert not list(tmp_path.rglob("evil"))


def test_links_in_an_archive_are_refused(
    clock: ManualClock, tmp_path: Path, import_from: Import
) -> None:
    with tarfile.open(tmp_path / "links.tar", "w") as tar:
        entry = tarfile.TarInfo("blobs/uploads/a")
        entry.type, entry.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(entry)

    with pytest.raises(TransferError, match="is no file"):
        import_from(tmp_path / "links.tar", tmp_path / "data", clock.now())


def zipped(method: int, *, spoil: bool = False, encrypt: bool = False) -> bytes:
    """An archive of one queue, its bytes overwritten or marked as encrypted."""
    file = BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        archive.writestr("queues/orders.jsonl", '{"body": "one"}\n' * 100)
    data = bytearray(file.getvalue())
    if spoil:
        begin = data.index(b".jsonl") + 20
        data[begin : begin + 8] = b"\xff" * 8
    if encrypt:
        data[data.index(b"PK\3\4") + 6] |= 1
        data[data.index(b"PK\1\2") + 8] |= 1
    return bytes(data)


@pytest.mark.parametrize(
    "data",
    [
        zipped(zipfile.ZIP_DEFLATED, spoil=True),
        zipped(zipfile.ZIP_LZMA, spoil=True),
        zipped(zipfile.ZIP_BZIP2, spoil=True),
        zipped(zipfile.ZIP_DEFLATED, encrypt=True),
    ],
    ids=["deflated", "lzma", "bzip2", "encrypted"],
)
def test_an_archive_that_is_damaged_or_encrypted_is_named(
    tmp_path, clock, data, import_from: Import
):
    (tmp_path / "bad.zip").write_bytes(data)

    with pytest.raises(TransferError, match=r"bad\.zip: cannot be unpacked"):
        import_from(tmp_path / "bad.zip", tmp_path / "data", clock.now())


def test_an_archive_that_finds_no_room_is_told_so_in_words(
    tmp_path, clock, monkeypatch, import_from: Import
):
    with tarfile.open(tmp_path / "saved.tar", "w") as tar:
        tar.addfile(tarfile.TarInfo("uploads/a.csv"))

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(unpacking, "_unpack_one", refuse)

    with pytest.raises(TransferError, match=r"cannot be unpacked \(No space left on device\)\."):
        import_from(tmp_path / "saved.tar", tmp_path / "data", clock.now())


@pytest.mark.parametrize("name", ["text.tar", "text.tgz", "text.zip"])
@pytest.mark.parametrize("content", [b"", b"text\n"])
def test_what_is_no_archive_is_told_so_on_one_line(
    tmp_path, clock, name, content, import_from: Import
):
    (tmp_path / name).write_bytes(content)

    with pytest.raises(TransferError) as caught:
        import_from(tmp_path / name, tmp_path / "data", clock.now())

    kind = "zip" if name.endswith("zip") else "tar"
    assert str(caught.value).endswith(f"{name}: cannot be unpacked (File is not a {kind} file).")


def test_an_archive_with_a_name_that_no_file_can_have_is_named(
    tmp_path, clock, import_from: Import
):
    entry = tarfile.TarInfo("a")
    entry.pax_headers = {"path": "queues/a\0b.jsonl"}
    with tarfile.open(tmp_path / "bad.tar", "w", format=tarfile.PAX_FORMAT) as tar:
        tar.addfile(entry)

    with pytest.raises(TransferError, match=r"bad\.tar: cannot be unpacked"):
        import_from(tmp_path / "bad.tar", tmp_path / "data", clock.now())


@pytest.mark.parametrize("name", ["cut.tar", "cut.tar.gz", "cut.zip"])
async def test_an_archive_that_is_cut_off_is_named(
    source: Make,
    clock: ManualClock,
    tmp_path: Path,
    name: str,
    export: Export,
    import_from: Import,
    opened: Open,
) -> None:
    async with opened(tmp_path / "one", clock) as account:
        await account.blobs.create_container("uploads", now=clock.now())
        await account.blobs.put("uploads", "a.csv", b"x" * 100_000, now=clock.now())
    export(tmp_path / "one", tmp_path / name, clock.now())
    whole = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(whole[: len(whole) // 2])

    with pytest.raises(TransferError, match=rf"{name}: cannot be unpacked"):
        import_from(tmp_path / name, tmp_path / "data", clock.now())
