"""``triggerfish history`` lists what was asked for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from triggerfish.cli.history_view import short_id
from triggerfish.cli.selection import Instant
from triggerfish.history.entries import FILE_NAME
from triggerfish.history.reader import HistoryError

if TYPE_CHECKING:
    from conftest import Listed, Run


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
    data: Path, arguments: list[str], expected: list[str], ids: Mapping[str, str], listed: Listed
) -> None:
    assert listed(data, *arguments) == [ids[name] for name in expected]


def test_a_list_in_a_pipe_is_columns_with_whole_ids(
    data: Path, now: datetime, ids: Mapping[str, str], run: Run
) -> None:
    result = run("--failed", "--data", str(data))

    began, *cells = result.stdout.rstrip("\n").split("\t")
    assert began == now.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    assert cells == [
        *(ids["broken"], "ship", "orders", "poisoned", "1", "250 ms"),
        "ValueError: no such customer",
    ]


def test_of_a_payload_that_is_no_text_a_list_says_how_long_it_is(data: Path, run: Run) -> None:
    result = run("--function", "bill", "--data", str(data))

    assert result.stdout.rstrip("\n").split("\t")[-1] == "(no text, 1.0 KiB)"


def test_a_list_without_deliveries_says_so_beside_the_result(data: Path, run: Run) -> None:
    result = run("--source", "elsewhere", "--data", str(data))

    assert (result.exit_code, result.stdout) == (0, "")
    assert "No deliveries match." in result.stderr


def test_the_history_of_an_app_lies_in_its_folder(data: Path, tmp_path: Path, run: Run) -> None:
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
    data: Path, arguments: list[str], message: str, run: Run
) -> None:
    result = run(*arguments, "--data", str(data))

    assert isinstance(result.exception, HistoryError)
    assert message in str(result.exception)


def test_without_a_history_the_command_says_where_it_looked(tmp_path: Path, run: Run) -> None:
    result = run("--data", str(tmp_path))

    assert isinstance(result.exception, HistoryError)
    assert str(tmp_path / FILE_NAME) in str(result.exception)


def test_failed_and_another_status_contradict(data: Path, run: Run) -> None:
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


def test_what_is_no_instant_is_refused_with_examples(data: Path, run: Run) -> None:
    result = run("--since", "yesterday", "--data", str(data))

    assert result.exit_code == 2
    assert "'yesterday' is no instant such as 30m" in result.stderr


@pytest.mark.parametrize(
    ("whole", "short"),
    [
        ("f285e7ad-f8bd-4f17-a3d3-84a06a6a57c0", "f285e7ad"),
        ("refused-5d7561b0-aa8d-8ff1-0000-000000000025-1", "refused-5d7561b0"),
        ("one", "one"),
    ],
)
def test_ids_are_short_in_tables_for_people(whole: str, short: str) -> None:
    assert short_id(whole) == short
