"""Data folders that hold a lot: a number of messages, blobs, entities, queues and so on.

Filled in process through the functions that serve clients, many to a unit of work; over HTTP
a million of each would take an hour.
"""

from __future__ import annotations

import asyncio
import random
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from account import TEXT

from triggerfish_storage.blobs.containers import ensure_container
from triggerfish_storage.blobs.lifecycle import put_blob
from triggerfish_storage.blobs.model import Address, Draft
from triggerfish_storage.contents import Content
from triggerfish_storage.database import Database
from triggerfish_storage.protocol.accounts import DEFAULT_ACCOUNT
from triggerfish_storage.queues import directory as queues
from triggerfish_storage.queues import rows as messages
from triggerfish_storage.server import open_account
from triggerfish_storage.tables import directory as tables
from triggerfish_storage.tables import rows as entities
from triggerfish_storage.tables.edm import Property
from triggerfish_storage.tables.entity import Keys

QUEUE: Final = "orders"
CONTAINER: Final = "uploads"
ONE_PARTITION: Final = "narrow"
MANY_PARTITIONS: Final = "wide"
DOOMED: Final = "doomed"  # a queue, a container and a table to be deleted
FOLDERS: Final = 10
PARTITION: Final = 100  # entities in each of many partitions
TAGGED: Final = 10  # one blob in so many has a tag
TAGS: Final = {"kind": "rare"}
RARE: Final = 100  # one entity in so many is of a rare kind
BODY: Final = b"x" * 100

_CHUNK: Final = 5_000

Add = Callable[[sqlite3.Connection, int], object]


def blob_name(number: int) -> str:
    """Return the name of a blob: they lie below few prefixes."""
    return f"f{number % FOLDERS}/{number:08}"


def keys_in_one(number: int) -> Keys:
    return Keys("p", f"{number:08}")


def keys_in_many(number: int) -> Keys:
    return Keys(f"p{number // PARTITION:08}", f"{number % PARTITION:04}")


async def fill(folder: Path, count: int) -> None:
    """Make a data folder with ``count`` of everything."""
    async with open_account(folder) as account:
        for what, numbers, add in _parts(count):
            began = time.perf_counter()
            await _write(account.database, numbers, add)
            seconds = time.perf_counter() - began
            print(f"filled: {len(numbers):,} {what} in {seconds:.1f} s", file=sys.stderr)


def _parts(count: int) -> Iterator[tuple[str, Sequence[int], Add]]:
    """Give what is added, for which numbers, and how one of it is."""
    now = datetime.now(UTC)
    name = DEFAULT_ACCOUNT
    content = Content(len(BODY), b"", BODY, None)
    plain, tagged = Draft(), Draft(tags=TAGS)
    data = {"Kind": Property("Edm.String", "common"), "Total": Property("Edm.Double", 99.5)}
    rare = {**data, "Kind": Property("Edm.String", "rare")}

    def places(tx: sqlite3.Connection, _: int) -> None:
        for queue in (QUEUE, DOOMED):
            queues.create(tx, name, queue)
        for container in (CONTAINER, DOOMED):
            ensure_container(tx, Address(name, container), now=now)
        for table in (ONE_PARTITION, MANY_PARTITIONS, DOOMED):
            tables.create(tx, name, table)

    def message(queue: str) -> Add:
        return lambda tx, _: messages.put(tx, name, queue, TEXT, now=now)

    def blob(container: str) -> Add:
        return lambda tx, number: put_blob(
            tx,
            Address(name, container, blob_name(number)),
            content,
            tagged if number % TAGGED == 0 else plain,
            now=now,
        )

    def entity(table: str, keys: Callable[[int], Keys]) -> Add:
        return lambda tx, number: entities.insert(
            tx, name, table, keys(number), rare if number % RARE == 0 else data, now=now
        )

    def listed(tx: sqlite3.Connection, number: int) -> None:
        queues.create(tx, name, f"listed-{number:08}")
        ensure_container(tx, Address(name, f"listed-{number:08}"), now=now)
        tables.create(tx, name, f"listed{number:08}")

    # Clients do not come in the order of names.
    shuffled = random.Random(1).sample(range(count), count)
    yield "queue, container and tables", range(1), places
    yield "messages", range(count), message(QUEUE)
    yield "blobs", shuffled, blob(CONTAINER)
    yield "entities in one partition", shuffled, entity(ONE_PARTITION, keys_in_one)
    yield "entities in many partitions", shuffled, entity(MANY_PARTITIONS, keys_in_many)
    yield "queues, containers and tables", range(count), listed
    yield "messages to be deleted", range(count), message(DOOMED)
    yield "blobs to be deleted", range(count), blob(DOOMED)
    yield "entities to be deleted", range(count), entity(DOOMED, keys_in_one)


async def _write(database: Database, numbers: Sequence[int], add: Add) -> None:
    for first in range(0, len(numbers), _CHUNK):
        some = numbers[first : first + _CHUNK]

        def unit(tx: sqlite3.Connection, some: Sequence[int] = some) -> None:
            for number in some:
                add(tx, number)

        await database.write(unit)


def main() -> None:
    folder, count = Path(sys.argv[1]), int(sys.argv[2])
    asyncio.run(fill(folder, count))


if __name__ == "__main__":
    main()
