"""The time zone of cron expressions (timer-trigger.md, section 4)."""

from __future__ import annotations

from datetime import UTC
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from triggerfish.model import LogLevel, LogLine
from triggerfish.time_zones import find_zone, zone_of
from triggerfish.windows_zones import WINDOWS_ZONES


@pytest.mark.parametrize(
    ("name", "zone"),
    [
        ("America/New_York", ZoneInfo("America/New_York")),
        ("Eastern Standard Time", ZoneInfo("America/New_York")),
        ("eastern standard time", ZoneInfo("America/New_York")),
        ("W. Europe Standard Time", ZoneInfo("Europe/Berlin")),
        (":Europe/Berlin", ZoneInfo("Europe/Berlin")),
        (" Europe/Berlin ", ZoneInfo("Europe/Berlin")),
        ("UTC", UTC),
        ("Etc/UTC", UTC),
    ],
)
def test_names_of_both_families_are_known(name: str, zone: object) -> None:
    assert find_zone(name) == zone


@pytest.mark.parametrize(
    "name", ["Mars/Base", "", "../etc/passwd", "/etc/localtime", "Europe", "\0"]
)
def test_a_name_that_is_no_zone_finds_none(name: str) -> None:
    assert find_zone(name) is None


@pytest.mark.parametrize("row", WINDOWS_ZONES.splitlines())
def test_every_windows_name_has_a_zone(row: str) -> None:
    windows, iana = row.split("|")

    assert windows == windows.strip()
    assert find_zone(windows) == find_zone(iana) is not None


def test_the_setting_wins_over_the_variable_and_that_over_the_machine() -> None:
    lines: list[LogLine] = []

    assert zone_of("Asia/Tokyo", "Asia/Kolkata", lines.append) == ZoneInfo("Asia/Tokyo")
    assert zone_of("", "Asia/Kolkata", lines.append) == ZoneInfo("Asia/Kolkata")
    assert zone_of("", "", lines.append) is UTC
    assert lines == []


def test_an_unknown_zone_is_told_and_passed_over() -> None:
    lines: list[LogLine] = []

    assert zone_of("Nowhere", "Asia/Kolkata", lines.append) == ZoneInfo("Asia/Kolkata")

    [line] = lines
    assert line.level == LogLevel.WARNING
    assert "WEBSITE_TIME_ZONE: there is no time zone 'Nowhere'" in line.message


def test_the_machines_zone_is_where_its_local_time_leads(tmp_path: Path) -> None:
    database = tmp_path / "share" / "zoneinfo"
    (database / "Asia").mkdir(parents=True)
    (database / "Asia" / "Tokyo").write_bytes(b"")
    (tmp_path / "localtime").symlink_to(database / "Asia" / "Tokyo")

    zone = zone_of("", None, lambda _: None, local_time=tmp_path / "localtime")

    assert zone == ZoneInfo("Asia/Tokyo")


@pytest.mark.parametrize("content", [None, b"", b"no zone"])
def test_a_machine_without_a_zone_is_in_utc(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "localtime").write_bytes(content)

    assert zone_of("", None, lambda _: None, local_time=tmp_path / "localtime") is UTC
