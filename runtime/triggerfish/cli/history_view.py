"""How deliveries are shown: as lines of a list, in full, and as JSON."""

from __future__ import annotations

import base64
import json
from codecs import getincrementaldecoder
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, Final

import click

from triggerfish.history.entries import Entry, Line, Output, Summary
from triggerfish_storage.cli.output import counted, emit_fields, emit_table, one_line, wants_table

COLUMNS: Final = ("BEGAN", "ID", "FUNCTION", "SOURCE", "STATUS", "TRY", "TOOK", "WHAT")
_UUID_LENGTH: Final = 36
_SHORT_LENGTH: Final = 8
_REFUSED: Final = "refused-"  # begins the id where no function was run; the message's follows
_TEXT_SHOWN: Final = 16 * 1024
_BYTES_SHOWN: Final = 512


def emit_summaries(summaries: Sequence[Summary]) -> None:
    """Write a list: a table with short ids on a terminal, columns with whole ids else."""
    emit_table(COLUMNS, (row(summary, short=wants_table()) for summary in summaries))


def emit_one(summary: Summary) -> None:
    """Write one line of a list that goes on: without a heading, on a terminal too."""
    if not wants_table():
        emit_table(COLUMNS, [row(summary, short=False)])
        return
    _, *cells = row(summary, short=True)
    click.echo("  ".join([f"{summary.at.astimezone():%H:%M:%S}", *map(one_line, cells)]))


def row(summary: Summary, *, short: bool) -> Sequence[object]:
    """Return one line of a list."""
    return (
        _when(summary.at) if short else summary.at,
        short_id(summary.id) if short else summary.id,
        summary.function,
        summary.source,
        summary.label,
        summary.attempt,
        took(summary.duration),
        what(summary),
    )


def _when(instant: datetime) -> str:
    """Return an instant as the clock on the wall shows it, with its day unless that is today."""
    local = instant.astimezone()
    today = datetime.now(local.tzinfo).date()
    return f"{local:%H:%M:%S}" if local.date() == today else f"{local:%Y-%m-%d %H:%M:%S}"


def short_id(delivery_id: str) -> str:
    """Return as much of an id as tells it from others, for people to copy."""
    kind = _REFUSED if delivery_id.startswith(_REFUSED) else ""
    rest = delivery_id.removeprefix(kind)
    return kind + rest[:_SHORT_LENGTH] if len(rest) >= _UUID_LENGTH else delivery_id


def took(duration: timedelta | None) -> str:
    """Return a length of time as people read it; empty while it is not over."""
    if duration is None:
        return ""
    seconds = duration.total_seconds()
    if seconds < 1:
        return f"{seconds * 1000:.3g} ms" if seconds < 0.1 else f"{seconds * 1000:.0f} ms"
    return f"{seconds:.1f} s" if seconds < 60 else f"{seconds // 60:.0f} min {seconds % 60:.0f} s"


def what(summary: Summary) -> str:
    """Return the line that says most: why it failed, else how the payload begins."""
    if summary.failure is not None:
        return str(summary.failure)
    return preview(summary)


def preview(summary: Summary) -> str:
    """Return how the payload begins; of one that is no text, how long it is."""
    is_whole = summary.payload_size == len(summary.preview)
    text = _text(summary.preview, is_whole=is_whole)
    if text is None:
        return f"(no text, {size(summary.payload_size)})"
    return text if is_whole else f"{text} …"


def size(size_bytes: int) -> str:
    """Return a number of bytes as people read it."""
    if size_bytes < 1024:
        return counted(size_bytes, "byte")
    if size_bytes < 1024 * 1024:
        return f"{size_bytes / 1024:.1f} KiB"
    return f"{size_bytes / (1024 * 1024):.1f} MiB"


def emit_entry(entry: Entry) -> None:
    """Write everything that is known of one delivery."""
    emit_fields((name, value) for name, value in _fields(entry) if value not in ("", None, ()))


def _fields(entry: Entry) -> Iterator[tuple[str, object]]:
    summary, failure = entry.summary, entry.summary.failure
    yield "Id", summary.id
    yield "Function", summary.function
    yield "Status", summary.label
    yield "Source", f"{summary.source} ({summary.trigger})" if summary.source else summary.trigger
    yield "Reason", entry.delivery.reason
    yield "Began", summary.at
    yield "Took", took(summary.duration)
    yield "Attempt", summary.attempt
    yield "Runs", summary.tries if summary.tries > 1 else ""
    yield "Replay of", summary.replay_of
    yield "Poisoned", summary.poisoned
    if failure is not None:
        yield "Failure", str(failure)
        yield "Traceback", failure.traceback
    if entry.delivery.metadata:
        yield "Metadata", json.dumps(entry.delivery.metadata, indent=2, ensure_ascii=False)
    yield f"Payload ({size(summary.payload_size)})", _payload(entry)
    yield "Outputs", "\n".join([*map(_output, entry.outputs), *outputs_not_kept(entry)])
    yield "Log", "\n".join(_lines(entry))
    yield "Others", "\n".join(map(_other, entry.others))


def _payload(entry: Entry) -> str:
    payload = entry.delivery.payload
    shown = readable(payload)
    if not entry.payload_is_whole:
        shown += f"\n(too large to keep: these are the first {size(len(payload))})"
    return shown


