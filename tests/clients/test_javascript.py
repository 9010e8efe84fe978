"""The official JavaScript clients, run by Node.js: today's, older ones under names of their own,
the one before them, what others built on them, and clients of others that speak the protocol by
themselves.

``TRIGGERFISH_NODE_MODULES`` names the folder the packages are installed in.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from conftest import Account, FindCommand

PROGRAMS: Final = Path(__file__).parent / "programs"
OLDER: Final = {  # what npm is to install under each name
    "older-storage-blob": "@azure/storage-blob@12.8",
    "older-storage-queue": "@azure/storage-queue@12.8",
    "older-data-tables": "@azure/data-tables@13.2",
}
PACKAGES: Final = {
    "round_trip.cjs older-": tuple(OLDER),
    "round_trip.cjs": ("@azure/storage-blob", "@azure/storage-queue", "@azure/data-tables"),
    "legacy.cjs": ("azure-storage",),
    "stores.cjs": ("@azure/eventhubs-checkpointstore-blob", "unstorage"),
    "own_protocol.cjs": ("azure-queue-node", "azure-table-node"),
}
PARTS: Final = {
    "stores.cjs": ("checkpoints", "unstorage"),
    "own_protocol.cjs": ("queues", "tables"),
}

pytestmark = [pytest.mark.external, pytest.mark.slow]


@pytest.mark.parametrize(
    ("program", "part"),
    [
        (program, part)
        for program in PACKAGES
        for part in PARTS.get(program, ("blobs", "queues", "tables"))
    ],
)
def test_everything_survives_the_javascript_clients(
    find_command: FindCommand, account: Account, program: str, part: str
) -> None:
    modules = os.environ.get("TRIGGERFISH_NODE_MODULES", "")
    if not all((Path(modules) / name).is_dir() for name in PACKAGES[program]):
        install = f"npm install {' '.join(map(_source, PACKAGES[program]))}"
        pytest.skip(f"TRIGGERFISH_NODE_MODULES names no folder with them: {install}")
    node = find_command("node", "apt-get install nodejs", {"NODE_PATH": modules})

    file, *more = program.split()
    node("--no-deprecation", PROGRAMS / file, account.connection_string, part, *more)


def _source(name: str) -> str:
    return f"{name}@npm:{OLDER[name]}" if name in OLDER else name
