"""The reference page of the command line, and what it asks of the commands."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from triggerfish.cli.func import func
from triggerfish.cli.main import triggerfish
from triggerfish.cli.reference import PAGE, render_reference

REFERENCE = Path(__file__).parents[3] / "docs" / "reference"
PAGE_TEXT = render_reference()


def commands(command: click.Command, path: str) -> Iterator[tuple[str, click.Command]]:
    """Give a command and all below it, by what is typed to run them."""
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found is not None
            if found.hidden:
                continue
            yield from commands(found, f"{path} {name}")


COMMANDS = dict((*commands(triggerfish, "triggerfish"), *commands(func, "triggerfish-func")))


def options(path: str) -> list[click.Option]:
    return [
        param
        for param in COMMANDS[path].params
        if isinstance(param, click.Option) and not param.hidden
    ]


def test_the_page_is_what_the_commands_say() -> None:
    written = (REFERENCE / PAGE).read_text(encoding="utf-8")

    assert written == PAGE_TEXT, "run: python -m triggerfish.cli.reference docs/reference"


@pytest.mark.parametrize("path", COMMANDS)
def test_every_command_and_option_is_on_the_page_and_says_what_it_does(path: str) -> None:
    assert f"# {path}\n" in PAGE_TEXT
    assert COMMANDS[path].help
    for option in options(path):
        assert f"`{option.opts[0]}`" in PAGE_TEXT
        assert option.help, f"{path} {option.opts[0]} has no help"


@pytest.mark.parametrize("path", ["triggerfish start", "triggerfish storage"])
def test_every_option_of_a_server_is_a_variable_too(path: str) -> None:
    for option in options(path):
        if option.is_eager:  # --version
            continue
        variables = [option.envvar] if isinstance(option.envvar, str) else option.envvar
        for variable in variables or ["none"]:
            assert variable.startswith("TRIGGERFISH_"), option.opts[0]
            assert f"`{variable}`" in PAGE_TEXT
