"""``triggerfish history clear`` lets go of what has ended."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from click.testing import CliRunner

from triggerfish.cli.main import triggerfish
from triggerfish.history.entries import End
from triggerfish.history.ledger import open_ledger

if TYPE_CHECKING:
    from conftest import Happen, Listed, NewDelivery, Run


def test_clearing_leaves_what_runs_and_gives_the_space_back(
    data: Path, ids: Mapping[str, str], run: Run, listed: Listed
) -> None:
    result = run("clear", "--yes", "--data", str(data))

    assert (result.exit_code, result.stderr) == (0, "3 deliveries deleted.\n")
    assert listed(data) == [ids["running"]]


def test_clearing_may_leave_what_is_new(
    data: Path, ids: Mapping[str, str], run: Run, listed: Listed
) -> None:
    result = run("clear", "-y", "--before", "1h", "--data", str(data))

    assert (result.exit_code, result.stderr) == (0, "1 delivery deleted.\n")
    assert listed(data) == [ids["running"], ids["bytes"], ids["broken"]]


def test_clearing_asks_first(data: Path, listed: Listed) -> None:
    result = CliRunner().invoke(triggerfish, ["history", "clear", "--data", str(data)], input="n\n")

    assert result.exit_code == 1
    assert len(listed(data)) == 4


async def test_clearing_goes_on_while_a_host_writes(
    data: Path, delivery: NewDelivery, happen: Happen, run: Run, listed: Listed
) -> None:
    async with open_ledger(data, report=print) as ledger:
        happen(ledger, delivery("fine", id="before"))
        await ledger.flush()
        ledger.began(delivery("fine", id="meanwhile"))
        await ledger.flush()
        assert run("clear", "--yes", "--data", str(data)).exit_code == 0
        ledger.ended("meanwhile", End(failure=None, duration_seconds=1))
        happen(ledger, delivery("fine", id="after"))

    assert listed(data) == ["after", "meanwhile"]
