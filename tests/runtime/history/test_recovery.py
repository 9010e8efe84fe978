"""The ledger's file after a crash, a tear, or somebody else's hands."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from triggerfish.history import queries
from triggerfish.history.entries import FILE_NAME, End, Status
from triggerfish.history.ledger import Ledger, open_ledger
from triggerfish.history.queries import Filter
from triggerfish.history.reader import open_reader
from triggerfish.model import Delivery, TriggerfishError

NOW = datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)
END = End(failure=None, duration_seconds=0.25)


def delivery(number: int) -> Delivery:
    return Delivery(
        id=f"delivery-{number}",
        function="ship",
        trigger="queueTrigger",
        source="orders",
        payload=b"{}",
        metadata={"id": f"message-{number}"},
        attempt=1,
        reason="New queue message detected on 'orders'.",
        at=NOW + timedelta(seconds=number),
    )


async def count(ledger: Ledger) -> int:
    return len(await ledger.read(lambda reader: queries.find(reader, Filter())))


async def test_reopening_continues_after_the_newest(tmp_path: Path) -> None:
    for number in range(3):
        async with open_ledger(tmp_path, report=print) as ledger:
            ledger.began(delivery(number))
            ledger.ended(delivery(number).id, END)

    with open_reader(tmp_path / FILE_NAME) as reader:
        found = queries.find(reader, Filter())
    assert [one.id for one in found] == [delivery(n).id for n in (2, 1, 0)]


CHILD = """
import asyncio, sys
from pathlib import Path
from test_recovery import END, delivery
from triggerfish.model import LogLevel, LogLine
from triggerfish.history.ledger import open_ledger

async def main():
    async with open_ledger(Path(sys.argv[1]), report=print) as ledger:
        for number in range(3):
            ledger.began(delivery(number))
        ledger.ended(delivery(1).id, END)
        ledger.logged(LogLine(LogLevel.ERROR, "mine", "the last words", delivery(2).id))
        await ledger.flush()
        print("ready", flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


async def test_after_a_kill_what_never_ended_is_interrupted(tmp_path: Path) -> None:
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", CHILD, str(tmp_path)),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent)},
    )
    assert child.stdout is not None
    assert await child.stdout.readline() == b"ready\n"
    child.send_signal(signal.SIGKILL)
    await child.communicate()

    async with open_ledger(tmp_path, report=print) as ledger:
        found = await ledger.read(lambda reader: queries.find(reader, Filter()))
        last = await ledger.read(lambda reader: queries.entry(reader, found[0].number))

    assert [one.status for one in found] == [
        Status.INTERRUPTED,
        Status.SUCCEEDED,
        Status.INTERRUPTED,
    ]
    assert [one.message for one in last.lines] == ["the last words"]


async def test_the_file_of_a_killed_host_can_be_read_before_anyone_opens_it(
    tmp_path: Path,
) -> None:
    async with open_ledger(tmp_path / "live", report=print) as ledger:
        ledger.began(delivery(1))
        await ledger.flush()
        torn = tmp_path / "torn"
        torn.mkdir()
        for suffix in ("", "-wal"):  # as SIGKILL leaves them: a log nobody has taken over
            source = tmp_path / "live" / f"{FILE_NAME}{suffix}"
            (torn / source.name).write_bytes(source.read_bytes())

    with open_reader(torn / FILE_NAME) as reader:
        assert [one.status for one in queries.find(reader, Filter())] == [Status.RUNNING]


async def test_a_log_torn_at_its_end_costs_the_last_batch_only(tmp_path: Path) -> None:
    async with open_ledger(tmp_path / "live", report=print) as ledger:
        sizes = []
        for number in range(3):
            ledger.began(delivery(number))
            await ledger.flush()
            sizes.append((tmp_path / "live" / f"{FILE_NAME}-wal").stat().st_size)
        torn = tmp_path / "torn"
        torn.mkdir()
        (torn / FILE_NAME).write_bytes((tmp_path / "live" / FILE_NAME).read_bytes())
        log = (tmp_path / "live" / f"{FILE_NAME}-wal").read_bytes()
        (torn / f"{FILE_NAME}-wal").write_bytes(log[: sizes[1] + 1000])

    async with open_ledger(torn, report=print) as ledger:
        assert await count(ledger) == 2


async def test_a_file_that_is_no_database_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(b"not a database, but long enough to look at" * 100)

    with pytest.raises(TriggerfishError, match=r"history\.db"):
        async with open_ledger(tmp_path, report=print):
            pass
