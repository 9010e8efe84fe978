"""``triggerfish history --follow`` gives each delivery once, when it has ended."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from triggerfish.cli import history as command
from triggerfish.history.entries import FILE_NAME, End
from triggerfish.history.ledger import open_ledger
from triggerfish.history.queries import Filter
from triggerfish.history.reader import open_reader
from triggerfish.model import Failure, FailureKind

if TYPE_CHECKING:
    from conftest import Happen, NewDelivery

BROKEN = Failure(FailureKind.USER, "ValueError", "no such customer", "Traceback:\n  line 3")


async def test_following_gives_each_delivery_once_when_it_has_ended(
    data: Path, delivery: NewDelivery, ids: Mapping[str, str], happen: Happen
) -> None:
    async with open_ledger(data / "live", report=print) as ledger:
        happen(ledger, delivery("fine"))
        ledger.began(delivery("running"))
        await ledger.flush()
        steps: Iterator[Any] = iter(
            [
                lambda: happen(ledger, delivery("broken"), failure=BROKEN),
                lambda: ledger.ended(ids["running"], End(failure=None, duration_seconds=1)),
                lambda: happen(ledger, delivery("bytes")),
            ]
        )
        seen: list[str] = []
        with open_reader(data / "live" / FILE_NAME) as reader:
            looks = command.ended(reader, Filter(limit=10), lambda: seen.append("pause"))
            names = {id_: name for name, id_ in ids.items()}
            for summary in looks:
                seen.append(names[summary.id])
                step = next(steps, None)
                if step is None:
                    break
                step()
                await ledger.flush()

    assert seen == ["fine", "pause", "broken", "pause", "running", "pause", "bytes"]


async def test_following_failures_sees_one_that_ran_when_it_began(
    data: Path, delivery: NewDelivery, ids: Mapping[str, str], happen: Happen
) -> None:
    async with open_ledger(data / "live", report=print) as ledger:
        ledger.began(delivery("running"))
        await ledger.flush()
        with open_reader(data / "live" / FILE_NAME) as reader:
            failures = command.ended(reader, Filter(status="failed"), lambda: None)
            ended = End(failure=BROKEN, duration_seconds=1)

            happen(ledger, delivery("fine"))
            ledger.ended(ids["running"], ended)
            await ledger.flush()

            assert next(failures).id == ids["running"]
