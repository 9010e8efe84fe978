"""Tells the person at the terminal what became of loading the app.

Behaviour: spec host-and-worker.md, sections 8 and 20.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from triggerfish.config.app_config import AppConfig
from triggerfish.console import Console, function_list, log_filter
from triggerfish.lifecycle import Served
from triggerfish.model import LogLevel, LogLine, TriggerfishError
from triggerfish.pool.app import AppLoadError

_CATEGORY: Final = "Host.Startup"
_ERROR: Final = LogLevel.ERROR


@dataclass
class Reporter:
    """Implements ``lifecycle.Audience`` on a console.

    ``address`` is where the host is reached, ``storage`` are the ports of its own account;
    ``strict`` means that the host ends where anything does not load, ``reloads`` that it loads
    the app again when a file is saved.
    """

    console: Console
    config: AppConfig
    address: str = ""
    storage: Mapping[str, int] = field(default_factory=dict)
    strict: bool = False
    reloads: bool = True

    def loaded(self, served: Served, *, again: bool) -> None:
        console = self.console
        console.log_filter = log_filter(self.config, served.config)
        self._write(LogLevel.INFORMATION, served.routes.log_text())
        for error in served.errors:
            self._write(
                _ERROR,
                f"The '{error.function}' function is in error: {error.message}",
            )
        if served.functions:
            runnable = [f for f in served.functions if f.name in served.plans]
            console.say(function_list(runnable, served.routes, address=self.address))
        elif not served.errors:
            self._write(
                LogLevel.WARNING,
                f"No job functions found. Declare them in {self.config.app.script_file}, register "
                "its blueprints there, or write function.json folders.",
            )
        if self.strict and served.errors:
            console.say("The host ends: a function is in error, and --strict is on.", _ERROR)
        elif again:
            console.say("The app was loaded again.")
        else:
            self._say_where()

    def _say_where(self) -> None:
        """Say that the host runs, and where it and its account are reached."""
        console = self.console
        if not self.config.verbose:
            console.say("For detailed output, run with --verbose flag.")
        if self.storage:
            ports = ", ".join(f"{name} {port}" for name, port in self.storage.items())
            console.say(f"Storage account devstoreaccount1 answers on the ports {ports}.")
        console.say(f"Host is running at {self.address}. Press Ctrl+C to stop.\n")

    def failed(self, error: TriggerfishError, *, serving: bool) -> None:
        traceback = error.traceback if isinstance(error, AppLoadError) else ""
        if traceback:
            self.console.say(traceback.rstrip(), _ERROR)
        self.console.say(f"The app does not load: {error}", _ERROR)
        if self.strict:
            return
        self.console.say(self._what_now(serving=serving), LogLevel.WARNING)

    def _what_now(self, *, serving: bool) -> str:
        if serving:
            return "The last state that loaded keeps running."
        if self.reloads:
            return "The host waits for the fix: save the file, and the app is loaded again."
        return f"Once it is mended, start the host anew, or POST {self.address}/admin/host/restart."

    def _write(self, level: LogLevel, message: str) -> None:
        self.console.write(LogLine(level, _CATEGORY, message))
