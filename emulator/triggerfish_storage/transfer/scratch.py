"""Folders for a while within a data folder, and files with two names.

On the same file system as the account, so that links can be made and large things fit. What a
crash leaves is removed by the next one who needs such a folder.
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from triggerfish_storage.data_folder import SCRATCH_FOLDER, new_name, swept_names
from triggerfish_storage.ownership import FolderOwned, own


@contextmanager
def scratch_folder(folder: Path) -> Iterator[Path]:
    """Give an empty folder within a data folder, which is gone at the end."""
    root = folder / SCRATCH_FOLDER
    root.mkdir(parents=True, exist_ok=True)
    _remove_left(root)
    path = root / new_name()
    try:
        with own(path, started=""):
            inside = path / "in"
            inside.mkdir()
            yield inside
    finally:
        remove(path)
        with suppress(OSError):  # others are in it
            root.rmdir()


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
        unfinished = target.with_name(f"{target.name}.{secrets.token_hex(4)}.partial")
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


def _remove_left(root: Path) -> None:
    for left in map(root.joinpath, list(swept_names(root))):
        try:
            with own(left, started=""):
                pass
        except (FolderOwned, OSError):
            continue
        remove(left)
