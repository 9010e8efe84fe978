"""Writes the reference page of the command line from the commands themselves.

``python -m triggerfish.cli.reference docs/reference`` writes it; a test fails where the page
is not what the commands say.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click

from triggerfish.cli.func import func
from triggerfish.cli.main import triggerfish
from triggerfish.cli.start import start

PAGE: Final = "command-line.md"
_OPENING: Final = """<!-- Written by `python -m triggerfish.cli.reference docs/reference`. -->

# Command line

`--help` shows the same, command by command. Where an option has a variable, the variable stands
for the option when that is not given: `TRIGGERFISH_PORT=8080 triggerfish start`. A flag is on
with `1` or `true`. Commands end with 0 when they did what they were asked for, with 1 when they
could not (a message says why), and with 2 when they did not understand the question.
"""
_DEFAULT: Final = re.compile(r"\s*\[default: (.*?)\]")


def render_reference() -> str:
    """Return the page."""
    sections = [
        *_sections(triggerfish, "triggerfish"),
        *_sections(func, "triggerfish-func"),
    ]
    return _OPENING + "".join(f"\n{section}\n" for section in sections)


def _sections(command: click.Command, path: str) -> Iterator[str]:
    yield "\n\n".join(part for part in (_heading(path), *_body(command)) if part)
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            if found is not None and not found.hidden:
                yield from _sections(found, f"{path} {name}")


def _heading(path: str) -> str:
    return f"{'#' * min(2 + path.count(' '), 4)} {path}"


def _body(command: click.Command) -> Iterator[str]:
    yield inspect.cleandoc(command.help or "").replace("\b\n", "")
    arguments = [param for param in command.params if isinstance(param, click.Argument)]
    if arguments:
        yield f"Arguments: {', '.join(f'`{_argument(one)}`' for one in arguments)}"
    options = [param for param in command.params if isinstance(param, click.Option)]
    if command is not start and not set(start.params).isdisjoint(options):
        yield "All options of `triggerfish start`, and:"
        options = [option for option in options if option not in start.params]
    shown = [option for option in options if not option.hidden]
    if shown:
        rows = ["| Option | Variable | Default | Meaning |", "| --- | --- | --- | --- |"]
        yield "\n".join([*rows, *map(_row, shown)])
    silent = [option for option in options if option.hidden]
    if silent:
        rows = ["| Accepted, to no effect | Variable | Because |", "| --- | --- | --- |"]
        yield "\n".join([*rows, *map(_silent_row, silent)])


def _argument(argument: click.Argument) -> str:
    name = argument.metavar or (argument.name or "").upper()
    is_optional_in_name = name.startswith("[")
    shown = name if argument.required or is_optional_in_name else f"[{name}]"
    return f"{shown}…" if argument.nargs == -1 and not shown.endswith("…") else shown


def _row(option: click.Option) -> str:
    names = [f"`{name}`" for name in (*option.opts, *option.secondary_opts)]
    value = _value(option)
    if value:
        names[-1] += f" `{value}`"
    meaning = option.help or ""
    written = _DEFAULT.search(meaning)
    cells = (
        ", ".join(names),
        _variables(option),
        written[1] if written else _default(option),
        _DEFAULT.sub("", meaning),
    )
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _silent_row(option: click.Option) -> str:
    names = ", ".join(f"`{name}`" for name in option.opts)
    return f"| {names} | {_variables(option)} | {option.help} |"


def _variables(option: click.Option) -> str:
    given = option.envvar or ()
    return ", ".join(f"`{name}`" for name in ([given] if isinstance(given, str) else given))


def _default(option: click.Option) -> str:
    if not option.show_default or isinstance(option.show_default, str):
        return option.show_default or ""
    return option.opts[0] if option.default is True else str(option.default)


def _value(option: click.Option) -> str:
    """Return how the value of an option is written; empty for a flag."""
    if option.is_flag or option.count:
        return ""
    if option.metavar:
        return option.metavar
    if isinstance(option.type, click.Choice):
        return "|".join(map(str, option.type.choices))
    return "NUMBER" if "int" in option.type.name else option.type.name.upper()


if __name__ == "__main__":
    (Path(sys.argv[1]) / PAGE).write_text(render_reference(), encoding="utf-8")
