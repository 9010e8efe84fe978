"""What tests of the emulator share: a clock that stands still, a database, a served account."""

from __future__ import annotations

from collections.abc import AsyncIterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

import pytest

from triggerfish_storage.changes import Changes
from triggerfish_storage.database import Database, open_database
from triggerfish_storage.protocol import connection
from triggerfish_storage.testing import ManualClock, ServedAccount, storage_account


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def migrations() -> Traversable:
    return files("triggerfish_storage") / "migrations"


@pytest.fixture
async def database(tmp_path: Path, migrations: Traversable) -> AsyncIterator[Database]:
    async with open_database(tmp_path / "storage.db", migrations) as database:
        yield database


@pytest.fixture
def changes() -> Changes:
    return Changes()


@pytest.fixture
async def served(
    clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[ServedAccount]:
    """An account in memory on free ports, on the test's clock."""
    monkeypatch.setattr(connection, "LINGER_SECONDS", 0.01)
    async with storage_account(clock=clock) as served:
        yield served
