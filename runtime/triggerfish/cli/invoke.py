"""``triggerfish invoke``: run one function of a running app now, whatever triggers it.

Goes through the admin endpoint that Core Tools has, ``POST /admin/functions/{name}``, which
answers before the function has run; the outcome is read from the history. An HTTP function
is called at its URL. Behaviour: spec http-trigger.md, 10.2.
"""

from __future__ import annotations

import re
import sqlite3
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import click

from triggerfish.bindings.plan import BY_HAND
from triggerfish.cli.history_view import (
    content_document,
    emit_raw,
    entry_document,
    lines_not_kept,
    log_line,
    output_line,
    outputs_not_kept,
    short_id,
    took,
)
from triggerfish.cli.redelivery import LOOK_SECONDS, await_ends
from triggerfish.cli.running import Place, RunningHost, host_option, place_options
from triggerfish.history import queries
from triggerfish.history.entries import Entry, Status
from triggerfish.history.queries import Filter
from triggerfish.history.reader import HistoryError, open_reader
from triggerfish.model import TriggerfishError
from triggerfish_storage.cli.output import emit_json, fail, json_option, remark, wants_table

_BEGIN_SECONDS: Final = 5.0
# A parameter at the end of a route that a call can do without: {id?}, {id=5}, {*rest}.
_OMITTED: Final = re.compile(r"/\{(?:\*[^{}]*|[^{}]*\?|[^{}]*=[^{}]*)\}$")


@click.command(short_help="Run one function of a running app now.")
@click.argument("function")
@click.argument("words", required=False, metavar="[INPUT]")
@click.option("--data", "-d", "text", metavar="TEXT", help="The same as INPUT.")
@click.option(
    "--file",
    "-f",
    type=click.Path(path_type=Path, exists=True, dir_okay=False, allow_dash=True),
    help="The input, from a file; - is stdin.",
)
@click.option("--blob", metavar="CONTAINER/BLOB", help="For a blob function: an existing blob.")
@click.option("--wait/--no-wait", default=True, show_default=True, help="Wait for the outcome.")
@json_option
@host_option
@place_options("--data-folder")
@click.pass_context
def invoke(
    ctx: click.Context,
    /,
    *,
    function: str,
    words: str | None,
    text: str | None,
    file: Path | None,
    blob: str | None,
    wait: bool,
    as_json: bool,
    host: str,
    app: Path | None,
    data: Path | None,
) -> None:
    """Run FUNCTION now, with the INPUT given, or with what is piped in.

    INPUT is the text of a message for a queue function, the path of a blob for a blob
    function, the body for an HTTP function, and nothing for a timer. Exit code 1 if it failed.
    """
    if sum(given is not None for given in (words, text, file, blob)) > 1:
        raise click.UsageError("INPUT, --data, --file and --blob are the same: give one.")
    text = words if text is None else text
    place = Place(app, data, host)
    running = place.running_host()
    described = running.function(function)
    if described["invoke_url_template"]:
        ctx.exit(_call(running, described, _input(text, file, blob), as_json=as_json))
    with ExitStack() as stack:
        reader = _history(stack, place) if wait else None
        given = _text_of(_input(text, file, blob), file)
        name = described["name"]
        if not given and _is_of_a_blob(described):
            raise click.UsageError(f"'{name}' is a blob function: give it --blob CONTAINER/BLOB.")
        if reader is None:
            running.run(name, given)
            remark(f"'{name}' was started; its outcome is in the host's log and history.")
            if as_json:
                emit_json({"function": name, "status": "started"})
            return
        entry = _run_and_wait(running, reader, name, given)
    if as_json:
        emit_json(entry_document(entry))
    else:
        _show(entry)
    ctx.exit(0 if entry.summary.status is Status.SUCCEEDED else 1)


def _is_of_a_blob(described: dict[str, Any]) -> bool:
    return any(binding["type"] == "blobTrigger" for binding in described["config"]["bindings"])


