"""What an import finds: a folder or an archive, written by an export or made by hand.

By hand is enough: files in folders below ``blobs``, JSON lines below ``queues`` and ``tables``.
Where none of these is there, each folder is a container and each file of JSON lines a queue.
A single file of JSON lines is a queue, too.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from triggerfish_storage.blobs.names import check_container_name
from triggerfish_storage.errors import StorageError
from triggerfish_storage.queues import directory as queues
from triggerfish_storage.tables import directory as tables
from triggerfish_storage.transfer.carriers import ACCOUNT_FILE, ARCHIVES, is_archive
from triggerfish_storage.transfer.exporting import BLOBS, QUEUES, TABLES
from triggerfish_storage.transfer.failure import TransferError
from triggerfish_storage.transfer.names import is_litter, resource_of
from triggerfish_storage.transfer.scratch import scratch_folder
from triggerfish_storage.transfer.tally import FILE_BYTES, Advance, unwatched
from triggerfish_storage.transfer.unpacking import unpack

LINES: Final = ".jsonl"
_EXPECTED: Final = (
    f"A folder with {BLOBS}, {QUEUES} or {TABLES} in it is expected, or one with a folder for "
    f"each container and a file QUEUE{LINES} for each queue; or such a folder as .tar, .tar.gz "
    "or .zip."
)


@dataclass(slots=True)
class Container:
    """Where a container's files and its manifest are, as far as there are any."""

    folder: Path | None = None
    manifest: Path | None = None


@dataclass(slots=True)
class Source:
    """Everything that is to be imported, by name."""

    account: Path | None = None
    containers: dict[str, Container] = field(default_factory=dict)
    queues: dict[str, Path] = field(default_factory=dict)
    tables: dict[str, Path] = field(default_factory=dict)

    def container(self, name: str) -> Container:
        return self.containers.setdefault(name, Container())


@contextmanager
def opened(path: Path, data_folder: Path, *, advance: Advance = unwatched) -> Iterator[Source]:
    """Give what is at ``path``; an archive is unpacked beside the account for the block.

    ``advance`` is told of bytes as they are unpacked; what it raises ends that. Raises
    TransferError where nothing there can be imported.
    """
    check(path)
    if path.is_dir():
        yield _checked(_arranged(path))
    elif path.name.lower().endswith(LINES):
        yield _checked(Source(queues={resource_of(path.stem): path}))
    else:
        with scratch_folder(data_folder) as scratch, _named_after(path, scratch):
            unpack(path, scratch, advance)
            yield _checked(_arranged(_root_of(scratch, _stem_of(path))))


def check(path: Path) -> None:
    """Raise TransferError where ``path`` is nothing that can be imported, whatever is in it."""
    if not path.exists():
        raise TransferError(f"{path}: there is no such file or folder.")
    if not path.is_dir() and not path.name.lower().endswith(LINES) and not is_archive(path):
        raise TransferError(f"{path}: not a folder, an archive or a {LINES} file. {_EXPECTED}")


def size_of(source: Source) -> int:
    """Return about how many bytes all files of a source take together."""
    files = [*source.queues.values(), *source.tables.values()]
    folders = [one.folder for one in source.containers.values() if one.folder is not None]
    return sum(file.stat().st_size for file in files) + sum(
        file.stat().st_size + FILE_BYTES for folder in folders for file in files_below(folder)
    )


def files_below(folder: Path) -> Iterator[Path]:
    """Give all files of a folder in order, but for what nobody means (``.DS_Store``).

    Raises TransferError for what can be read by nobody, or would never end.
    """
    for root, folders, files in os.walk(folder):
        folders.sort()
        for name in sorted(files):
            if not is_litter(name):
                yield _checked_file(Path(root, name))


def _arranged(root: Path) -> Source:
    entries = sorted(one for one in root.iterdir() if not one.name.startswith("."))
    known = (ACCOUNT_FILE, BLOBS, QUEUES, TABLES)
    source = Source()
    if any(one.name in known for one in entries):
        for one in entries:
            _add_known(source, one)
        return source
    for one in entries:
        if one.is_dir():
            source.container(resource_of(one.name)).folder = one
        elif one.suffix == LINES:
            source.queues[resource_of(one.stem)] = one
        elif not is_litter(one.name):
            raise TransferError(f"{one}: nobody's file. {_EXPECTED}")
    return source


