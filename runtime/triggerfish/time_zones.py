"""Which time zone cron expressions are read in.

``WEBSITE_TIME_ZONE``, then ``TZ``, then the machine's own; names of both families are taken.
Behaviour: spec timer-trigger.md, section 4.
"""

from __future__ import annotations

import sys
from datetime import UTC, tzinfo
from functools import lru_cache
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from triggerfish.model import Log, LogLevel, LogLine
from triggerfish.windows_zones import WINDOWS_ZONES

_LOCAL_TIME: Final = Path("/etc/localtime")
_DATABASE: Final = "zoneinfo"  # the folder that IANA names are relative to


def zone_of(
    website_time_zone: str,
    tz: str | None,
    log: Log,
    *,
    local_time: Path = _LOCAL_TIME,
) -> tzinfo:
    """Return the zone that settings name, else the machine's; an unknown name is a warning.

    ``tz`` is the variable ``TZ``, which means UTC where it is set and empty.
    """
    for setting, name in (("WEBSITE_TIME_ZONE", website_time_zone), ("TZ", tz)):
        if not name:
            continue
        zone = find_zone(name)
        if zone is not None:
            return zone
        message = f"{setting}: there is no time zone '{name}'; write a name like Europe/Berlin"
        log(LogLine(LogLevel.WARNING, "Host.Startup", f"{message}. It is ignored."))
    return UTC if tz == "" else _machine_zone(local_time)


def find_zone(name: str) -> tzinfo | None:
    """Return the zone with an IANA or a Windows name, None where there is none."""
    # A leading colon is what POSIX puts before names that are no rules.
    iana = _windows_zones().get(name.strip().lower(), name.strip().removeprefix(":"))
    if iana == "Etc/UTC":
        return UTC
    try:
        return ZoneInfo(iana)
    except (KeyError, ValueError, OSError):
        return None


@lru_cache(maxsize=1)
def _windows_zones() -> dict[str, str]:
    rows = (row.split("|") for row in WINDOWS_ZONES.splitlines())
    return {windows.lower(): iana for windows, iana in rows}


def _machine_zone(local_time: Path) -> tzinfo:
    if sys.platform == "win32":
        return find_zone(_registered_zone()) or UTC
    try:
        _, found, name = str(local_time.resolve(strict=True)).rpartition(f"/{_DATABASE}/")
        zone = find_zone(name) if found else None
        if zone is not None:
            return zone
        with local_time.open("rb") as file:
            return ZoneInfo.from_file(file, key=str(local_time))
    except (OSError, ValueError):
        return UTC  # a small container without a zone


if sys.platform == "win32":

    def _registered_zone() -> str:
        import winreg

        path = r"SYSTEM\CurrentControlSet\Control\TimeZoneInformation"
        with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, path) as key:
            return str(winreg.QueryValueEx(key, "TimeZoneKeyName")[0])