def _input(text: str | None, file: Path | None, blob: str | None) -> bytes | None:
    """Return the input; None where none was given."""
    if text is not None or blob is not None:
        return (text or blob or "").encode()
    if file is not None and str(file) != "-":
        return file.read_bytes()
    if file is not None or not sys.stdin.isatty():
        piped: bytes = sys.stdin.buffer.read()
        # Nothing comes from a stdin that is merely no terminal, as in a scheduled job.
        return piped if piped or file is not None else None
    return None


def _text_of(given: bytes | None, file: Path | None) -> str:
    try:
        return (given or b"").decode()
    except UnicodeDecodeError as error:
        raise TriggerfishError(
            f"{file or 'The input'} is not UTF-8 text, which is what the host's admin endpoint "
            "takes. Put bytes where the trigger finds them: triggerfish queue put, blob put."
        ) from error


def _call(
    running: RunningHost, described: dict[str, Any], body: bytes | None, *, as_json: bool
) -> int:
    """Call an HTTP function at its URL; return the exit code."""
    url = str(described["invoke_url_template"])
    while (shorter := _OMITTED.sub("", url)) != url:
        url = shorter
    if "{" in url:
        raise TriggerfishError(
            f"'{described['name']}' has parameters in its route, so call its URL: {url}"
        )
    trigger = next(b for b in described["config"]["bindings"] if b["type"] == "httpTrigger")
    allowed = [str(method).upper() for method in trigger.get("methods") or ()]
    method = "GET" if body is None else "POST"
    if allowed and method not in allowed:
        method = allowed[0]
    status, answer = running.call(method, url, body)
    if as_json:
        content = content_document(answer)
        emit_json({"method": method, "url": url, "status": status, "body": content})
    else:
        emit_raw(answer)
        if wants_table() and answer and not answer.endswith(b"\n"):
            click.echo()  # what follows is on the same terminal
    remark(f"{method} {url}: {status}")
    if status >= 500:  # the answer says nothing of what went wrong, and has no id to look it up by
        remark(f"Why: triggerfish history --failed --function {described['name']} -n 1")
    return 0 if status < 400 else 1


def _history(stack: ExitStack, place: Place) -> sqlite3.Connection | None:
    """Open the history; None where that host's is out of reach."""
    try:
        return stack.enter_context(open_reader(place.history_file()))
    except TriggerfishError:
        if place.host:
            return None
        raise


def _run_and_wait(running: RunningHost, reader: sqlite3.Connection, name: str, text: str) -> Entry:
    newest = queries.find(reader, Filter(limit=1))
    after = newest[0].number if newest else 0
    running.run(name, text)
    number = _begun(reader, name, after)
    delivery_id = queries.entry(reader, number).summary.id
    await_ends(reader, [delivery_id], running, lambda: time.sleep(LOOK_SECONDS))
    return queries.entry(reader, number)


def _begun(reader: sqlite3.Connection, name: str, after: int) -> int:
    """Return the number of the run that was asked for, once the host has begun it."""
    deadline = time.monotonic() + _BEGIN_SECONDS
    while time.monotonic() < deadline:
        for summary in reversed(queries.find(reader, Filter(function=name, after=after))):
            if queries.entry(reader, summary.number).delivery.reason == BY_HAND:
                return summary.number
        time.sleep(LOOK_SECONDS)
    raise HistoryError(
        f"The host took it up, but '{name}' did not begin within {_BEGIN_SECONDS:.0f} s. Its log "
        "says why; for a blob function the input must be the path container/blob of a blob."
    )


def _show(entry: Entry) -> None:
    summary = entry.summary
    for line in (
        *map(log_line, entry.lines),
        *lines_not_kept(entry),
        *map(output_line, entry.outputs),
        *outputs_not_kept(entry),
    ):
        click.echo(line)
    said = f"{summary.label} in {took(summary.duration)} ({short_id(summary.id)})"
    if summary.failure is None:
        remark(f"'{summary.function}' {said}")
        return
    if summary.failure.traceback:
        click.echo(summary.failure.traceback.rstrip("\n"))
    fail(f"'{summary.function}' {said}: {summary.failure}")
