"""Snapshots: an account exactly as it is, kept for later, and put back.

A snapshot is a copy of the database, made page by page, and second names of the files of large
contents, which never change: it is fast, and takes little space on the same file system. It can
be taken while the account is in use. Putting one back is one transaction of SQLite, so a kill
leaves the old account or the new one; only who owns the data folder can.
"""

from __future__ import annotations

import json
import os
import re
import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from triggerfish_storage.content_folder import Contents
from triggerfish_storage.contents import file_names
from triggerfish_storage.data_folder import (
    CONTENTS_FOLDER,
    DATABASE_FILE,
    SNAPSHOTS_FOLDER,
    migrations,
)
from triggerfish_storage.schema import connect_writer, migrate, newest_version
from triggerfish_storage.transfer.carriers import check_target, put_in_place
from triggerfish_storage.transfer.failure import TransferError
from triggerfish_storage.transfer.fields import iso
from triggerfish_storage.transfer.pinning import pinned
from triggerfish_storage.transfer.scratch import folder_beside, link_or_copy, scratch_folder
from triggerfish_storage.transfer.tally import Advance

ABOUT_FILE: Final = "snapshot.json"
PAGES_AT_ONCE: Final = 2048

_NAME: Final = re.compile(r"[^\W_][\w. -]*")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A snapshot that was taken; ``size_bytes`` counts shared files too."""

    name: str
    path: Path
    taken: datetime
    size_bytes: int


def place_of(folder: Path, name: str) -> Path:
    """Return where a snapshot is kept: in the data folder by name, else where a path says."""
    if os.sep in name or "/" in name:
        return Path(name)
    if not _NAME.fullmatch(name):
        raise TransferError(
            f"{name!r} is no name of a snapshot: letters, digits, dots, dashes and spaces. "
            "A path has a slash in it, such as ./name."
        )
    return folder / SNAPSHOTS_FOLDER / name


def take(folder: Path, place: Path, *, overwrite: bool, now: datetime, advance: Advance) -> None:
    """Keep the account of ``folder`` as it is now; raises where ``place`` is taken."""
    check_target(place, overwrite=overwrite, known_by=ABOUT_FILE)
    try:
        with pinned(folder) as view, _aside(folder, place) as aside:
            unfinished = aside / place.name
            contents = unfinished / CONTENTS_FOLDER
            contents.mkdir(parents=True)
            _link_files(view.tx, view.contents, contents, advance)
            with closing(sqlite3.connect(unfinished / DATABASE_FILE)) as copy:
                _copy_pages(view.tx, copy, advance)
            about = {"triggerfish": "snapshot", "takenAt": iso(now)}
            (unfinished / ABOUT_FILE).write_text(json.dumps(about) + "\n", encoding="utf-8")
            place.parent.mkdir(parents=True, exist_ok=True)
            put_in_place(unfinished, place)
    except (OSError, sqlite3.Error) as error:  # an OSError names the file that is copied
        reason = getattr(error, "strerror", None) or error
        raise TransferError(f"{place}: the snapshot cannot be taken ({reason}).") from error


def _aside(folder: Path, place: Path) -> AbstractContextManager[Path]:
    """Give a folder for what a snapshot is not yet or no more, on the file system of its place."""
    if place.parent == folder / SNAPSHOTS_FOLDER:
        return scratch_folder(folder)
    return folder_beside(place)


def listed(folder: Path) -> list[Snapshot]:
    """Return the snapshots that are kept in a data folder, the newest first."""
    root = folder / SNAPSHOTS_FOLDER
    places = root.iterdir() if root.is_dir() else ()
    found = [_read(place) for place in places if (place / ABOUT_FILE).is_file()]
    return sorted(found, key=lambda one: one.taken, reverse=True)


def delete(folder: Path, place: Path) -> None:
    """Remove a snapshot, in one step for whoever lists them; raises where there is none."""
    check(place)
    with _aside(folder, place) as aside:
        place.rename(aside / place.name)


def restore(folder: Path, place: Path, *, advance: Advance) -> None:
    """Make the account of ``folder``, which the caller owns, what it was at the snapshot."""
    check(place)
    database = folder / DATABASE_FILE
    contents = Contents(folder / CONTENTS_FOLDER, durability="full")  # makes the folder too
    migrate(database, migrations(), "full")
    with closing(connect_writer(database, "full")) as tx:
        put_back(tx, folder, place, contents, advance=advance)
        contents.remove_unused(tx)


def put_back(
    tx: sqlite3.Connection, folder: Path, place: Path, contents: Contents, *, advance: Advance
) -> None:
    """Replace all that ``tx`` writes to, which is in no transaction, by a snapshot.

    Files that are needed no more are left to the caller.
    """
    check(place)
    try:
        with _opened(place) as kept:
            contents.spare(file_names(kept))
            _link_files(kept, place / CONTENTS_FOLDER, folder / CONTENTS_FOLDER, advance)
            _copy_pages(kept, tx, advance)
    except sqlite3.Error as error:
        raise TransferError(f"{place}: the snapshot cannot be put back ({error}).") from error
    migrate(folder / DATABASE_FILE, migrations(), "full")  # it may be of an older version


def size_of(place: Path) -> int:
    """Return how many bytes a snapshot, or an account in its data folder, has."""
    contents = place / CONTENTS_FOLDER
    files = [place / DATABASE_FILE, *(contents.iterdir() if contents.is_dir() else ())]
    return sum(file.stat().st_size for file in files if file.exists())


def check(place: Path) -> None:
    """Raise TransferError where no snapshot is at ``place``."""
    if not (place / ABOUT_FILE).is_file():
        raise TransferError(
            f"{place}: there is no such snapshot. 'triggerfish storage snapshot' lists them."
        )


def _read(place: Path) -> Snapshot:
    try:
        about = json.loads((place / ABOUT_FILE).read_text(encoding="utf-8"))
        taken = datetime.fromisoformat(about["takenAt"])
    except (ValueError, KeyError, TypeError) as error:
        raise TransferError(f"{place / ABOUT_FILE}: not what a snapshot has ({error}).") from error
    return Snapshot(place.name, place, taken, size_of(place))


@contextmanager
def _opened(place: Path) -> Iterator[sqlite3.Connection]:
    """Give a snapshot's database, which is only read and never changes."""
    uri = f"{(place / DATABASE_FILE).absolute().as_uri()}?mode=ro&immutable=1"
    with closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as kept:
        (version,) = kept.execute("PRAGMA user_version").fetchone()
        if version > newest_version(migrations()):
            raise TransferError(f"{place}: taken by a newer version. Upgrade triggerfish.")
        yield kept


def _link_files(tx: sqlite3.Connection, source: Path, target: Path, advance: Advance) -> None:
    for name in file_names(tx):
        try:
            link_or_copy(source / name, target / name)
        except FileNotFoundError as error:
            raise TransferError(
                f"{source}: the file {name} is missing, so the snapshot cannot be used."
            ) from error
        advance((target / name).stat().st_size)


def _copy_pages(source: sqlite3.Connection, target: sqlite3.Connection, advance: Advance) -> None:
    (page_bytes,) = source.execute("PRAGMA page_size").fetchone()
    done = 0

    def tell(_: int, remaining: int, total: int) -> None:
        nonlocal done
        advance((total - remaining - done) * page_bytes)
        done = total - remaining

    source.backup(target, pages=PAGES_AT_ONCE, progress=tell)
