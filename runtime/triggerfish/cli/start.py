"""``triggerfish start``: what can be asked for, handed to the host as one value."""

from __future__ import annotations

import shlex
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import click

from triggerfish.config.app_folder import find_app_folder
from triggerfish.config.start_options import StartOptions
from triggerfish.model import LogLevel
from triggerfish_storage.cli.certificates import server_context
from triggerfish_storage.cli.options import (
    PORT,
    certificate_options,
    durability_option,
    oauth_option,
    option,
    port_options,
    rehydrate_option,
    seed_option,
    versions_option,
    with_options,
)

LEVELS: Final = tuple(level.name.capitalize() for level in LogLevel)
STORAGE: Final = "--storage-"  # --cert is the host's own, in Core Tools


class ManyWords(click.Command):
    """A command that reads two options as Core Tools do.

    ``--functions`` takes all words up to the next option. A ``--`` may stand between
    ``--language-worker`` and its value, which begins with a dash.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, spread(undashed(args, "--language-worker"), "--functions"))


def undashed(args: list[str], option: str) -> list[str]:
    """Leave out a ``--`` that follows ``option``."""
    pairs = zip(["", *args], args, strict=False)
    return [arg for before, arg in pairs if not (before == option and arg == "--")]


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


@click.command(cls=ManyWords, short_help="Run a function app, with its storage account.")
@click.argument("app_folder", required=False, type=click.Path(path_type=Path))
@option("--port", "-p", type=PORT, help="Port of the host.  [default: 7071]")
@option("--address", help="Address to listen on.  [default: 127.0.0.1]")
@with_options(*port_options)
@option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for messages, blobs and history.  [default: .triggerfish in the app]",
)
@seed_option
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
@durability_option
@option(
    "--storage-address",
    default="127.0.0.1",
    show_default=True,
    help="Address of the storage account; 0.0.0.0 for all, as a container needs it.",
)
@oauth_option
@with_options(*certificate_options(STORAGE))
@versions_option
@rehydrate_option
@option("--language-worker", metavar="ARGUMENTS", help="Arguments of the workers' interpreter.")
@option("--no-color", is_flag=True, help="Plain text on terminals too.")
@click.pass_context
def start(ctx: click.Context, /, **given: Any) -> None:
    """Run the function app in APP_FOLDER (default: the one you are in).

    Runs until Ctrl+C, and then ends with 0; with 130 where that comes before it has started.
    Every option is also an environment variable.
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
        storage_address=given["storage_address"],
        accepts_bearer=given["oauth"] is not None,
        keeps_versions=given["blob_versions"],
        rehydrates_after=timedelta(seconds=given["rehydrate_after"]),
        tls=server_context(
            given["storage_cert"], given["storage_key"], given["storage_pwd"], prefix=STORAGE
        ),
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
