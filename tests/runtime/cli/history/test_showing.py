"""``triggerfish history show`` tells all that is known of a delivery."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from triggerfish.history.batch import OUTPUTS_KEPT, Limits
from triggerfish.history.entries import Written
from triggerfish.history.ledger import open_ledger
from triggerfish.model import LogLevel, LogLine

if TYPE_CHECKING:
    from conftest import Happen, NewDelivery, Run


def test_showing_a_delivery_tells_all_that_is_known(
    data: Path, ids: Mapping[str, str], run: Run
) -> None:
    result = run("show", "bbbb", "--data", str(data))

    assert result.exit_code == 0
    for expected in (
        ids["broken"],
        "poisoned",
        "orders (queueTrigger)",
        "Message has reached MaxDequeueCount of 5.",
        "ValueError: no such customer",
        "Traceback:\n    line 3",
        '"name": "Zoë"',
        "Warning: low on stock",
        "message-broken",
    ):
        assert expected in result.stdout


def test_an_id_alone_shows_it(data: Path, run: Run) -> None:
    result = run("aaaa", "--data", str(data))

    assert "label → labels/1.txt (3 bytes):\n  Zoe" in result.stdout
    assert "next → parcels (12 bytes):\n  Zoë 🐟" in result.stdout


def test_bytes_are_shown_in_hexadecimal_and_raw_gives_them_exactly(data: Path, run: Run) -> None:
    shown = run("show", "cccc", "--data", str(data))
    raw = run("show", "cccc", "--raw", "--data", str(data))

    assert "00000040  40 41 42" in shown.stdout
    assert "@ABCDEFGHIJKLMNO" in shown.stdout
    assert "1.0 KiB in all" in shown.stdout
    assert raw.stdout_bytes == bytes(range(256)) * 4


def test_a_delivery_as_json_is_complete(data: Path, run: Run) -> None:
    shown = json.loads(run("show", "message-broken", "--json", "--data", str(data)).stdout)

    assert shown["payload"] == {"text": '{"name": "Zoë"}'}
    assert shown["failure"]["traceback"] == "Traceback:\n  line 3"
    assert shown["log"][0]["message"] == "low on stock"
    assert (shown["status"], shown["label"], shown["tries"]) == ("failed", "poisoned", 3)
    assert shown["seconds"] == 0.25


async def test_other_deliveries_of_the_same_message_are_named(
    data: Path, delivery: NewDelivery, ids: Mapping[str, str], happen: Happen, run: Run
) -> None:
    async with open_ledger(data, report=print) as ledger:
        again = "eeeeeeee-0000-4000-8000-000000000000"
        same = {"id": again, "metadata": {"id": "message-broken"}, "replay_of": ids["broken"]}
        happen(ledger, delivery("broken", **same))

    shown = run("show", "bbbb", "--data", str(data)).stdout

    assert "eeeeeeee replay: succeeded" in shown


async def test_a_payload_that_was_too_large_is_said_to_be_cut(
    tmp_path: Path, delivery: NewDelivery, happen: Happen, run: Run
) -> None:
    limits = Limits(max_payload_bytes=10, cut_payload_bytes=5)
    async with open_ledger(tmp_path, report=print, limits=limits) as ledger:
        happen(ledger, delivery("fine", payload=b"x" * 3000))

    shown = run("show", "aaaa", "--data", str(tmp_path))
    raw = run("show", "aaaa", "--raw", "--data", str(tmp_path))

    assert "too large to keep" in shown.stdout
    assert raw.stdout == "xxxxx"
    assert "only the beginning" in raw.stderr


async def test_outputs_that_were_too_many_are_told(
    tmp_path: Path, delivery: NewDelivery, happen: Happen, run: Run
) -> None:
    parcels = (Written("next", "parcels", b"one"),) * (OUTPUTS_KEPT + 7)
    async with open_ledger(tmp_path, report=print) as ledger:
        happen(ledger, delivery("fine"), outputs=parcels)

    shown = run("show", "aaaa", "--data", str(tmp_path))
    document = json.loads(run("show", "aaaa", "--json", "--data", str(tmp_path)).stdout)

    assert "(7 more outputs were not kept)" in shown.stdout
    assert (len(document["outputs"]), document["outputsLost"]) == (OUTPUTS_KEPT, 7)


async def test_the_lines_of_one_log_message_stay_together(
    tmp_path: Path, delivery: NewDelivery, happen: Happen, run: Run
) -> None:
    async with open_ledger(tmp_path, report=print) as ledger:
        happen(ledger, broken := delivery("broken"))
        for text in ("no such customer\nTraceback:\n  line 3", "so it is left"):
            ledger.logged(LogLine(LogLevel.ERROR, "mine", text, broken.id))

    shown = run("show", "bbbb", "--data", str(tmp_path)).stdout

    assert (
        "  after Error: no such customer\n    Traceback:\n      line 3\n  after Error: so" in shown
    )
