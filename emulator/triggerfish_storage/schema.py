"""Connections to one SQLite file, and its schema, brought to the newest version."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Final, Literal

from triggerfish_storage.haste import HastyConnection

Durability = Literal["process", "full"]

_BUSY_TIMEOUT_SECONDS: Final = 5.0
_SYNCHRONOUS: Final = {"process": "NORMAL", "full": "FULL"}
_MAPPED: Final = f"mmap_size = {2**31}"  # at most: SQLite has a limit of its own


class DatabaseError(Exception):
    """The file cannot be used; the message names it and says what to do."""


def connect_writer(
    path: Path, durability: Durability, *, in_haste: bool = False
) -> sqlite3.Connection:
    """Open a connection that writes, and leaves the log to others. Raises sqlite3.Error.

    Work ``in_haste`` may not take long (``haste``).
    """
    return _connect(
        path,
        "journal_mode = WAL",
        f"synchronous = {_SYNCHRONOUS[durability]}",
        "foreign_keys = ON",
        # Checkpoints are made beside the writer; an emptied log is cut, so its size is what is
        # left to do.
        "wal_autocheckpoint = 0",
        "journal_size_limit = 0",
        "cache_size = -32000",
        "temp_store = MEMORY",
        in_haste=in_haste,
    )


def connect_reader(
    path: Path, *, scans: bool = False, in_haste: bool = False
) -> sqlite3.Connection:
    """Open a connection that cannot write. Raises sqlite3.Error.

    One that ``scans`` looks at the file's pages where the kernel has them, instead of copying
    each by a call (docs/design/pages.md).
    """
    mapping = (_MAPPED,) if scans else ()
    return _connect(path, "query_only = ON", "cache_size = -16000", *mapping, in_haste=in_haste)


@contextmanager
def one_view(reader: sqlite3.Connection) -> Iterator[None]:
    """Have all statements inside see one state, whatever is committed meanwhile."""
    reader.execute("BEGIN")
    try:
        yield
    finally:
        if reader.in_transaction:  # a disk that fails may have ended it
            reader.execute("COMMIT")


def connect_checkpointer(path: Path, durability: Durability) -> sqlite3.Connection:
    """Open a connection that moves the log's pages into the file. Raises sqlite3.Error."""
    # Not to wait at all: who asks for a checkpoint knows better how long, and how often to look.
    return _connect(path, "busy_timeout = 0", f"synchronous = {_SYNCHRONOUS[durability]}")


def migrate(path: Path, migrations: Traversable, durability: Durability) -> None:
    """Bring the file to the newest schema, each step in a transaction of its own.

    ``migrations`` is a folder of ``NNNN_name.sql`` files. Raises ``DatabaseError`` where the
    file is no database, is damaged, or comes from a newer version or another program; then it
    stays as it is.
    """
    steps = _steps(migrations)
    try:
        with closing(connect_reader(path)) as reader:
            version = _checked_version(reader, path, newest=steps[-1][0])
        with closing(connect_writer(path, durability)) as writer:
            for number, file in steps:
                if number > version:
                    script = file.read_text(encoding="utf-8")
                    writer.executescript(
                        f"BEGIN IMMEDIATE;\n{script}\nPRAGMA user_version = {number};\nCOMMIT;"
                    )
    except sqlite3.Error as error:
        raise _unusable(path, error) from error


def lacks_room(error: BaseException | None) -> bool:
    """Whether SQLite could not write, for which a disk that is full is the usual reason."""
    name = getattr(error, "sqlite_errorname", "")
    return name == "SQLITE_FULL" or name.startswith("SQLITE_IOERR")


def _unusable(path: Path, error: sqlite3.Error) -> DatabaseError:
    if lacks_room(error):
        return DatabaseError(
            f"{path}: could not be written ({error}). Make room on that disk, or choose another "
            "folder (--data FOLDER)."
        )
    return DatabaseError(
        f"{path}: not a usable database ({error}). Move the file away to start afresh, "
        "or restore a copy of it."
    )


def newest_version(migrations: Traversable) -> int:
    """Return the version to which ``migrate`` brings a file."""
    return _steps(migrations)[-1][0]


def _steps(migrations: Traversable) -> list[tuple[int, Traversable]]:
    return sorted(
        (int(file.name.split("_", 1)[0]), file)
        for file in migrations.iterdir()
        if file.name.endswith(".sql")
    )


def _checked_version(reader: sqlite3.Connection, path: Path, *, newest: int) -> int:
    """Return the version of the file's schema, 0 where it has none yet."""
    version: int
    (version,) = reader.execute("PRAGMA user_version").fetchone()
    if version > newest:
        raise DatabaseError(
            f"{path}: written by a newer version (schema {version}, this one knows {newest}). "
            "Upgrade triggerfish, or move the file away to start afresh."
        )
    # Reads the whole schema, which a damaged file does not survive.
    (entries,) = reader.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if entries and not version:
        raise DatabaseError(
            f"{path}: the database of another program. Choose another folder (--data FOLDER)."
        )
    return version


def _connect(path: Path, *pragmas: str, in_haste: bool = False) -> sqlite3.Connection:
    connection = sqlite3.connect(
        path,
        factory=HastyConnection if in_haste else sqlite3.Connection,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=256,
        timeout=_BUSY_TIMEOUT_SECONDS,
    )
    try:
        for pragma in pragmas:
            connection.execute(f"PRAGMA {pragma}")
    except sqlite3.Error:
        connection.close()
        raise
    return connection
