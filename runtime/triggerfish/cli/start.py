"""``triggerfish start``: what can be asked for, handed to the host as one value."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import click

from triggerfish.config.app_folder import find_app_folder
from triggerfish.config.start_options import (
    DEFAULT_BLOB_PORT,
    DEFAULT_QUEUE_PORT,
    DEFAULT_TABLE_PORT,
    StartOptions,
)
from triggerfish.model import LogLevel

PORT: Final = click.IntRange(0, 65535)
LEVELS: Final = tuple(level.name.capitalize() for level in LogLevel)
ENVIRONMENT_PREFIX: Final = "TRIGGERFISH_"


class ManyWords(click.Command):
    """A command whose ``--functions`` takes all words up to the next option."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, spread(args, "--functions"))


def spread(args: list[str], option: str) -> list[str]:
    """Repeat ``option`` before each of the words that follow it: ``-x a b`` as ``-x a -x b``."""
    spread_args: list[str] = []
    words = 0
    reading = False
    for arg in args:
        if arg.startswith("-"):
            reading, words = arg == option, 0
            spread_args.append(arg)
        elif reading and words:
            spread_args += [option, arg]
        else:
            words += 1
            spread_args.append(arg)
    return spread_args


def option(*names: str, **settings: Any) -> Callable[[Any], Any]:
    """An option that is also an environment variable, named after it: TRIGGERFISH_BLOB_PORT."""
    variable = names[0].removeprefix("--").replace("-", "_").upper()
    settings.setdefault("envvar", ENVIRONMENT_PREFIX + variable)
    return click.option(*names, show_envvar=True, **settings)


@click.command(cls=ManyWords, short_help="Run a function app, with its storage account.")
@click.argument("app_folder", required=False, type=click.Path(path_type=Path))
@option("--port", "-p", type=PORT, help="Port of the host.  [default: 7071]")
@option("--address", help="Address to listen on.  [default: 127.0.0.1]")
@option(
    "--blob-port",
    type=PORT,
    default=DEFAULT_BLOB_PORT,
    show_default=True,
    help="Port of the Blob service.",
)
@option(
    "--queue-port",
    type=PORT,
    default=DEFAULT_QUEUE_PORT,
    show_default=True,
    help="Port of the Queue service.",
)
@option(
    "--table-port",
    type=PORT,
    default=DEFAULT_TABLE_PORT,
    show_default=True,
    help="Port of the Table service.",
)
@option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for messages, blobs and history.  [default: .triggerfish in the app]",
)
@option(
    "--seed",
    metavar="PATH",
    type=click.Path(path_type=Path),
    help="Folder, archive or queue's file: what the account is to hold unless it does already.",
)
@option("--functions", multiple=True, metavar="NAME…", help="Run only these functions.")
@option("--no-reload", is_flag=True, help="Do not load the app again when a file changes.")
@option("--verbose", is_flag=True, help="Show the host's own log lines too.")
@option("--json-logs", is_flag=True, help="Write one JSON object per line.")
@option("--strict", is_flag=True, help="End with an error if any function does not load.")
@option(
    "--user-log-level",
    type=click.Choice(LEVELS, case_sensitive=False),
    help="Lowest level of the functions' own log lines.  [default: Information]",
)
@option("--cors", metavar="ORIGINS", help="Origins browsers may call from, by commas, or *.")
@option("--cors-credentials", is_flag=True, default=None, help="Let browsers send credentials.")
@option(
    "--timing",
    type=click.Choice(["local", "azure"]),
    default="local",
    show_default=True,
    help="Deliver at once, or as late as the cloud does.",
)
@option(
    "--durability",
    type=click.Choice(["normal", "full"]),
    default="normal",
    show_default=True,
    help="What survives: an end of the process, or a loss of power too.",
)
@option("--language-worker", metavar="ARGUMENTS", help="Arguments of the workers' interpreter.")
@option("--no-color", is_flag=True, help="Plain text on terminals too.")
@click.pass_context
def start(ctx: click.Context, /, **given: Any) -> None:
    """Run the function app in APP_FOLDER (default: the one you are in).

    Runs until Ctrl+C. Every option is also an environment variable.
    """
    ctx.exit(run(options_from(given)))


def options_from(given: dict[str, Any]) -> StartOptions:
    """Return the options as the host takes them. Raises ``ConfigError`` without an app."""
    level = given["user_log_level"]
    return StartOptions(
        app_folder=find_app_folder(given["app_folder"]),
        port=given["port"],
        address=given["address"],
        blob_port=given["blob_port"],
        queue_port=given["queue_port"],
        table_port=given["table_port"],
        data=given["data"],
        seed=given["seed"],
        functions=tuple(name for word in given["functions"] for name in word.split(",") if name),
        reload=not given["no_reload"],
        verbose=given["verbose"],
        json_logs=given["json_logs"],
        strict=given["strict"],
        user_log_level=LogLevel[level.upper()] if level else None,
        cors=given["cors"],
        cors_credentials=given["cors_credentials"],
        timing=given["timing"],
        durability=given["durability"],
        colours=not given["no_color"],
        interpreter_arguments=_words(given["language_worker"] or ""),
    )


def _words(text: str) -> tuple[str, ...]:
    try:
        return tuple(shlex.split(text))
    except ValueError as error:
        raise click.UsageError(f"--language-worker: {error}: {text}") from error


def run(options: StartOptions) -> int:
    """Run the host to its end; return the exit code."""
    from triggerfish.host import run as run_host  # heavy, and --help does without

    return run_host(options)
