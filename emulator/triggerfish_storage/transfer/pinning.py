"""One unchanging view of an account, whoever works with it meanwhile.

The database is read in a single transaction of our own, which WAL allows beside any writer.
Files of large contents never change but are deleted behind their last use, so they get a second
name (a hard link, which costs no space) for as long as the view is needed.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Final, NamedTuple

from triggerfish_storage.contents import file_names
from triggerfish_storage.data_folder import CONTENTS_FOLDER, DATABASE_FILE, migrations, swept_names
from triggerfish_storage.ownership import FolderOwned, own
from triggerfish_storage.schema import connect_reader, migrate, newest_version
from triggerfish_storage.transfer.failure import TransferError
from triggerfish_storage.transfer.scratch import link_or_copy, scratch_folder

_TRIES: Final = 20


class View(NamedTuple):
    """An account as it was at one instant: rows, and the folder of the files that they name."""

    tx: sqlite3.Connection
    contents: Path


@contextmanager
def pinned(folder: Path) -> Iterator[View]:
    """Give a view of the account in ``folder``; raises TransferError where there is none."""
    database = folder / DATABASE_FILE
    if not database.exists():
        raise TransferError(f"{folder}: no account is kept there. Name its folder with --data.")
    _bring_up_to_date(folder, database)
    with scratch_folder(folder) as pins, closing(connect_reader(database)) as tx:
        _pin(tx, folder / CONTENTS_FOLDER, pins)
        yield View(tx, pins)


def _bring_up_to_date(folder: Path, database: Path) -> None:
    try:
        with closing(connect_reader(database)) as reader:
            (version,) = reader.execute("PRAGMA user_version").fetchone()
    except sqlite3.Error as error:
        raise TransferError(f"{database}: not a usable database ({error}).") from error
    if version == newest_version(migrations()):
        return
    try:
        with own(folder, started=""):
            migrate(database, migrations(), "process")
    except FolderOwned as error:
        raise TransferError(f"{error} It is of another version, so only that one can.") from error


def _pin(tx: sqlite3.Connection, contents: Path, pins: Path) -> None:
    """Begin a transaction all of whose files have a second name.

    Most get it before the transaction begins. One may be new, and deleted again before we get
    to it: then the next try begins later, with less left to do.
    """
    for _ in range(_TRIES):
        _link_all(contents, pins)
        tx.execute("BEGIN")
        try:
            for name in file_names(tx):
                if not (pins / name).exists():
                    link_or_copy(contents / name, pins / name)
        except FileNotFoundError:
            tx.execute("ROLLBACK")
            continue
        return
    raise TransferError(
        f"{contents}: large blobs are overwritten faster than they can be read. Try again later."
    )


def _link_all(contents: Path, pins: Path) -> None:
    for name in swept_names(contents):
        if not (pins / name).exists():
            with suppress(FileNotFoundError):  # deleted in this moment
                link_or_copy(contents / name, pins / name)
