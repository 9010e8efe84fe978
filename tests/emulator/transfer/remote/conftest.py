"""Two accounts that are reached by requests only, and a folder made by hand."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from triggerfish_storage.remote.origin import RemoteOrigin
from triggerfish_storage.remote.pushing import push_account
from triggerfish_storage.remote.requests import reached
from triggerfish_storage.testing import ServedAccount, storage_account
from triggerfish_storage.transfer import sources
from triggerfish_storage.transfer.carriers import carrier
from triggerfish_storage.transfer.exporting import export_account
from triggerfish_storage.transfer.steps import ImportOptions
from triggerfish_storage.transfer.tally import Tally, unwatched

SERVICES = ("blob", "queue", "table")

ExportFrom = Callable[[str, Path], tuple[Tally, list[str]]]


@dataclass
class Account:
    """A served account, asked by clients that block."""

    served: ServedAccount

    @property
    def string(self) -> str:
        return self.served.connection_string

    async def ask(self, use: Callable[..., Any], *args: Any) -> Any:
        return await asyncio.to_thread(use, self.string, *args)

    async def export(self, target: Path) -> tuple[Tally, list[str]]:
        """Export the account; return also what was said to be left out."""
        return await self.ask(_export, target)

    async def import_(self, source: Path, **options: Any) -> tuple[Tally, list[str]]:
        return await self.ask(_import, source, ImportOptions(**options))


def _export(string: str, target: Path) -> tuple[Tally, list[str]]:
    with reached(string) as requests, carrier(target, overwrite=False) as files:
        now = datetime.now(UTC)
        tally = export_account(RemoteOrigin(requests), files, now=now, advance=unwatched)
        return tally, requests.remarks


def _import(string: str, source: Path, options: ImportOptions) -> tuple[Tally, list[str]]:
    with (
        reached(string) as requests,
        tempfile.TemporaryDirectory() as scratch,
        sources.opened(source, Path(scratch)) as found,
    ):
        now = datetime.now(UTC)
        tally = push_account(requests, found, options, now=now, advance=unwatched)
        return tally, requests.remarks


@pytest.fixture
async def accounts() -> AsyncIterator[list[Account]]:
    """Two accounts, served, both empty."""
    async with AsyncExitStack() as stack:
        yield [
            Account(await stack.enter_async_context(storage_account(services=SERVICES)))
            for _ in range(2)
        ]


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """A folder made by hand, with something of each kind."""
    folder = tmp_path / "made"
    for name, text in {
        "blobs/uploads/a.txt": "new",
        "blobs/uploads/b.txt": "b",
        "queues/orders.jsonl": '{"body": {"id": 1}}',
        "tables/People.jsonl": '{"PartitionKey": "p", "RowKey": "r", "name": "new"}',
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


@pytest.fixture
def export_from() -> ExportFrom:
    """Export the account that a connection string names; return also what is left out."""
    return _export
