"""Bringing a file to the newest schema, and refusing what cannot be brought there."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from importlib.resources.abc import Traversable
from pathlib import Path

import pytest

from triggerfish_storage.schema import DatabaseError, migrate


def version(path: Path) -> int:
    connection = sqlite3.connect(path)
    try:
        (found,) = connection.execute("PRAGMA user_version").fetchone()
    finally:
        connection.close()
    assert isinstance(found, int)
    return found


def described(path: Path) -> list[tuple[str, ...]]:
    connection = sqlite3.connect(path)
    try:
        return connection.execute("SELECT type, name, sql FROM sqlite_schema ORDER BY 2").fetchall()
    finally:
        connection.close()


def test_every_older_version_is_brought_to_the_newest(
    tmp_path: Path, migrations: Traversable
) -> None:
    names = sorted(file.name for file in migrations.iterdir() if file.name.endswith(".sql"))
    newest = tmp_path / "newest.db"
    migrate(newest, migrations, "process")
    assert version(newest) == int(names[-1][:4])

    for older in range(1, len(names)):
        folder = tmp_path / f"up-to-{older}"
        folder.mkdir()
        for name in names[:older]:
            (folder / name).write_text((migrations / name).read_text())
        path = tmp_path / f"{older}.db"
        migrate(path, folder, "process")
        assert version(path) == older

        migrate(path, migrations, "process")

        assert version(path) == version(newest)
        assert described(path) == described(newest)


def test_migration_numbers_are_each_used_once(migrations: Traversable) -> None:
    numbers = sorted(int(f.name[:4]) for f in migrations.iterdir() if f.name.endswith(".sql"))

    assert numbers == list(range(1, len(numbers) + 1))


def test_a_file_from_a_newer_version_is_left_alone(tmp_path: Path, migrations: Traversable) -> None:
    path = tmp_path / "storage.db"
    migrate(path, migrations, "process")
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 9999")
    connection.close()

    with pytest.raises(DatabaseError, match=r"storage\.db: written by a newer version.*9999"):
        migrate(path, migrations, "process")
    assert version(path) == 9999


def test_a_file_that_is_no_database_is_named(tmp_path: Path, migrations: Traversable) -> None:
    path = tmp_path / "storage.db"
    path.write_bytes(b"this is not a database at all" * 100)

    with pytest.raises(DatabaseError, match=r"storage\.db: not a usable database.*Move the file"):
        migrate(path, migrations, "process")
    assert path.read_bytes().startswith(b"this is not")


def test_a_database_of_another_program_is_left_alone(
    tmp_path: Path, migrations: Traversable
) -> None:
    path = tmp_path / "storage.db"
    with closing(sqlite3.connect(path)) as theirs:
        theirs.execute("CREATE TABLE shelf (book TEXT)")
    before = path.read_bytes()

    with pytest.raises(DatabaseError, match=r"storage\.db: the database of another program"):
        migrate(path, migrations, "process")

    assert path.read_bytes() == before


def test_a_damaged_schema_is_an_error_and_not_a_crash(
    tmp_path: Path, migrations: Traversable
) -> None:
    path = tmp_path / "storage.db"
    migrate(path, migrations, "process")
    whole = path.read_bytes()
    path.write_bytes(whole[:100] + b"\xff" * 4000 + whole[4100:])

    with pytest.raises(DatabaseError, match="not a usable database"):
        migrate(path, migrations, "process")


def test_a_migration_that_fails_changes_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "migrations"
    folder.mkdir()
    (folder / "0001_first.sql").write_text("CREATE TABLE first (x);")
    path = tmp_path / "storage.db"
    migrate(path, folder, "process")
    before = described(path)
    (folder / "0002_broken.sql").write_text("CREATE TABLE second (x);\nCREATE NONSENSE;")

    with pytest.raises(DatabaseError):
        migrate(path, folder, "process")

    assert version(path) == 1
    assert described(path) == before


def test_a_folder_that_cannot_be_written_is_an_error(
    tmp_path: Path, migrations: Traversable
) -> None:
    path = tmp_path / "storage.db"
    path.mkdir()

    with pytest.raises(DatabaseError, match=r"storage\.db"):
        migrate(path, migrations, "process")
    shutil.rmtree(path)
