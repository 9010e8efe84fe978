"""``triggerfish history``, against a ledger's file made through the public API."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner, Result

from triggerfish.cli import history as command
from triggerfish.cli.main import triggerfish
from triggerfish.cli.selection import Instant
from triggerfish.history.batch import Limits
from triggerfish.history.entries import FILE_NAME, End, Written
from triggerfish.history.ledger import Ledger, open_ledger
from triggerfish.history.queries import Filter
from triggerfish.history.reader import HistoryError, open_reader
from triggerfish.model import Delivery, Failure, FailureKind, LogLevel, LogLine

if TYPE_CHECKING:
    from conftest import NewDelivery

NOW = datetime.now(UTC)
BROKEN = Failure(FailureKind.USER, "ValueError", "no such customer", "Traceback:\n  line 3")
IDS = {
    "fine": "aaaaaaaa-0000-4000-8000-000000000000",
    "broken": "bbbbbbbb-0000-4000-8000-000000000000",
    "bytes": "cccccccc-0000-4000-8000-000000000000",
    "running": "dddddddd-0000-4000-8000-000000000000",
}


@pytest.fixture
def delivery(delivery: NewDelivery) -> NewDelivery:
    """Make a delivery that has a name in ``IDS``."""

    def made(name: str, **changes: object) -> Delivery:
        own = {
            "payload": b'{"name": "Zo\xc3\xab"}',
            "metadata": {"id": f"message-{name}"},
            "at": NOW,
        }
        return delivery(IDS[name], **(own | changes))

    return made


def happen(ledger: Ledger, kept: Delivery, **ended: Any) -> None:
    ledger.began(kept)
    ledger.logged(LogLine(LogLevel.WARNING, "mine", "low on stock", kept.id))
    ledger.ended(kept.id, End(**({"failure": None, "duration_seconds": 0.25} | ended)))


@pytest.fixture
async def data(tmp_path: Path, delivery: NewDelivery) -> Path:
    """A data folder whose history holds the deliveries of ``IDS``, in that order."""
    async with open_ledger(tmp_path, report=print, limits=Limits()) as ledger:
        blob = Written("label", "labels/1.txt", b"Zoe")
        message = Written("next", "parcels", base64.b64encode("Zoë 🐟".encode()))
        happen(ledger, delivery("fine", at=NOW - timedelta(hours=3)), outputs=(blob, message))
        happen(ledger, delivery("broken"), failure=BROKEN, tries=3)
        ledger.poisoned(IDS["broken"], "Message has reached MaxDequeueCount of 5.")
        happen(ledger, delivery("bytes", function="Bill", payload=bytes(range(256)) * 4))
        ledger.began(delivery("running"))
    return tmp_path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(triggerfish, ["history", *arguments])


def listed(data: Path, *arguments: str) -> list[str]:
    result = run(*arguments, "--json", "--data", str(data))
    assert result.exit_code == 0, result.output
    return [one["id"] for one in json.loads(result.stdout)]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], ["running", "bytes", "broken", "fine"]),
        (["list"], ["running", "bytes", "broken", "fine"]),
        (["--failed"], ["broken"]),
        (["--status", "poisoned"], ["broken"]),
        (["--status", "succeeded"], ["bytes", "fine"]),
        (["--function", "bill"], ["bytes"]),
        (["-F", "ship", "-n", "1"], ["running"]),
        (["--since", "1h"], ["running", "bytes", "broken"]),
        (["--until", "90m"], ["fine"]),
        (["--text", "no such customer"], ["broken"]),
        (["--source", "elsewhere"], []),
    ],
    ids=" ".join,
)
def test_history_lists_what_was_asked_for(
    data: Path, arguments: list[str], expected: list[str]
) -> None:
    assert listed(data, *arguments) == [IDS[name] for name in expected]


def test_a_list_in_a_pipe_is_columns_with_whole_ids(data: Path) -> None:
    result = run("--failed", "--data", str(data))

    began, *cells = result.stdout.rstrip("\n").split("\t")
    assert began == NOW.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    assert cells == [
        *(IDS["broken"], "ship", "orders", "poisoned", "1", "250 ms"),
        "ValueError: no such customer",
    ]


def test_a_list_without_deliveries_says_so_beside_the_result(data: Path) -> None:
    result = run("--source", "elsewhere", "--data", str(data))

    assert (result.exit_code, result.stdout) == (0, "")
    assert "No deliveries match." in result.stderr


def test_showing_a_delivery_tells_all_that_is_known(data: Path) -> None:
    result = run("show", "bbbb", "--data", str(data))

    assert result.exit_code == 0
    for expected in (
        IDS["broken"],
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


def test_an_id_alone_shows_it(data: Path) -> None:
    result = run("aaaa", "--data", str(data))

    assert "label → labels/1.txt (3 bytes):\n  Zoe" in result.stdout
    assert "next → parcels (12 bytes):\n  Zoë 🐟" in result.stdout


def test_bytes_are_shown_in_hexadecimal_and_raw_gives_them_exactly(data: Path) -> None:
    shown = run("show", "cccc", "--data", str(data))
    raw = run("show", "cccc", "--raw", "--data", str(data))

    assert "00000040  40 41 42" in shown.stdout
    assert "@ABCDEFGHIJKLMNO" in shown.stdout
    assert "1.0 KiB in all" in shown.stdout
    assert raw.stdout_bytes == bytes(range(256)) * 4


def test_a_delivery_as_json_is_complete(data: Path) -> None:
    shown = json.loads(run("show", "message-broken", "--json", "--data", str(data)).stdout)

    assert shown["payload"] == {"text": '{"name": "Zoë"}'}
    assert shown["failure"]["traceback"] == "Traceback:\n  line 3"
    assert shown["log"][0]["message"] == "low on stock"
    assert (shown["status"], shown["label"], shown["tries"]) == ("failed", "poisoned", 3)
    assert shown["seconds"] == 0.25


async def test_other_deliveries_of_the_same_message_are_named(
    data: Path, delivery: NewDelivery
) -> None:
    async with open_ledger(data, report=print) as ledger:
        again = "eeeeeeee-0000-4000-8000-000000000000"
        same = {"id": again, "metadata": {"id": "message-broken"}, "replay_of": IDS["broken"]}
        happen(ledger, delivery("broken", **same))

    shown = run("show", "bbbb", "--data", str(data)).stdout

    assert "eeeeeeee replay: succeeded" in shown


async def test_a_payload_that_was_too_large_is_said_to_be_cut(
    tmp_path: Path, delivery: NewDelivery
) -> None:
    limits = Limits(max_payload_bytes=10, cut_payload_bytes=5)
    async with open_ledger(tmp_path, report=print, limits=limits) as ledger:
        happen(ledger, delivery("fine", payload=b"x" * 3000))

    shown = run("show", "aaaa", "--data", str(tmp_path))
    raw = run("show", "aaaa", "--raw", "--data", str(tmp_path))

    assert "too large to keep" in shown.stdout
    assert raw.stdout == "xxxxx"
    assert "only the beginning" in raw.stderr


def test_the_history_of_an_app_lies_in_its_folder(data: Path, tmp_path: Path) -> None:
    app = tmp_path / "app"
    app.mkdir()
    (app / "host.json").write_text("{}")
    (data / FILE_NAME).rename((app / ".triggerfish").mkdir() or app / ".triggerfish" / FILE_NAME)

    result = run("--json", "--app", str(app))

    assert len(json.loads(result.stdout)) == 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["show", "ffff"], "no delivery 'ffff'"),
        (["--function", "nobody"], "no deliveries to 'nobody' in the history. It has: Bill, ship"),
    ],
)
def test_what_is_not_there_is_told_with_what_is(
    data: Path, arguments: list[str], message: str
) -> None:
    result = run(*arguments, "--data", str(data))

    assert isinstance(result.exception, HistoryError)
    assert message in str(result.exception)


def test_without_a_history_the_command_says_where_it_looked(tmp_path: Path) -> None:
    result = run("--data", str(tmp_path))

    assert isinstance(result.exception, HistoryError)
    assert str(tmp_path / FILE_NAME) in str(result.exception)


def test_failed_and_another_status_contradict(data: Path) -> None:
    result = run("--failed", "--status", "running", "--data", str(data))

    assert result.exit_code == 2
    assert "--failed and --status" in result.stderr


@pytest.mark.parametrize(
    ("text", "ago"),
    [("90s", 90), ("30m", 1800), ("1.5h", 5400), ("2d", 172_800), ("1W", 604_800)],
)
def test_lengths_of_time_count_back_from_now(text: str, ago: int) -> None:
    instant = Instant().convert(text, None, None)

    assert abs((datetime.now(UTC) - instant).total_seconds() - ago) < 5


def test_an_instant_may_be_a_date_and_time() -> None:
    assert Instant().convert("2024-05-06T07:08:09+02:00", None, None) == datetime(
        2024, 5, 6, 5, 8, 9, tzinfo=UTC
    )
    local = datetime(2024, 5, 6, 7, 8).astimezone()
    assert Instant().convert("2024-05-06T07:08", None, None) == local


def test_what_is_no_instant_is_refused_with_examples(data: Path) -> None:
    result = run("--since", "yesterday", "--data", str(data))

    assert result.exit_code == 2
    assert "'yesterday' is no instant such as 30m" in result.stderr


def test_clearing_leaves_what_runs_and_gives_the_space_back(data: Path) -> None:
    result = run("clear", "--yes", "--data", str(data))

    assert (result.exit_code, result.stderr) == (0, "3 deliveries deleted.\n")
    assert listed(data) == [IDS["running"]]


def test_clearing_may_leave_what_is_new(data: Path) -> None:
    assert run("clear", "-y", "--before", "1h", "--data", str(data)).exit_code == 0

    assert listed(data) == [IDS["running"], IDS["bytes"], IDS["broken"]]


def test_clearing_asks_first(data: Path) -> None:
    result = CliRunner().invoke(triggerfish, ["history", "clear", "--data", str(data)], input="n\n")

    assert result.exit_code == 1
    assert len(listed(data)) == 4


async def test_clearing_goes_on_while_a_host_writes(data: Path, delivery: NewDelivery) -> None:
    async with open_ledger(data, report=print) as ledger:
        happen(ledger, delivery("fine", id="before"))
        await ledger.flush()
        ledger.began(delivery("fine", id="meanwhile"))
        await ledger.flush()
        assert run("clear", "--yes", "--data", str(data)).exit_code == 0
        ledger.ended("meanwhile", End(failure=None, duration_seconds=1))
        happen(ledger, delivery("fine", id="after"))

    assert listed(data) == ["after", "meanwhile"]


# --- following ----------------------------------------------------------------------------------


async def test_following_gives_each_delivery_once_when_it_has_ended(
    data: Path, delivery: NewDelivery
) -> None:
    async with open_ledger(data / "live", report=print) as ledger:
        happen(ledger, delivery("fine"))
        ledger.began(delivery("running"))
        await ledger.flush()
        steps: Iterator[Any] = iter(
            [
                lambda: happen(ledger, delivery("broken"), failure=BROKEN),
                lambda: ledger.ended(IDS["running"], End(failure=None, duration_seconds=1)),
                lambda: happen(ledger, delivery("bytes")),
            ]
        )
        seen: list[str] = []
        with open_reader(data / "live" / FILE_NAME) as reader:
            looks = command.ended(reader, Filter(limit=10), lambda: seen.append("pause"))
            names = {id_: name for name, id_ in IDS.items()}
            for summary in looks:
                seen.append(names[summary.id])
                step = next(steps, None)
                if step is None:
                    break
                step()
                await ledger.flush()

    assert seen == ["fine", "pause", "broken", "pause", "running", "pause", "bytes"]


async def test_following_failures_sees_one_that_ran_when_it_began(
    data: Path, delivery: NewDelivery
) -> None:
    async with open_ledger(data / "live", report=print) as ledger:
        ledger.began(delivery("running"))
        await ledger.flush()
        with open_reader(data / "live" / FILE_NAME) as reader:
            failures = command.ended(reader, Filter(status="failed"), lambda: None)
            ended = End(failure=BROKEN, duration_seconds=1)

            happen(ledger, delivery("fine"))
            ledger.ended(IDS["running"], ended)
            await ledger.flush()

            assert next(failures).id == IDS["running"]
