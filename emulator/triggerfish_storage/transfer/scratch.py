"""Folders for a while, and files with two names.

What a transfer needs lies within the data folder, on the same file system as the account, so that
links can be made and large things fit; what is to be put somewhere else lies beside that place. An
account that nobody keeps lies where the system has such things. What a kill leaves is removed by
the next one who needs such a folder, or opens the account.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import stat
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from triggerfish_storage.data_folder import LOCK_FILE, SCRATCH_FOLDER, new_name, swept_names
from triggerfish_storage.ownership import FolderOwned, own

_PREFIX: Final = "triggerfish-memory-"
_SETTLED_SECONDS: Final = 60.0  # since something in it came or went


@contextmanager
def scratch_folder(folder: Path) -> Iterator[Path]:
    """Give an empty folder within a data folder, which is gone at the end."""
    sweep(folder)
    root = folder / SCRATCH_FOLDER
    try:
        with _owned(root / new_name()) as inside:
            yield inside
    finally:
        with suppress(OSError):  # others are in it
            root.rmdir()


def is_any(folder: Path) -> bool:
    """Whether there are scratch folders within a data folder, in use or left."""
    return (folder / SCRATCH_FOLDER).is_dir()


def sweep(folder: Path) -> None:
    """Remove what a kill left of the scratch folders within a data folder."""
    if is_any(folder):
        root = folder / SCRATCH_FOLDER
        _remove_left(map(root.joinpath, list(swept_names(root))))
        with suppress(OSError):  # others are in it
            root.rmdir()


@contextmanager
def folder_beside(target: Path) -> Iterator[Path]:
    """Give an empty folder beside ``target``, on the same file system, which is gone at the end."""
    target.parent.mkdir(parents=True, exist_ok=True)
    ours = re.compile(rf"\.{re.escape(target.name)}\.[0-9a-f]{{8}}\.partial")
    _remove_left([one for one in target.parent.iterdir() if ours.fullmatch(one.name)])
    with _owned(target.with_name(f".{target.name}.{secrets.token_hex(4)}.partial")) as inside:
        yield inside


@contextmanager
def _owned(path: Path) -> Iterator[Path]:
    """Give a folder within ``path`` that whoever finds it can tell to be in use."""
    try:
        with own(path, started=""):
            inside = path / "in"
            inside.mkdir()
            yield inside
    finally:
        remove(path)


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """Give a data folder that is gone at the end."""
    _remove_left(one for one in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*") if _is_left(one))
    with tempfile.TemporaryDirectory(prefix=_PREFIX) as name:
        yield Path(name)


def link_or_copy(source: Path, target: Path) -> None:
    """Give a file a second name, or where that cannot be make a copy; never half of one.

    Raises FileNotFoundError where it is missing, or was deleted while it was copied.
    """
    try:
        os.link(source, target)
    except FileExistsError:
        return
    except FileNotFoundError:
        raise
    except OSError:  # another file system, or one that has no links
        unfinished = target.with_name(new_name())  # what a kill leaves is swept, by such a name
        try:
            shutil.copyfile(source, unfinished)
            source.stat()  # it is written anew only once it is gone from there
            unfinished.replace(target)
        finally:
            remove(unfinished)


def remove(path: Path) -> None:
    """Remove a file or a folder, if it is there and as far as that can be done."""
    with suppress(OSError):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink()


def _is_left(folder: Path) -> bool:
    """Whether a folder is ours, and is not just being made by another process."""
    try:
        found = folder.lstat()
    except OSError:
        return False
    is_ours = stat.S_ISDIR(found.st_mode) and (os.name == "nt" or found.st_uid == os.getuid())
    return is_ours and time.time() - found.st_mtime > _SETTLED_SECONDS


def _remove_left(folders: Iterable[Path]) -> None:
    """Remove the folders that no process owns, or is about to."""
    for left in folders:
        try:
            with own(left, started=""):
                has_begun = any(one.name != LOCK_FILE for one in left.iterdir())
        except (FolderOwned, OSError):
            continue
        if has_begun or _is_left(left):
            remove(left)
