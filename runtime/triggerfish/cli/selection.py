"""The options that say which deliveries are meant, the same for ``history`` and ``replay``."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar

import click

from triggerfish.history import queries
from triggerfish.history.queries import LABELS, Filter
from triggerfish.history.reader import HistoryError
from triggerfish_storage.clock import SystemClock

Command = TypeVar("Command", bound=Callable[..., Any])

_AGO: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(s|m|h|d|w)", re.IGNORECASE)
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


class Instant(click.ParamType):  # type: ignore[type-arg]  # not generic before click 8.3
    """An instant: so long ago (``30m``, ``2h``, ``1d``), or a date and time (ISO 8601)."""

    name = "when"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        if isinstance(value, datetime):
            return value
        ago = _AGO.fullmatch(value.strip())
        try:
            if ago is not None:
                length = timedelta(**{_UNITS[ago[2].lower()]: float(ago[1])})
                return SystemClock().now() - length
            # Without an offset it is the wall clock's time here, as people write it.
            return datetime.fromisoformat(value.strip()).astimezone(UTC)
        except (ValueError, OverflowError):
            self.fail(f"'{value}' is no instant such as 30m, 2h, 1d or 2024-05-06T07:08.")


def selection_options(command: Command) -> Command:
    """Add the options that ``selected`` turns into a filter."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


_OPTIONS: Final = (
    click.option("--function", "-F", metavar="NAME", help="Deliveries to this function."),
    click.option("--failed", is_flag=True, help="Failed ones; short for --status failed."),
    click.option("--status", type=click.Choice(LABELS), help="Deliveries that ended like this."),
    click.option("--source", metavar="NAME", help="From this queue, or this container/blob."),
    click.option("--text", metavar="TEXT", help="With this in payload, source or failure."),
    click.option("--since", type=Instant(), help="Begun since: 30m, 2h, 1d or an ISO instant."),
    click.option("--until", type=Instant(), help="Begun before, written likewise."),
)


def selected(
    reader: sqlite3.Connection,
    *,
    function: str | None,
    failed: bool,
    status: str | None,
    source: str | None,
    text: str | None,
    since: datetime | None,
    until: datetime | None,
    limit: int,
) -> Filter:
    """Return the filter that the options ask for. Raises for a function with no deliveries."""
    if failed and status not in (None, "failed"):
        raise click.UsageError("--failed and --status ask for different things: give one.")
    return Filter(
        function=_spelled(reader, function) if function else "",
        status=status or ("failed" if failed else ""),
        source=source or "",
        text=text or "",
        since=since,
        until=until,
        limit=limit,
    )


def _spelled(reader: sqlite3.Connection, function: str) -> str:
    """Return the function's name as it is written; letter case does not matter to the host."""
    known = queries.functions(reader)
    if function in known:
        return function
    for name in known:
        if name.lower() == function.lower():
            return name
    raise HistoryError(
        f"There are no deliveries to '{function}' in the history. It has: "
        f"{', '.join(known) or 'none at all'}."
    )
