"""A database of things that have names, under each promise of what a commit survives."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Callable
from importlib.resources.abc import Traversable
from pathlib import Path

import pytest

from triggerfish_storage.database import Database, Durability, open_database

CREATE = "CREATE TABLE thing (name TEXT PRIMARY KEY) STRICT;"

Add = Callable[[str], Callable[[sqlite3.Connection], object]]
Names = Callable[[sqlite3.Connection], list[str]]


@pytest.fixture
def migrations(tmp_path: Path) -> Path:
    folder = tmp_path / "migrations"
    folder.mkdir()
    (folder / "0001_things.sql").write_text(CREATE)
    return folder


@pytest.fixture(params=["process", "full"])
def durability(request: pytest.FixtureRequest) -> Durability:
    found: Durability = request.param
    return found


@pytest.fixture
async def things(
    tmp_path: Path, migrations: Traversable, durability: Durability
) -> AsyncIterator[Database]:
    path = tmp_path / "data" / "things.db"
    async with open_database(path, migrations, durability=durability) as database:
        yield database


def _add(name: str) -> Callable[[sqlite3.Connection], int]:
    def unit(tx: sqlite3.Connection) -> int:
        return tx.execute("INSERT INTO thing VALUES (:name)", {"name": name}).rowcount

    return unit


def _add_and_fail(name: str) -> Callable[[sqlite3.Connection], None]:
    def unit(tx: sqlite3.Connection) -> None:
        _add(name)(tx)
        raise LookupError(name)

    return unit


def _names(tx: sqlite3.Connection) -> list[str]:
    return [name for (name,) in tx.execute("SELECT name FROM thing ORDER BY name")]


@pytest.fixture
def add() -> Add:
    """Make a unit of work that adds a thing."""
    return _add


@pytest.fixture
def add_and_fail() -> Add:
    """Make a unit of work that adds a thing and then raises ``LookupError``."""
    return _add_and_fail


@pytest.fixture
def names() -> Names:
    """Read the names of all things."""
    return _names
