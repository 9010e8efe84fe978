"""``triggerfish-func``: what editors and scripts that call Core Tools need of its command line.

Behaviour: spec host-and-worker.md, 21.
https://learn.microsoft.com/azure/azure-functions/functions-core-tools-reference
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Final

import click

from triggerfish.cli import start as start_command
from triggerfish.cli.main import QuietGroup, run
from triggerfish.model import TriggerfishError
from triggerfish.versions import CORE_TOOLS_VERSION

_REFUSED: Final = {
    "use_https": "--useHttps: HTTPS is not supported; put a proxy with a certificate in front.",
    "enable_auth": "--enableAuth: keys are not checked here; leave it out.",
    "dotnet_isolated_debug": "--dotnet-isolated-debug: only Python apps are supported.",
}
_REFUSED_HELP: Final = "Not supported."
_NO_EFFECT: Final = "Accepted, without effect."


class Func(QuietGroup):
    """A group that answers an action it does not know with its help, and exits with 1."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if self.get_command(ctx, args[0]) is None:
            click.echo(f"Unknown action '{args[0]}'.\n", err=True)
            click.echo(ctx.get_help())
            ctx.exit(1)
        return super().resolve_command(ctx, args)


@click.group(cls=Func, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(CORE_TOOLS_VERSION, "-v", "--version", message="%(version)s")
def func() -> None:
    """Run function apps as Azure Functions Core Tools do. More: triggerfish --help."""


def _start(**given: Any) -> None:
    """Run the function app in this folder, until Ctrl+C."""
    for name, message in _REFUSED.items():
        if given[name]:
            raise TriggerfishError(message)
    if given["script_root"] is not None:
        given["app_folder"] = given["script_root"]
    click.get_current_context().exit(start_command.run(start_command.options_from(given)))


start: Final = start_command.ManyWords(
    "start",
    callback=_start,
    help=_start.__doc__,
    params=[
        *start_command.start.params,
        click.Option(["--script-root", "--prefix"], type=Path, help="Folder of the function app."),
        click.Option(["--useHttps", "use_https"], is_flag=True, help=_REFUSED_HELP),
        click.Option(["--enableAuth", "enable_auth"], is_flag=True, help=_REFUSED_HELP),
        click.Option(["--dotnet-isolated-debug"], is_flag=True, help=_REFUSED_HELP),
        click.Option(["--timeout", "-t"], type=int, help=_NO_EFFECT),
        click.Option(["--cert"], help=_NO_EFFECT),
        click.Option(["--password"], help=_NO_EFFECT),
        click.Option(["--no-build"], is_flag=True, help=_NO_EFFECT),
        click.Option(["--enable-json-output"], is_flag=True, help=_NO_EFFECT),
        click.Option(["--json-output-file"], help=_NO_EFFECT),
        click.Option(["--runtime"], help=_NO_EFFECT),
        click.Option(["--python"], is_flag=True, help=_NO_EFFECT),
        click.Option(["--pause-on-error"], is_flag=True, help=_NO_EFFECT),
    ],
)


@func.group(cls=Func, short_help="The host; its action is start.")
def host() -> None:
    """Run function apps."""


host.add_command(start)
func.add_command(start)


def main() -> None:
    """Run the command line; what the user can mend is told in one message."""
    sys.exit(run(lambda: func(prog_name="triggerfish-func")))