def _output(output: Output) -> str:
    head = output.head
    if "/" not in output.target:
        head = _unwrapped(head)  # a message, as it went over the wire
    cut = "" if len(output.head) == output.size_bytes else "\n(the beginning of it)"
    return f"{output_line(output)}:\n{readable(head)}{cut}"


def output_line(output: Output) -> str:
    """Return where an output went, in one line."""
    return f"{output.binding} → {output.target} ({size(output.size_bytes)})"


def outputs_not_kept(entry: Entry) -> Iterator[str]:
    """Tell of outputs that were too many, if there are such."""
    if entry.outputs_lost:
        yield f"({entry.outputs_lost} more outputs were not kept)"


def lines_not_kept(entry: Entry) -> Iterator[str]:
    """Tell of log lines that were too many, if there are such."""
    if entry.lines_lost:
        yield f"({entry.lines_lost} more lines were not kept)"


def _unwrapped(text: bytes) -> bytes:
    """Return what a message's text says, where that is encoded in base64; else the text."""
    try:
        body = base64.b64decode(text, validate=True)
        body.decode()
    except ValueError:
        return text
    return body


def _lines(entry: Entry) -> Iterator[str]:
    yield from map(log_line, entry.lines)
    yield from lines_not_kept(entry)


def log_line(line: Line) -> str:
    """Return a line of an invocation's log, with its distance from the begin.

    Where the message has more lines, such as a traceback's, they are indented below its first.
    """
    when = "after" if line.offset_ms < 0 else f"+{line.offset_ms} ms"
    message = line.message.replace("\n", "\n  ")
    return f"{when} {line.level.name.capitalize()}: {message}"


def _other(summary: Summary) -> str:
    kind = "replay" if summary.replay_of else f"attempt {summary.attempt}"
    return f"{summary.at:%Y-%m-%d %H:%M:%S} {short_id(summary.id)} {kind}: {summary.label}"


def is_text(content: bytes) -> bool:
    """Whether a terminal can show ``content``: UTF-8 without control characters."""
    return _text(content, is_whole=True) is not None


def _text(content: bytes, *, is_whole: bool) -> str | None:
    """Return the text that ``content`` is, or begins; None where it is none."""
    try:
        # Where it is only the beginning, the cut may part a character.
        text = getincrementaldecoder("utf-8")().decode(content, final=is_whole)
    except UnicodeDecodeError:
        return None
    return None if any(ord(letter) < 32 and letter not in "\t\r\n\f" for letter in text) else text


def readable(content: bytes) -> str:
    """Return bytes for people: JSON indented, text as it is, anything else in hexadecimal."""
    if not is_text(content):
        return _hexadecimal(content)
    text = content.decode()
    if text[:1] in ("{", "["):
        with suppress(ValueError):
            text = json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    if len(text) > _TEXT_SHOWN:
        return f"{text[:_TEXT_SHOWN]}\n… ({size(len(content))} in all: --raw writes it whole)"
    return text


def _hexadecimal(content: bytes) -> str:
    lines = []
    for start in range(0, min(len(content), _BYTES_SHOWN), 16):
        part = content[start : start + 16]
        letters = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in part)
        lines.append(f"{start:08x}  {part.hex(' '):<47}  {letters}")
    if len(content) > _BYTES_SHOWN:
        lines.append(f"… ({size(len(content))} in all: --raw writes it whole)")
    return "\n".join(lines)


def summary_document(summary: Summary) -> dict[str, Any]:
    """Return a line of a list as JSON shows it."""
    failure = summary.failure
    return {
        "id": summary.id,
        "function": summary.function,
        "trigger": summary.trigger,
        "source": summary.source,
        "status": summary.status.value,
        "label": summary.label,
        "began": summary.at,
        "seconds": summary.duration,
        "attempt": summary.attempt,
        "tries": summary.tries,
        "event": summary.event,
        "replayOf": summary.replay_of,
        "poisoned": summary.poisoned,
        "failure": None if failure is None else {
            "kind": failure.kind.value,
            "type": failure.type,
            "message": failure.message,
            "traceback": failure.traceback,
        },
        "payloadSize": summary.payload_size,
    }  # fmt: skip


def entry_document(entry: Entry) -> dict[str, Any]:
    """Return a delivery as JSON shows it; bytes that are no text are given as base64."""
    return {
        **summary_document(entry.summary),
        "reason": entry.delivery.reason,
        "metadata": entry.delivery.metadata,
        "payload": content_document(entry.delivery.payload),
        "payloadIsWhole": entry.payload_is_whole,
        "outputs": [
            {
                "binding": output.binding,
                "target": output.target,
                "size": output.size_bytes,
                "head": content_document(output.head),
            }
            for output in entry.outputs
        ],
        "outputsLost": entry.outputs_lost,
        "log": [
            {
                "offsetMs": line.offset_ms,
                "level": line.level.name.capitalize(),
                "category": line.category,
                "message": line.message,
            }
            for line in entry.lines
        ],
        "linesLost": entry.lines_lost,
        "others": [other.id for other in entry.others],
    }


def content_document(content: bytes) -> dict[str, str]:
    """Return a content as JSON shows it: a text, or bytes that are none as base64."""
    try:
        return {"text": content.decode()}
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(content).decode("ascii")}


def emit_raw(content: bytes) -> None:
    """Write exactly these bytes to stdout."""
    click.echo(content, nl=False)
