"""``triggerfish replay``: deliver again what is in the history, or what became poison.

Guide: docs/guides/replay.md.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import click

from triggerfish.cli.redelivery import LOOK_SECONDS, Redelivery, Sent
from triggerfish.cli.replay_view import emit_plan, emit_sent
from triggerfish.cli.running import (
    HostRefused,
    NotRunning,
    Place,
    RunningHost,
    host_option,
    place_options,
)
from triggerfish.cli.selection import selected, selection_options
from triggerfish.history import queries
from triggerfish.history.entries import Summary
from triggerfish.history.reader import open_reader
from triggerfish_storage.cli.output import confirm, emit_json, json_option, remark, warn
from triggerfish_storage.cli.progress import progress

_MANY: Final = 10


@click.command(short_help="Deliver again what is in the history.")
@click.argument("ids", nargs=-1, metavar="[ID]…")
@selection_options
@click.option("--limit", "-n", type=click.IntRange(1), help="At most so many, the newest.")
@click.option("--poison", metavar="QUEUE", help="Move the messages of QUEUE-poison back to QUEUE.")
@click.option("--dry", is_flag=True, help="Show what would be sent, and send nothing.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask, however many they are.")
@click.option("--wait", is_flag=True, help="Wait for the outcomes; exit code 1 if one failed.")
@click.option("--connection", metavar="STRING|NAME", help="With --poison: another account.")
@json_option
@host_option
@place_options()
@click.pass_context
def replay(
    ctx: click.Context,
    /,
    *,
    ids: tuple[str, ...],
    limit: int | None,
    poison: str | None,
    dry: bool,
    yes: bool,
    wait: bool,
    connection: str | None,
    as_json: bool,
    host: str,
    app: Path | None,
    data: Path | None,
    **options: Any,
) -> None:
    """Deliver again: with the same payload and metadata, through the running host.

    By ID (or the beginning of one), or all that the options ask for: each message once, in its
    newest delivery, oldest first. --failed leaves out what has succeeded since.

    \b
      triggerfish replay 3f2a9c1e
      triggerfish replay --function ship --failed --since 1h
      triggerfish replay --poison orders
    """
    place = Place(app, data, host)
    asks = any(options.values())
    if poison is not None:
        if ids or asks or wait:
            raise click.UsageError("--poison moves messages: it goes with --limit and --dry only.")
        from triggerfish.cli.poison import move_back  # needs an HTTP client, which is heavy

        move_back(place, poison, limit=limit, dry=dry, connection=connection, as_json=as_json)
        return
    if connection is not None:
        raise click.UsageError("--connection goes with --poison: a replay runs in its host.")
    if bool(ids) == asks:
        raise click.UsageError("Name ids, or say which deliveries: --failed, --function, --since.")
    with _history(place, needed=asks or dry or wait) as reader:
        found = [] if reader is None else _chosen(reader, ids, limit, options)
        chosen = list(ids) if reader is None else [one.id for one in found]
        if dry:
            emit_plan(found, _problems(place, chosen), as_json=as_json)
            return
        confirm(f"Replay {len(chosen)} deliveries?", yes=yes or len(chosen) <= _MANY)
        ctx.exit(_replay(place, reader, chosen, wait=wait, as_json=as_json))


def _replay(
    place: Place,
    reader: sqlite3.Connection | None,
    ids: Sequence[str],
    *,
    wait: bool,
    as_json: bool,
) -> int:
    """Deliver again and show what became of it; return the exit code."""
    if not ids:
        if as_json:
            emit_json([])
        remark("Nothing to replay: no delivery matches.")
        return 0
    sent = _send(place.running_host(), reader, ids, wait=wait)
    emit_sent(sent, as_json=as_json)
    return 1 if any(one.error or (wait and one.failed) for one in sent) else 0


def _send(
    host: RunningHost, reader: sqlite3.Connection | None, ids: Sequence[str], *, wait: bool
) -> list[Sent]:
    sender = Redelivery(host, reader, lambda: time.sleep(LOOK_SECONDS))
    sent = []
    with progress("Replaying", len(ids)) as advance:
        for one in sender.send(ids, wait=wait):
            sent.append(one)
            advance(1)
    return sent


@contextmanager
def _history(place: Place, *, needed: bool) -> Iterator[sqlite3.Connection | None]:
    """Open the history; None where it is out of reach and nothing of it is needed."""
    if not needed and place.host and place.data is None:
        yield None  # another machine's host finds ids in its own history
        return
    with open_reader(place.history_file()) as reader:
        yield reader


def _chosen(
    reader: sqlite3.Connection, ids: Sequence[str], limit: int | None, options: dict[str, Any]
) -> list[Summary]:
    if ids:
        numbers = [queries.identify(reader, one) for one in ids]
        return [queries.entry(reader, number).summary for number in dict.fromkeys(numbers)]
    which = selected(reader, limit=1000, **options)
    found: list[Summary] = []
    for summary in queries.standing(reader, which):
        if limit is not None and len(found) == limit:
            break
        found.append(summary)
    return found[::-1]


def _problems(place: Place, ids: list[str]) -> dict[str, str]:
    """Ask the host what it could not send again; nothing where none runs."""
    try:
        answers = place.running_host().replay(ids, dry=True) if ids else []
    except (NotRunning, HostRefused) as error:
        warn(f"Not checked against the app: {error}")
        return {}
    return {answer["id"]: answer["error"] for answer in answers if answer.get("error")}
