"""Archives to folders: tar, tar.gz and zip, from anybody, in constant memory.

Nothing is written outside of the folder, and links or devices are not made.
"""

from __future__ import annotations

import lzma
import tarfile
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import IO, Any, Final

from triggerfish_storage.transfer.carriers import COPY_BYTES
from triggerfish_storage.transfer.failure import TransferError
from triggerfish_storage.transfer.tally import Advance

# What the libraries raise for archives that are cut off, damaged, encrypted, or lie.
_DAMAGED: Final = (
    *(EOFError, NotImplementedError, OSError, RuntimeError, ValueError),
    *(lzma.LZMAError, tarfile.TarError, zipfile.BadZipFile, zlib.error),
)


def unpack(archive: Path, folder: Path, advance: Advance) -> None:
    """Write the files of an archive below ``folder``, which is empty.

    ``advance`` is told of bytes as they are written; what it raises ends the unpacking. Raises
    TransferError for one that is damaged, or holds anything but files and folders that stay
    within it.
    """
    try:
        if archive.name.lower().endswith(".zip"):
            with zipfile.ZipFile(archive) as zipped:
                for entry in zipped.infolist():
                    if not entry.is_dir():
                        with zipped.open(entry) as content:
                            _unpack_one(archive, entry.filename, content, folder, advance)
        else:
            with _opened_tar(archive) as tar:
                _unpack_tar(archive, tar, folder, advance)
    except _DAMAGED as error:
        reason = getattr(error, "strerror", None) or error
        raise TransferError(f"{archive}: cannot be unpacked ({reason}).") from error


def _opened_tar(archive: Path) -> tarfile.TarFile:
    try:
        return tarfile.open(archive)
    except tarfile.ReadError as error:  # its message has a line for each compression there is
        raise tarfile.ReadError("File is not a tar file") from error


def _unpack_tar(archive: Path, tar: tarfile.TarFile, folder: Path, advance: Advance) -> None:
    while (member := tar.next()) is not None:
        tar.members = []  # type: ignore[attr-defined] # else it remembers them all
        content = tar.extractfile(member) if member.isreg() else None
        if content is not None:
            _unpack_one(archive, member.name, content, folder, advance)
        elif not member.isdir():
            raise TransferError(
                f"{archive}: {member.name} is no file; archives may have folders and files only."
            )
    file: Any = tar.fileobj
    file.seek(tar.offset)
    if file.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
        raise tarfile.ReadError("its end is missing")
    while file.read(COPY_BYTES):  # to its checksum, if it has one
        pass


def _unpack_one(
    archive: Path, name: str, content: IO[bytes], folder: Path, advance: Advance
) -> None:
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or not path.parts or ":" in path.parts[0]:
        raise TransferError(f"{archive}: the path of {name!r} leads out of the archive.")
    target = folder.joinpath(*path.parts)
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with target.open("xb") as file:
            while piece := content.read(COPY_BYTES):
                file.write(piece)
                advance(len(piece))
    except FileExistsError as error:
        raise TransferError(f"{archive}: {name!r} is in it twice.") from error
