"""``triggerfish queue``: put, look at, save and load queue messages.

Of the running host's account, or of any other with ``--connection``. Guide:
docs/guides/replay.md; encoding: spec queue-trigger.md, 8.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final

import click

from triggerfish.cli.accounts import Target, message_encoding, of_account
from triggerfish.cli.message_files import body_text, encode, read_messages, write_messages
from triggerfish.cli.queue_transfer import Advance, copy_out, move_out, put
from triggerfish.model import TriggerfishError
from triggerfish.names import queue_name_problem
from triggerfish_storage.cli.output import (
    confirm,
    counted,
    emit_json,
    emit_table,
    json_option,
    remark,
)
from triggerfish_storage.cli.progress import progress
from triggerfish_storage.client import StorageClient
from triggerfish_storage.clock import SystemClock
from triggerfish_storage.looking import visible_messages
from triggerfish_storage.transfer.message_lines import Message, message_document

_ALL: Final = 2**62
_FILE: Final = click.Path(path_type=Path, exists=True, dir_okay=False, allow_dash=True)


class QueueName(click.ParamType):  # type: ignore[type-arg]  # not generic before click 8.3
    """The name of a queue, checked before anything is sent."""

    name = "queue"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        problem = queue_name_problem(value)
        if problem:
            self.fail(f"'{value}': {problem}.", param, ctx)
        return str(value)


encoded: Final = click.option(
    "--base64/--raw",
    "as_base64",
    default=None,
    help="How messages are encoded.  [default: as host.json says, else base64]",
)


def _encoding(target: Target, as_base64: bool | None) -> str:
    if as_base64 is None:
        return message_encoding(target.place)
    return "base64" if as_base64 else "none"


@click.group(short_help="Put, look at, save and load queue messages.")
def queue() -> None:
    """Put, look at, save and load queue messages."""


@queue.command("put", short_help="Put messages: a text, files, or what is piped in.")
@click.argument("name", metavar="QUEUE", type=QueueName())
@click.argument("text", required=False)
@click.option("--file", "-f", type=_FILE, help="One message: the content of a file.")
@click.option("--lines", "-l", type=_FILE, help="One message for each line of a file.")
@encoded
@of_account
def put_(
    *,
    name: str,
    text: str | None,
    file: Path | None,
    lines: Path | None,
    as_base64: bool | None,
    target: Target,
) -> None:
    """Put TEXT, a file, the lines of one, or what is piped in; creates QUEUE if need be.

    As a text - stands for what is piped in.
    """
    if sum(given is not None for given in (text, file, lines)) > 1:
        raise click.UsageError("TEXT, --file and --lines all are the messages: give one.")
    encoding = _encoding(target, as_base64)
    bodies = _bodies(text, file, lines)
    _put_all(target, name, [encode(body, encoding) for body in bodies])


def _bodies(text: str | None, file: Path | None, lines: Path | None) -> list[bytes]:
    if text is not None and text != "-":
        return [text.encode()]
    if lines is not None:
        return [line for line in _content(lines).splitlines() if line.strip()]
    if file is None and text is None and sys.stdin.isatty():
        raise click.UsageError("Nothing to put: give TEXT, --file, --lines, or pipe it in.")
    body = _content(file or Path("-"))
    if not body and file is None and text is None:  # as without a terminal, where all was forgotten
        raise click.UsageError("Nothing to put: nothing was piped in. An empty message is ''.")
    return [body]


def _content(path: Path) -> bytes:
    return sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()


def _put_all(target: Target, name: str, texts: Sequence[str], *, skip: int = 0) -> None:
    """Put in order; where that is cut off, say how to go on."""
    done = 0

    async def put_each(client: StorageClient, advance: Advance) -> None:
        nonlocal done
        for text in texts[skip:]:
            _, created = await put(client, name, text)
            done += 1
            advance(1)
            if created:
                remark(f"Queue '{name}' was not there and was created.")

    try:
        with progress("Putting", len(texts) - skip) as advance:
            target.run(lambda client: put_each(client, advance))
    except BaseException:
        if len(texts) > 1:
            remark(f"{done} of {len(texts) - skip} were put (go on with --skip {skip + done}).")
        raise
    remark(f"{counted(done, 'message')} put.")


@queue.command("peek")
@click.argument("name", metavar="QUEUE", type=QueueName())
@click.option(
    "--count",
    "-n",
    type=click.IntRange(1, 32),
    default=10,
    show_default=True,
    help="At most so many.",
)
@encoded
@json_option
@of_account
def peek(*, name: str, count: int, as_base64: bool | None, as_json: bool, target: Target) -> None:
    """Show the first messages that are visible; changes nothing."""
    encoding = _encoding(target, as_base64)
    messages: Sequence[Message] = target.run(lambda client: client.peek_messages(name, count))
    shown = [(one, body_text(one.text, encoding)) for one in messages]
    if as_json:
        emit_json([{**message_document(one), "body": body} for one, body in shown])
        return
    emit_table(
        ("ID", "INSERTED", "TRIES", "BODY"),
        ((one.id, one.inserted_at, one.dequeue_count, body) for one, body in shown),
    )
    if not messages:
        remark(f"Queue '{name}' has no visible messages.")


@queue.command("list")
@click.argument("prefix", default="")
@json_option
@of_account
def list_(*, prefix: str, as_json: bool, target: Target) -> None:
    """List queues, with about how many messages each has."""

    async def counts(client: StorageClient) -> list[tuple[str, int]]:
        return [(name, await client.count_messages(name)) async for name in client.queues(prefix)]

    found = target.run(counts)
    if as_json:
        emit_json([{"name": name, "messages": count} for name, count in found])
    else:
        emit_table(("QUEUE", "MESSAGES"), found)


@queue.command("create")
@click.argument("name", metavar="QUEUE", type=QueueName())
@of_account
def create(*, name: str, target: Target) -> None:
    """Create a queue; no error where it exists."""
    created = target.run(lambda client: client.create_queue(name))
    remark(f"Queue '{name}' was created." if created else f"Queue '{name}' exists already.")


@queue.command("delete")
@click.argument("name", metavar="QUEUE", type=QueueName())
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@of_account
def delete(*, name: str, yes: bool, target: Target) -> None:
    """Delete a queue with its messages."""
    confirm(f"Delete queue '{name}' with its messages?", yes=yes)
    target.run(lambda client: client.delete_queue(name))
    remark(f"Queue '{name}' was deleted.")


@queue.command("clear")
@click.argument("name", metavar="QUEUE", type=QueueName())
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@of_account
def clear(*, name: str, yes: bool, target: Target) -> None:
    """Delete all messages of a queue."""
    confirm(f"Delete all messages of queue '{name}'?", yes=yes)
    target.run(lambda client: client.clear_messages(name))
    remark(f"Queue '{name}' was cleared.")


@queue.command("export", short_help="Save messages to a file of JSON lines.")
@click.argument("name", metavar="QUEUE", type=QueueName())
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True))
@click.option("--move", is_flag=True, help="Delete each message once it is safe in the file.")
@click.option(
    "--limit",
    "-n",
    type=click.IntRange(1),
    default=_ALL,
    show_default="all",
    help="At most so many.",
)
@of_account
def export(
    *,
    name: str,
    file: Path,
    move: bool,
    limit: int,
    target: Target,
) -> None:
    """Save the visible messages of QUEUE to FILE, as JSON lines; - is stdout.

    The messages stay. Of the embedded account they are read as they lie; of any other they
    have to be received for it, which hides them meanwhile and adds one to their dequeue counts.
    """
    with _writing(file, append=move) as opened:
        found = None if move or target.folder is None else _lying(target.folder, name)
        if found is not None:
            write_messages(opened, found[:limit])
            count = len(found[:limit])
        else:
            transfer = move_out if move else copy_out
            with progress("Exporting", _count(target, name, limit)) as advance:
                count = target.run(
                    lambda client: transfer(client, name, opened, limit=limit, advance=advance)
                )
    where = "stdout" if str(file) == "-" else file
    remark(f"{counted(count, 'message')} {'moved' if move else 'saved'} to {where}.")


def _lying(folder: Path, name: str) -> Sequence[Message] | None:
    return visible_messages(folder, name, now=SystemClock().now())


def _count(target: Target, name: str, limit: int) -> int:
    return min(limit, target.run(lambda client: client.count_messages(name)))


@contextmanager
def _writing(file: Path, *, append: bool) -> Iterator[IO[str]]:
    """Open the file; what was moved there once is nowhere else, so moving adds to it."""
    if str(file) == "-":
        yield sys.stdout
        return
    with file.open("a" if append else "w", encoding="utf-8", newline="\n") as opened:
        yield opened


@queue.command("import", short_help="Put the messages of such a file.")
@click.argument("name", metavar="QUEUE", type=QueueName())
@click.argument("file", type=_FILE)
@click.option("--skip", type=click.IntRange(0), default=0, help="Leave out so many at the start.")
@encoded
@of_account
def import_(*, name: str, file: Path, skip: int, as_base64: bool | None, target: Target) -> None:
    """Put the messages of FILE into QUEUE; - is stdin. The whole file is checked first.

    FILE is what ``queue export`` writes: JSON lines with "text". In a file written by hand a
    line may have "body" instead, a text or any JSON, which is encoded as the app's messages are.
    """
    try:
        # Not splitlines: it also parts at U+2028, which may stand inside of a JSON text.
        lines = _content(file).decode("utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        raise TriggerfishError(f"{file}: not UTF-8 text ({error}).") from error
    texts = list(read_messages(str(file), lines, encoding=_encoding(target, as_base64)))
    _put_all(target, name, texts, skip=skip)
