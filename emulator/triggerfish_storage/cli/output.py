"""How all commands answer: tables for people, JSON and plain columns for programs.

The rules, the same for every command: results go to stdout and remarks to stderr; on a
terminal a list is a table; into a pipe it is columns parted by tabs without a heading, or
one JSON document with ``--json``. Colours never carry a meaning of their own.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import click

from triggerfish_storage.terminal import wants_colours

# What was delivered may hold anything, and must not move the cursor of who looks at it.
_HARMLESS: Final = {code: " " for code in (*range(32), *range(127, 160)) if chr(code) not in "\t\n"}
_BELOW: Final = "    "
_LEAST_ROOM: Final = 40  # characters; a narrower column is read with pain

json_option: Final = click.option(
    "--json", "as_json", is_flag=True, help="Answer with one JSON document."
)


def fail(message: str) -> None:
    """Tell on stderr, in red, why the command ends; the caller decides the exit code."""
    click.secho(message, fg="red", err=True, color=wants_colours(sys.stderr))


def warn(message: str) -> None:
    """Tell on stderr, in yellow, what the user should know about the result."""
    click.secho(message, fg="yellow", err=True, color=wants_colours(sys.stderr))


def remark(message: str) -> None:
    """Tell on stderr what was done; stdout stays the result alone."""
    click.echo(message, err=True)


def confirm(question: str, *, yes: bool) -> None:
    """Ask on a terminal, unless ``yes``; a script that asks for something means it."""
    if not yes and sys.stdin.isatty():
        click.confirm(question, abort=True)


def counted(number: int, noun: str, plural: str = "") -> str:
    """Return a number of things in words, such as ``1 message`` or ``3 messages``."""
    return f"{number} {noun if number == 1 else plural or f'{noun}s'}"


def emit_json(document: object) -> None:
    """Write ``document`` to stdout; instants as ISO 8601, lengths in seconds, bytes as text."""
    click.echo(json.dumps(document, indent=2, ensure_ascii=False, default=_plain))


def emit_json_line(document: object) -> None:
    """Write ``document`` as one line of JSON, for results that come one by one."""
    click.echo(json.dumps(document, separators=(",", ":"), ensure_ascii=False, default=_plain))


def emit_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write rows as a table on a terminal, else as lines of columns parted by tabs."""
    if not wants_table():
        for row in rows:
            click.echo("\t".join(one_line(cell) for cell in row))
        return
    _emit_for_people(columns, [[one_line(cell) for cell in row] for row in rows])


def _emit_for_people(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Write a table; a long last column goes below its row where it would be too narrow."""
    from rich.cells import cell_len, set_cell_size
    from rich.console import Console  # heavy, and only terminals need it
    from rich.table import Table
    from rich.text import Text

    console = Console(no_color=not wants_colours(sys.stdout), highlight=False)
    *heads, last = (
        [cell_len(cell) for cell in column] for column in zip(columns, *rows, strict=True)
    )
    widths = [max(lengths) for lengths in heads]
    room = console.width - sum(widths) - 2 * len(widths)
    if room < min(_LEAST_ROOM, max(last)):
        fits = room >= -2
        for number, (*cells, below) in enumerate((columns, *rows)):
            line = "  ".join(map(set_cell_size, cells, widths) if fits else cells).rstrip()
            first, *rest = Text(line, style="" if number else "bold").wrap(console, console.width)
            first.rstrip()
            console.print(first)
            rest += Text(below).wrap(console, console.width - len(_BELOW)) if number else ()
            for part in filter(None, rest):
                console.print(Text(_BELOW) + part)
        return
    table = Table(*columns, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        table.add_row(*map(Text, row))
    console.print(table)


def emit_fields(fields: Iterable[tuple[str, object]]) -> None:
    """Write names and values, one pair on a line; a value of many lines is indented."""
    shown = [(name, _text(value)) for name, value in fields]
    width = max((len(name) for name, _ in shown), default=0) + 1
    for name, text in shown:
        has_lines = "\n" in text
        label = click.style(f"{name}:" if has_lines else f"{name}:".ljust(width), bold=True)
        body = f"\n{_indented(text)}" if has_lines else f" {text}"
        click.echo(label + body, color=wants_colours(sys.stdout))


def wants_table() -> bool:
    """Whether stdout is a terminal, so that people read it."""
    return sys.stdout.isatty()


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.rstrip("\n").split("\n"))


def one_line(cell: object) -> str:
    """Return a value as text that keeps to its line."""
    return _text(cell).replace("\t", " ").replace("\n", " ")


def _text(value: object) -> str:
    if value is None:
        return ""
    plain = _plain(value) if isinstance(value, datetime | timedelta | bytes | Path) else value
    return str(plain).translate(_HARMLESS)


def _plain(value: object) -> object:
    """Return what JSON and people are shown of a value that JSON has no form for."""
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return str(value)
