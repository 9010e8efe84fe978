"""An account that somebody has open, under each promise of what a commit survives."""

from __future__ import annotations

from pathlib import Path

import pytest

from triggerfish_storage.server import open_account
from triggerfish_storage.testing import ManualClock


@pytest.fixture(params=["process", "full"])
async def account(request: pytest.FixtureRequest, clock: ManualClock, tmp_path: Path):
    async with open_account(tmp_path / "data", clock=clock, durability=request.param) as account:
        await account.blobs.create_container("uploads", now=clock.now())
        await account.queues.create("orders")
        yield account