def _add_known(source: Source, entry: Path) -> None:
    if entry.name == ACCOUNT_FILE:
        source.account = entry
    elif entry.name == BLOBS and entry.is_dir():
        for one in _within(entry):
            if one.is_dir():
                source.container(resource_of(one.name)).folder = one
            else:
                source.container(resource_of(_stem(one))).manifest = one
    elif entry.name == QUEUES and entry.is_dir():
        source.queues = {resource_of(_stem(one)): one for one in _within(entry)}
    elif entry.name == TABLES and entry.is_dir():
        source.tables = {resource_of(_stem(one)): one for one in _within(entry)}
    elif not is_litter(entry.name):
        raise TransferError(f"{entry}: nobody's file. {_EXPECTED}")


def _checked(source: Source) -> Source:
    """Return a source all of whose names can be those of containers, queues and tables."""
    manifests = [one.manifest for one in source.containers.values()]
    lines = (source.account, *manifests, *source.queues.values(), *source.tables.values())
    for line_file in filter(None, lines):
        _checked_file(line_file)
    for name, one in source.containers.items():
        _check_name(one.folder or one.manifest, "container", name, check_container_name)
    for name, file in source.queues.items():
        _check_name(file, "queue", name, queues.check_name)
    for name, file in source.tables.items():
        _check_name(file, "table", name, tables.check_name)
    return source


def _checked_file(file: Path) -> Path:
    if not file.is_file():
        raise TransferError(f"{file}: is no file (a link that leads nowhere, a pipe, a device).")
    return file


def _check_name(file: Path | None, kind: str, name: str, check_name: Callable[[str], None]) -> None:
    try:
        check_name(name)
    except StorageError as error:
        rule = "letters and digits" if kind == "table" else "lower-case letters, digits and dashes"
        raise TransferError(
            f"{file}: {name!r} cannot be the name of a {kind}, which has 3 to 63 {rule}. Give the "
            "file another one."
        ) from error


def _within(folder: Path) -> list[Path]:
    return sorted(one for one in folder.iterdir() if not is_litter(one.name))


def _stem(file: Path) -> str:
    if file.is_dir() or file.suffix != LINES:
        raise TransferError(f"{file}: a file of JSON lines, NAME{LINES}, is expected here.")
    return file.stem


@contextmanager
def _named_after(archive: Path, unpacked: Path) -> Iterator[None]:
    """Let errors name files by the archive that they are in: where they lie now is soon gone."""
    try:
        yield
    except TransferError as error:
        message = str(error).replace(f"{unpacked}{os.sep}", f"{archive}: ")
        raise TransferError(message) from error


def _root_of(unpacked: Path, stem: str) -> Path:
    """Return the folder that was packed: archives made by hand often have it as their only one.

    Without folders for the services such a folder looks like a container; ``stem``, the name of
    the archive, tells that it may be none. Raises TransferError where it can be both.
    """
    entries = [one for one in unpacked.iterdir() if not is_litter(one.name)]
    if len(entries) != 1 or not entries[0].is_dir():
        return unpacked
    only = entries[0]
    known = (ACCOUNT_FILE, BLOBS, QUEUES, TABLES)
    if only.name in known:
        return unpacked
    if any((only / name).exists() for name in known):
        return only
    inside = _within(only)
    is_either = all(one.is_dir() or one.suffix == LINES for one in inside)
    if only.name != stem or not inside or not is_either:
        return unpacked
    if any(one.suffix == LINES for one in inside):
        return only
    raise TransferError(
        f"{only}{os.sep}: a container, or the folder that was packed? Put containers into a folder "
        f"{BLOBS!r}, or pack what is in the folder, without itself."
    )


def _stem_of(archive: Path) -> str:
    name = archive.name
    suffix = next(one for one in ARCHIVES if name.lower().endswith(one))
    return name[: -len(suffix)]
