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

from triggerfish.config.terminal import wants_colours

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
            click.echo("\t".join(_one_line(cell) for cell in row))
        return
    from rich.console import Console  # heavy, and only terminals need it
    from rich.table import Table
    from rich.text import Text

    table = Table(*columns, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        table.add_row(*(Text(_one_line(cell)) for cell in row))
    Console(no_color=not wants_colours(sys.stdout), highlight=False).print(table)


def emit_fields(fields: Iterable[tuple[str, object]]) -> None:
    """Write names and values, one pair on a line; a value of many lines is indented."""
    shown = [(name, _text(value)) for name, value in fields]
    width = max((len(name) for name, _ in shown), default=0) + 1
    for name, text in shown:
        label = click.style(f"{name}:".ljust(width), bold=True)
        body = f"\n{_indented(text)}" if "\n" in text else f" {text}"
        click.echo(label + body, color=wants_colours(sys.stdout))


def wants_table() -> bool:
    """Whether stdout is a terminal, so that people read it."""
    return sys.stdout.isatty()


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.rstrip("\n").split("\n"))


def _one_line(cell: object) -> str:
    return _text(cell).replace("\t", " ").replace("\r", " ").replace("\n", " ")


def _text(value: object) -> str:
    if value is None:
        return ""
    plain = _plain(value) if isinstance(value, datetime | timedelta | bytes | Path) else value
    return str(plain)


def _plain(value: object) -> object:
    """Return what JSON and people are shown of a value that JSON has no form for."""
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return str(value)
