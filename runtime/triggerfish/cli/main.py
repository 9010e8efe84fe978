"""The command ``triggerfish``: a table of sub-commands, each loaded when it is used.

Only click is imported here, so that ``--help`` and shell completion answer at once.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import click

from triggerfish import __version__
from triggerfish.cli.entry import quiet_interrupt
from triggerfish.model import TriggerfishError
from triggerfish_storage.cli.output import fail

_FULL: Final = (errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC))


@dataclass(frozen=True, slots=True)
class Row:
    """Where a sub-command is (``module:attribute``), and its line in ``--help``."""

    target: str
    help: str

    def load(self) -> click.Command:
        """Import the sub-command."""
        module, _, attribute = self.target.partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command


COMMANDS: Final[Mapping[str, Row]] = {
    "start": Row("triggerfish.cli.start:start", "Run a function app, with its storage account."),
    "storage": Row("triggerfish_storage.cli.storage:storage", "Run the storage account alone."),
    "invoke": Row("triggerfish.cli.invoke:invoke", "Run one function of a running app now."),
    "history": Row("triggerfish.cli.history:history", "Show what was delivered to functions."),
    "replay": Row("triggerfish.cli.replay:replay", "Deliver again what is in the history."),
    "queue": Row("triggerfish.cli.queue:queue", "Put, look at, save and load queue messages."),
    "blob": Row("triggerfish.cli.blob:blob", "Put, get, list and delete blobs."),
}


class QuietGroup(click.Group):
    """A group that ends at Ctrl+C without a word, as shells expect it; click says "Aborted!"."""

    def invoke(self, ctx: click.Context) -> Any:
        with quiet_interrupt():
            return super().invoke(ctx)


class LazyGroup(QuietGroup):
    """A group that imports a sub-command only to run it or to show its own help."""

    def __init__(self, *args: Any, rows: Mapping[str, Row], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._rows = rows

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self._rows)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        row = self._rows.get(cmd_name)
        return None if row is None else row.load()

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            from difflib import get_close_matches  # seldom needed

            close = get_close_matches(args[0], self._rows, 1)
            if not close:
                raise
            hint = f"{error.message} Did you mean '{close[0]}'?"
            raise click.UsageError(hint, error.ctx) from error

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, row.help) for name, row in self._rows.items()])


@click.group(cls=LazyGroup, rows=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="%(prog)s %(version)s")
def triggerfish() -> None:
    """Run Azure Functions apps written in Python on your own machine."""


def main() -> None:
    """Run the command line; what the user can mend is told in one message."""
    sys.exit(run(lambda: triggerfish(prog_name="triggerfish", standalone_mode=True)))


def run(command: Callable[[], object]) -> int:
    """Run a click command to its end; return 1 for what the user can mend, told on stderr.

    What click itself ends with (0 for help, 2 for wrong usage) leaves as ``SystemExit``.
    """
    _make_outputs_usable()
    try:
        command()
    except TriggerfishError as error:
        fail(str(error))
        return 1
    except OSError as error:
        if error.filename is None and error.errno in _FULL:
            # What is written to has no name, so it is what the output goes to.
            fail(f"The output cannot be written ({error.strerror}).")
            return 1
        if error.filename is None:
            raise
        # A file that the user named, and that cannot be read or written.
        fail(f"{error.filename}: {error.strerror}.")
        return 1
    return 0


def _make_outputs_usable() -> None:
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # whoever started the program has closed it
            stream = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - for good
            setattr(sys, name, stream)
        # A console that cannot show a character must not end the host.
        getattr(stream, "reconfigure", lambda **_: None)(errors="backslashreplace")
