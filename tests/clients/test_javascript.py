"""The official JavaScript clients, run by Node.js against an account served over HTTP.

``TRIGGERFISH_NODE_MODULES`` names the folder the packages are installed in.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from pathlib import Path
from typing import Final

import pytest

from triggerfish_storage.testing import storage_account

PROGRAM: Final = Path(__file__).parent / "programs" / "round_trip.cjs"
PACKAGES: Final = ("storage-blob", "storage-queue", "data-tables")

pytestmark = [pytest.mark.external, pytest.mark.slow]


@pytest.fixture
def node() -> str:
    found = shutil.which(os.environ.get("TRIGGERFISH_NODE", "node"))
    if found is None:
        pytest.skip("Node.js is not here: set TRIGGERFISH_NODE, or put node on PATH")
    return found


@pytest.fixture
def modules() -> str:
    folder = os.environ.get("TRIGGERFISH_NODE_MODULES", "")
    if not folder or not all((Path(folder) / "@azure" / name).is_dir() for name in PACKAGES):
        pytest.skip("TRIGGERFISH_NODE_MODULES names no folder with the @azure packages")
    return folder


@pytest.mark.parametrize("part", ["blobs", "queues", "tables"])
async def test_everything_survives_the_javascript_clients(
    node: str, modules: str, part: str
) -> None:
    async with storage_account(services=("blob", "queue", "table")) as served:
        program = await asyncio.create_subprocess_exec(
            node,
            str(PROGRAM),
            served.connection_string,
            part,
            env={**os.environ, "NODE_PATH": modules},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await program.communicate()
    assert program.returncode == 0, said.decode()
