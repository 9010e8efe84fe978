"""Killed with SIGKILL under load: what was acknowledged is there, nothing is half there."""

import asyncio
import hashlib
import random
import sqlite3
import sys
from importlib.resources import files
from pathlib import Path

import pytest

from triggerfish_storage.blobs.store import BlobStore
from triggerfish_storage.changes import Changes
from triggerfish_storage.content_folder import Contents
from triggerfish_storage.database import open_database
from triggerfish_storage.testing import ManualClock

ROUNDS = 5
GONE = "-"

# Each task owns one blob, says what it is about to do, does it, and says so again.
WRITER = """
import asyncio, hashlib, os, random, sys
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from triggerfish_storage.blobs.store import BlobStore
from triggerfish_storage.changes import Changes
from triggerfish_storage.content_folder import Contents
from triggerfish_storage.database import open_database

def say(*words):
    os.write(1, (" ".join(words) + "\\n").encode())

async def write(store, name):
    exists = False
    while True:
        now = datetime.now(UTC)
        if exists and random.random() < 0.2:
            say("begin", name, "-")
            await store.delete("data", name, now=now)
            say("done", name, "-")
            exists = False
        else:
            size = random.choice([10, 5_000, 40_000, 1_500_000])
            data = random.randbytes(1000) * (size // 1000) + os.urandom(size % 1000)
            digest = hashlib.md5(data).hexdigest()
            say("begin", name, digest)
            await store.put("data", name, data, now=now)
            say("done", name, digest)
            exists = True

async def main(folder):
    migrations = files("triggerfish_storage") / "migrations"
    async with open_database(folder / "storage.db", migrations) as database:
        store = BlobStore(database, Contents(folder / "contents"), Changes())
        await store.create_container("data", now=datetime.now(UTC))
        async with asyncio.TaskGroup() as group:
            for number in range(8):
                group.create_task(write(store, f"blob{number}"))

asyncio.run(main(Path(sys.argv[1])))
"""


async def killed(folder: Path, after_lines: int) -> list[list[str]]:
    """Let a process write until it has said so many lines, kill it, and return all it said."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", WRITER, str(folder)), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    said = [await process.stdout.readline() for _ in range(after_lines)]
    process.kill()
    rest = await process.stdout.read()
    await process.wait()
    lines = b"".join(said) + rest
    return [line.split() for line in lines.decode().splitlines() if line.count(" ") == 2]


def possible(said: list[list[str]]) -> dict[str, set[str]]:
    """Return what each blob may hold: what was acknowledged last, and what was begun since."""
    states: dict[str, set[str]] = {}
    for kind, name, digest in said:
        if kind == "done":
            states[name] = {digest}
        else:
            states.setdefault(name, {GONE}).add(digest)
    return states


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(ROUNDS))
async def test_nothing_acknowledged_is_lost_and_nothing_is_half_written(tmp_path, seed):
    lines = random.Random(seed).randrange(20, 400)
    said = await killed(tmp_path, lines)
    assert len(said) >= lines

    migrations = files("triggerfish_storage") / "migrations"
    async with open_database(tmp_path / "storage.db", migrations) as database:
        store = BlobStore(database, Contents(tmp_path / "contents"), Changes())
        await store.contents.collect(database)
        await store.contents.sweep(database, await store.contents.present())
        for name, allowed in possible(said).items():
            blob = store.find("data", name)
            if blob is None:
                assert GONE in allowed
                continue
            _, data = await store.get("data", name, now=ManualClock().now())
            assert hashlib.md5(data).digest() == blob.md5
            assert blob.md5.hex() in allowed

        def named(tx: sqlite3.Connection) -> set[str]:
            found = tx.execute("SELECT file FROM content WHERE file IS NOT NULL")
            return {row[0] for row in found}

        assert {path.name for path in (tmp_path / "contents").iterdir()} == database.look(named)
