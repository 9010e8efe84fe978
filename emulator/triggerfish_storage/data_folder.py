"""What lies where in a data folder, and which of it is ours.

The folder may be one that its user keeps other things in (``--location .``): those are neither
deleted nor hidden, so what is swept is told by its name.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Final

DATABASE_FILE: Final = "storage.db"
CONTENTS_FOLDER: Final = "contents"
RECYCLED_FOLDER: Final = "recycled"
SNAPSHOTS_FOLDER: Final = "snapshots"
CONTROL_FILE: Final = "owner.control.json"
LOCK_FILE: Final = "owner.lock"
SCRATCH_FOLDER: Final = "scratch"

_NAME_BYTES: Final = 16
_NAME: Final = re.compile(rf"[0-9a-f]{{{2 * _NAME_BYTES}}}")
_OURS: Final = frozenset(
    {
        *(DATABASE_FILE, f"{DATABASE_FILE}-wal", f"{DATABASE_FILE}-shm"),
        *(CONTENTS_FOLDER, RECYCLED_FOLDER, SNAPSHOTS_FOLDER, SCRATCH_FOLDER),
        *(CONTROL_FILE, LOCK_FILE),
    }
)


def migrations() -> Traversable:
    """Return the folder of the schema's steps, which the package carries."""
    return files("triggerfish_storage") / "migrations"


def new_name() -> str:
    """Return a name that no file of ours has, for one that is to be swept if it is left."""
    return secrets.token_hex(_NAME_BYTES)


def swept_names(folder: Path) -> Iterator[str]:
    """Give the names in ``folder`` that ``new_name`` may have given."""
    with os.scandir(folder) as entries:
        yield from (entry.name for entry in entries if _NAME.fullmatch(entry.name))


def hide_from_git(folder: Path) -> None:
    """Keep a folder that is all ours out of its user's repository."""
    ignore = folder / ".gitignore"
    if not ignore.exists() and all(one.name in _OURS for one in folder.iterdir()):
        ignore.write_text("*\n", encoding="utf-8")
