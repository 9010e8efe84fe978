"""What tests of the emulator share: a clock that stands still, a database, a served account.

And for the suites of conformance one exception, whichever way a service said no.
"""

from __future__ import annotations

import inspect
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager
from functools import wraps
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError

from triggerfish_storage.account import StorageAccount
from triggerfish_storage.changes import Changes
from triggerfish_storage.database import Database, open_database
from triggerfish_storage.errors import StorageError
from triggerfish_storage.protocol import connection
from triggerfish_storage.testing import ManualClock, ServedAccount, storage_account

Open = Callable[[Path, ManualClock], AbstractAsyncContextManager[StorageAccount]]


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
def effort() -> Callable[[sqlite3.Connection, Callable[[sqlite3.Connection], object]], int]:
    """Run a unit of work; return about how many instructions SQLite needed, in tens."""

    def run(tx: sqlite3.Connection, unit: Callable[[sqlite3.Connection], object]) -> int:
        ticks = 0

        def tick() -> int:
            nonlocal ticks
            ticks += 1
            return 0

        tx.set_progress_handler(tick, 10)
        try:
            unit(tx)
        finally:
            tx.set_progress_handler(None, 0)
        return ticks

    return run


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


@asynccontextmanager
async def _opened(folder: Path, clock: ManualClock) -> AsyncIterator[StorageAccount]:
    async with storage_account(folder, clock=clock) as served:
        yield served.account


@pytest.fixture
def opened() -> Open:
    """Open the account in a data folder."""
    return _opened


class Refused(Exception):  # noqa: N818 - what happened, not who is to blame
    """A request that was answered with a documented error; its text is status and code."""

    def __init__(self, status: int, code: str, message: str, index: int | None = None) -> None:
        super().__init__(f"{status} {code}")
        self.message = message
        self.index = index


class Refusing:
    """Another object, each of whose coroutines raises ``Refused`` where a service says no."""

    def __init__(self, asked: object) -> None:
        self._asked = asked

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._asked, name)
        if not inspect.iscoroutinefunction(found):
            return found

        @wraps(found)
        async def call(*args: Any, **options: Any) -> Any:
            try:
                return await found(*args, **options)
            except StorageError as error:
                code = error.error
                raise Refused(code.status, code.code, code.message) from error
            except HttpResponseError as error:
                raise _refused_by_client(error) from error

        return call


def _refused_by_client(error: HttpResponseError) -> Refused:
    code = getattr(error, "error_code", None)
    if code is None and error.response is not None:
        code = error.response.headers.get("x-ms-error-code")
    text = str(getattr(code, "value", code or ""))
    return Refused(error.status_code or 0, text, error.message, getattr(error, "index", None))


@pytest.fixture
def refused() -> Callable[[int, str], AbstractContextManager[pytest.ExceptionInfo[Refused]]]:
    """Expect that a service says no: with this status and this code."""
    return lambda status, code: pytest.raises(Refused, match=f"^{status} {code}$")


@pytest.fixture
def refusal() -> Callable[[Awaitable[Any]], Awaitable[str]]:
    """Await what must be refused, in the suites or by a client; return status and code."""

    async def outcome(action: Awaitable[Any]) -> str:
        with pytest.raises((Refused, HttpResponseError)) as caught:
            await action
        error = caught.value
        return str(error if isinstance(error, Refused) else _refused_by_client(error))

    return outcome


@pytest.fixture
def refusing() -> Callable[[object], Any]:
    """Make all ways to a service refuse alike: the store, and every official client."""
    return Refusing
