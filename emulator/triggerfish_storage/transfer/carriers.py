"""Where an export goes: a folder, or an archive by the suffix of its name.

Everything is written beside that place and put there at the end, so what stands under the name
that was asked for is always whole: after an error, Ctrl-C or a kill it is what was there before, or
nothing. What a kill leaves beside it is removed by the next export to the same place.
"""

from __future__ import annotations

import os
import tarfile
import time
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from io import BytesIO, RawIOBase
from pathlib import Path
from typing import Final, Protocol

from triggerfish_storage.transfer.failure import TransferError
from triggerfish_storage.transfer.scratch import folder_beside

ACCOUNT_FILE: Final = "account.jsonl"  # which every export has
ARCHIVES: Final = (".tar", ".tar.gz", ".tgz", ".zip")
_OTHER_ARCHIVES: Final = (".7z", ".rar", ".gz", ".bz2", ".xz", ".zst", ".tbz2", ".txz", ".tzst")
COPY_BYTES: Final = 1024 * 1024
_EARLIEST_IN_ZIP: Final = 315_619_200.0  # 1980-01-02: it knows no earlier dates


class Carrier(Protocol):
    """Takes files one by one, each whole."""

    def add(self, path: str, size_bytes: int, pieces: Iterable[bytes], modified: float) -> None:
        """Take a file of ``size_bytes``; ``modified`` is in seconds since 1970."""


def is_archive(path: Path) -> bool:
    """Whether a path names an archive, by its suffix."""
    return path.name.lower().endswith(ARCHIVES)


@contextmanager
def carrier(target: Path, *, overwrite: bool) -> Iterator[Carrier]:
    """Give a carrier to fill; at the end of the block ``target`` is what it was filled with.

    Raises TransferError where ``target`` cannot be written, or exists and is not to be replaced.
    """
    if not is_archive(target) and target.name.lower().endswith(_OTHER_ARCHIVES):
        raise TransferError(
            f"{target}: archives of this kind are not written. Let its name end in "
            f"{', '.join(ARCHIVES[:-1])} or {ARCHIVES[-1]}, or name a folder."
        )
    check_target(target, overwrite=overwrite, known_by=ACCOUNT_FILE)
    try:
        with folder_beside(target) as beside:
            unfinished = beside / target.name
            with _carrier_to(unfinished) as carrier:
                yield carrier
            put_in_place(unfinished, target)
    except OSError as error:
        # What is full or gone while it is written to has no name of its own in the error.
        if error.filename is not None and f".{target.name}." not in str(error.filename):
            raise
        raise TransferError(f"{target}: cannot be written ({error.strerror or error}).") from error


@contextmanager
def _carrier_to(unfinished: Path) -> Iterator[Carrier]:
    if unfinished.name.lower().endswith(".zip"):
        with zipfile.ZipFile(unfinished, "x", zipfile.ZIP_DEFLATED) as archive:
            yield _Zip(archive)
    elif is_archive(unfinished):
        is_packed = not unfinished.name.lower().endswith(".tar")
        with tarfile.open(unfinished, "x:gz" if is_packed else "x") as tar:
            yield _Tar(tar)
    else:
        unfinished.mkdir()
        yield _Folder(unfinished)


def check_target(target: Path, *, overwrite: bool, known_by: str) -> None:
    """Raise where something is at ``target`` that must stay.

    A folder is replaced with all that is in it, so only one that has the file ``known_by`` is: it
    could be anything else, the data folder itself too.
    """
    if not target.exists():
        return
    if Path.cwd().is_relative_to(target.resolve()):
        raise TransferError(
            f"{target}: cannot be replaced, as the current folder is in there. "
            "Name one of its own, such as ./saved."
        )
    is_folder = target.is_dir()
    if is_folder and not any(target.iterdir()) and not is_archive(target):
        return
    if not overwrite:
        raise TransferError(f"{target}: exists already. Choose another name, or give --overwrite.")
    if is_folder and not (target / known_by).is_file():
        raise TransferError(
            f"{target}: a folder without {known_by} is not replaced, as it holds something else. "
            "Choose another name."
        )


def put_in_place(unfinished: Path, target: Path) -> None:
    """Put what is finished where it belongs; what was there before is left in its stead."""
    if not target.is_dir():
        unfinished.replace(target)
        return
    before = unfinished.with_name(f"{unfinished.name}.before")
    target.rename(before)  # a folder that is not empty cannot be replaced in one step
    try:
        unfinished.rename(target)
    except BaseException:
        before.rename(target)
        raise


class _Folder:
    def __init__(self, root: Path) -> None:
        self._root = root

    def add(self, path: str, size_bytes: int, pieces: Iterable[bytes], modified: float) -> None:
        file = self._root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("xb") as opened:
            for piece in pieces:
                opened.write(piece)
        os.utime(file, (modified, modified))


class _Zip:
    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive

    def add(self, path: str, size_bytes: int, pieces: Iterable[bytes], modified: float) -> None:
        entry = zipfile.ZipInfo(path, time.gmtime(max(modified, _EARLIEST_IN_ZIP))[:6])
        entry.compress_type = zipfile.ZIP_DEFLATED
        entry.file_size = size_bytes  # decides whether the entry needs the large format
        with self._archive.open(entry, "w") as opened:
            for piece in pieces:
                opened.write(piece)


class _Tar:
    def __init__(self, tar: tarfile.TarFile) -> None:
        self._tar = tar

    def add(self, path: str, size_bytes: int, pieces: Iterable[bytes], modified: float) -> None:
        entry = tarfile.TarInfo(path)
        entry.size = size_bytes
        entry.mtime = int(modified)
        entry.mode = 0o644
        self._tar.addfile(entry, _Pieces(pieces))
        # Else it remembers every file until the end.
        self._tar.members = []  # type: ignore[attr-defined]


class _Pieces(RawIOBase):
    """What ``tarfile`` reads from: a file made of pieces."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self._rest = BytesIO()

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        """Return ``size`` bytes, fewer only at the end."""
        found = self._rest.read(size)
        while len(found) < size and (piece := next(self._pieces, None)) is not None:
            self._rest = BytesIO(piece)
            found += self._rest.read(size - len(found))
        return found
