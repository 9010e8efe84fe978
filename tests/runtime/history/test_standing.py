"""Failures that stand: each message once, and not where it succeeded since."""

from __future__ import annotations

from typing import TYPE_CHECKING

from triggerfish.history import queries
from triggerfish.history.ledger import Ledger
from triggerfish.history.queries import Filter
from triggerfish.model import Failure, FailureKind

if TYPE_CHECKING:
    from conftest import Happen, NewDelivery

BROKEN = Failure(FailureKind.USER, "ValueError", "no such customer")


async def standing(ledger: Ledger, **which: object) -> list[int]:
    asked = Filter(status="failed", **which)  # type: ignore[arg-type]
    found = await ledger.read(lambda reader: list(queries.standing(reader, asked)))
    return [int(one.id[:8], 16) for one in found]


async def test_a_message_that_failed_often_is_one_failure(
    ledger: Ledger, delivery: NewDelivery, happen: Happen
) -> None:
    for number in range(5):
        happen(ledger, delivery(number, metadata={"id": "same"}, attempt=number), BROKEN)
    happen(ledger, delivery(5), BROKEN)

    assert await standing(ledger, limit=2) == [5, 4]


async def test_a_message_that_succeeded_since_is_no_failure(
    ledger: Ledger, delivery: NewDelivery, happen: Happen
) -> None:
    happen(ledger, delivery(1, metadata={"id": "same"}), BROKEN)
    happen(ledger, delivery(2, metadata={"id": "same"}))
    happen(ledger, delivery(3, metadata={}), BROKEN)
    await ledger.flush()
    happen(ledger, delivery(4, metadata={}, replay_of=delivery(3).id))

    assert await standing(ledger) == []


async def test_another_functions_success_with_the_same_blob_does_not_count(
    ledger: Ledger,
    delivery: NewDelivery,
    happen: Happen,
) -> None:
    blob = {"source": "files/a.csv", "metadata": {"Properties": {"ETag": '"0x1"'}}}
    happen(ledger, delivery(1, function="index", **blob), BROKEN)
    happen(ledger, delivery(2, function="store", **blob))

    assert await standing(ledger) == [1]


async def test_a_replay_that_runs_still_is_waited_for(
    ledger: Ledger, delivery: NewDelivery, happen: Happen
) -> None:
    happen(ledger, delivery(1), BROKEN)
    await ledger.flush()
    ledger.began(delivery(2, metadata={"id": "message-1"}, replay_of=delivery(1).id))

    assert await standing(ledger) == []
