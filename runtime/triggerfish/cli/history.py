"""``triggerfish history``: what was delivered to functions, and how it ended.

Reads the ledger's file, whether or not a host runs, and never holds a host up.
Guide: docs/guides/replay.md.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import click

from triggerfish.cli.history_view import (
    emit_entry,
    emit_one,
    emit_raw,
    emit_summaries,
    entry_document,
    summary_document,
)
from triggerfish.cli.running import Place, place_options
from triggerfish.cli.selection import Instant, selected, selection_options
from triggerfish.history import queries
from triggerfish.history.clearing import clear_history
from triggerfish.history.entries import Status, Summary
from triggerfish.history.queries import Filter
from triggerfish.history.reader import open_reader
from triggerfish_storage.cli.output import (
    counted,
    emit_json,
    emit_json_line,
    json_option,
    remark,
    warn,
)

_FOLLOW_SECONDS: Final = 0.5
_FOLLOWED_AT_ONCE: Final = 10_000


class ShortForms(click.Group):
    """``history`` is ``history list``, and ``history ID`` is ``history show ID``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        first = args[0] if args else ""
        if first not in (*self.commands, "--help", "-h"):
            args = [("list" if first[:1] in ("", "-") else "show"), *args]
        return super().parse_args(ctx, args)


@click.group(cls=ShortForms, short_help="Show what was delivered to functions.")
def history() -> None:
    """Show what was delivered to functions, and how it ended.

    Without a command: the newest deliveries, and the options are those of list. With an id:
    everything about that one.
    """


@history.command("list")
@selection_options
@click.option(
    "--limit",
    "-n",
    default=20,
    show_default=True,
    type=click.IntRange(1),
    help="At most so many, the newest.",
)
@click.option("--follow", "-f", is_flag=True, help="Go on with each delivery that ends.")
@json_option
@place_options()
def list_(
    *,
    limit: int,
    follow: bool,
    as_json: bool,
    app: Path | None,
    data: Path | None,
    **options: Any,
) -> None:
    """List deliveries, newest first."""
    with open_reader(Place(app, data, "").history_file()) as reader:
        which = selected(reader, limit=limit, **options)
        if follow:
            with suppress(KeyboardInterrupt):
                _follow(reader, which, as_json=as_json)
            return
        found = queries.find(reader, which)
        if as_json:
            emit_json([summary_document(summary) for summary in found])
        else:
            emit_summaries(found)
            if not found:
                remark("No deliveries match.")


def _follow(reader: sqlite3.Connection, which: Filter, *, as_json: bool) -> None:
    for summary in ended(reader, which, lambda: time.sleep(_FOLLOW_SECONDS)):
        if as_json:
            emit_json_line(summary_document(summary))
        else:
            emit_one(summary)


def ended(
    reader: sqlite3.Connection, which: Filter, pause: Callable[[], None]
) -> Iterator[Summary]:
    """Give the newest deliveries oldest first, then each one that ends, for ever.

    ``pause`` is called between two looks. One that runs is given once it has ended.
    """
    wanted, which = which.status, replace(which, status="")  # who runs has not got it yet
    newest, running, limit = 0, set[int](), which.limit
    while True:
        oldest = min(running, default=newest + 1)
        found = queries.find(reader, replace(which, after=oldest - 1, limit=limit))
        still = {one.number for one in found if one.status is Status.RUNNING}
        for summary in reversed(found):
            is_news = summary.number > newest or summary.number in running
            if is_news and summary.number not in still and _has(summary, wanted):
                yield summary
        newest = max([newest, *(one.number for one in found)])
        running, limit = still, _FOLLOWED_AT_ONCE
        pause()


def _has(summary: Summary, status: str) -> bool:
    return status in ("", summary.status, summary.label)


@history.command()
@click.argument("delivery_id", metavar="ID")
@click.option("--raw", is_flag=True, help="Write the payload to stdout, exactly, and no more.")
@json_option
@place_options()
def show(
    delivery_id: str, *, raw: bool, as_json: bool, app: Path | None, data: Path | None
) -> None:
    """Show everything about one delivery.

    ID is the invocation id, the beginning of one, or the id of a message.
    """
    with open_reader(Place(app, data, "").history_file()) as reader:
        entry = queries.entry(reader, queries.identify(reader, delivery_id))
    if raw:
        emit_raw(entry.delivery.payload)
        if not entry.payload_is_whole:
            warn("This is only the beginning: the payload was too large to be kept.")
    elif as_json:
        emit_json(entry_document(entry))
    else:
        emit_entry(entry)


@history.command()
@click.option("--before", type=Instant(), help="Only what began before: 7d, or an ISO instant.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@place_options()
def clear(*, before: datetime | None, yes: bool, app: Path | None, data: Path | None) -> None:
    """Delete the history; what runs now stays."""
    file = Place(app, data, "").history_file()
    with open_reader(file):
        pass  # there is one, and it is ours
    if not yes:
        click.confirm(f"Delete {'part of ' if before else ''}the history in {file}?", abort=True)
    deleted = clear_history(file, before=before)
    remark(f"{counted(deleted, 'delivery', 'deliveries')} deleted.")
