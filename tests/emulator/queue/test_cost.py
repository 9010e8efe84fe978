"""What statements cost: they find their rows by index, however deep a queue is."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from triggerfish_storage.database import Database
from triggerfish_storage.protocol.accounts import DEFAULT_ACCOUNT as ACCOUNT
from triggerfish_storage.queues import directory, expiry, receipts, rows
from triggerfish_storage.queues.store import QueueStore
from triggerfish_storage.queues.upkeep import queue_upkeep
from triggerfish_storage.testing import ManualClock

SOON = timedelta(seconds=30)
Steps = Callable[[Callable[[sqlite3.Connection], object]], int]

_NAMES = {"account": ACCOUNT, "queue": "orders", "name": "orders"}
_VALUES: Mapping[str, Any] = dict.fromkeys(
    (
        *("now", "until", "receipt", "held", "count", "seq", "secret", "given", "visible_at"),
        *("text", "backlog_id", "first", "beyond", "more", "seqs"),
    ),
    1,
)


@pytest.mark.parametrize(
    ("statement", "index"),
    [
        (directory.COUNT_IN, "SEARCH backlog USING INTEGER PRIMARY KEY"),
        (
            rows.VISIBLE,
            "SEARCH message USING INDEX message_visible (backlog_id=? AND visible_at<?)",
        ),
        (rows.HIDE, "SEARCH message USING INTEGER PRIMARY KEY"),
        (receipts.UPDATE, "SEARCH message USING INTEGER PRIMARY KEY"),
        (receipts.DELETE, "SEARCH message USING INTEGER PRIMARY KEY"),
        (receipts.FIND, "SEARCH message USING INTEGER PRIMARY KEY"),
        (
            rows.NEXT_VISIBLE,
            "SEARCH message USING INDEX message_visible (backlog_id=? AND visible_at>?)",
        ),
        (rows.RELEASE_ORPHANS, "SEARCH message USING INDEX message_held"),
        (expiry.EXPIRED, "SEARCH message USING INDEX message_expiry (expires_at<?)"),
        (expiry.NEXT_EXPIRY, "SEARCH message USING COVERING INDEX message_expiry"),
        (directory.COUNT, "SEARCH backlog USING INTEGER PRIMARY KEY"),
        (directory.DISCARDED, "SCAN backlog USING INDEX backlog_discarded"),
        (
            directory.DOOMED,
            "SEARCH message USING INDEX message_visible (backlog_id=?)",
        ),
        (directory.REMOVE_DISCARDED, "SEARCH message USING INTEGER PRIMARY KEY"),
        (
            directory.FIND,
            "SEARCH queue USING INDEX sqlite_autoindex_queue_1 (account=? AND name=?)",
        ),
        (
            directory.LIST,
            "SEARCH queue USING INDEX sqlite_autoindex_queue_1 (account=? AND name>? AND name<?)",
        ),
    ],
    ids=lambda value: value.split()[0] if isinstance(value, str) else None,
)
async def test_every_statement_finds_its_rows_by_index(
    database: Database, statement: str, index: str
) -> None:
    def explain(tx: sqlite3.Connection) -> list[str]:
        values = {**_VALUES, **_NAMES}
        return [row[3] for row in tx.execute(f"EXPLAIN QUERY PLAN {statement}", values)]

    plan = database.look(explain)

    assert any(step.startswith(index) for step in plan), plan


@pytest.fixture
def steps(database: Database, effort: Callable[..., int]) -> Steps:
    """What a unit of work costs on the writer's connection."""
    return partial(effort, database._writer)


async def test_cost_does_not_grow_with_the_depth_of_a_queue(
    database: Database, store: QueueStore, clock: ManualClock, steps: Steps
) -> None:
    now = clock.now()
    await store.create("orders")
    await store.put("orders", "one", now=now)

    def measure() -> dict[str, int]:
        put = rows.put(database._writer, ACCOUNT, "orders", "x", now=now)
        return {
            "put": steps(lambda tx: rows.put(tx, ACCOUNT, "orders", "x", now=now)),
            "peek": steps(lambda tx: rows.peek(tx, ACCOUNT, "orders", count=1, now=now)),
            "count": steps(lambda tx: directory.count(tx, ACCOUNT, "orders", now=now)),
            "take": steps(
                lambda tx: rows.take(tx, ACCOUNT, "orders", count=1, now=now, hide_for=SOON),
            ),
            "update": steps(
                lambda tx: receipts.update(
                    tx, ACCOUNT, "orders", put.id, put.pop_receipt, now=now, hide_for=SOON
                ),
            ),
            "next": steps(lambda tx: rows.next_visible(tx, ACCOUNT, "orders", now=now)),
        }

    shallow = measure()
    await database.write(
        lambda tx: [rows.put(tx, ACCOUNT, "orders", "x", now=now) for _ in range(5000)]
    )
    deep = measure()

    assert deep == pytest.approx(shallow, abs=3)
    assert steps(lambda tx: directory.clear(tx, ACCOUNT, "orders")) < 30


async def test_expired_messages_in_front_hold_up_no_taker(
    database: Database, store: QueueStore, clock: ManualClock, steps: Steps
) -> None:
    await store.create("orders")
    begun = clock.now()
    life = timedelta(seconds=1)

    def fill(tx: sqlite3.Connection) -> None:
        for _ in range(20_000):
            rows.put(tx, ACCOUNT, "orders", "expired", now=begun, life=life)
        for _ in range(3):
            rows.put(tx, ACCOUNT, "orders", "fresh", now=begun + 2 * life)

    await database.write(fill)
    now = begun + 3 * life

    def take(tx: sqlite3.Connection) -> list[str]:
        return [m.text for m in rows.take(tx, ACCOUNT, "orders", count=3, now=now, hide_for=SOON)]

    texts: list[str] = []
    costs = []
    while not texts:
        costs.append(steps(lambda tx: texts.extend(take(tx))))

    assert texts == ["fresh"] * 3
    assert len(costs) > 10
    assert max(costs) < 2 * min(costs)
    while await queue_upkeep(database, now):
        pass
    assert store.count("orders", now=now) == 3
