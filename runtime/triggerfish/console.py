"""The host's output: banner, function list and log lines, for people or as JSON.

Formats and hands over; a thread of its own writes, so that a slow terminal or a full pipe
never holds the event loop up. Behaviour: spec host-and-worker.md, 14.2 and 20.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from json.encoder import encode_basestring as _quoted
from queue import SimpleQueue
from time import monotonic, sleep
from typing import Final, TextIO

from triggerfish.config.app_config import AppConfig
from triggerfish.config.host_options import HostConfig
from triggerfish.http.routes import Routes, is_http, methods_of
from triggerfish.log_filter import LogFilter
from triggerfish.model import Function, LogLevel, LogLine
from triggerfish.versions import CORE_TOOLS_VERSION, RUNTIME_VERSION
from triggerfish_storage.clock import Clock

_RED: Final = "\x1b[31m"
_YELLOW: Final = "\x1b[33m"
_GREY: Final = "\x1b[90m"
_PLAIN_AGAIN: Final = "\x1b[0m"
_COLOURS: Final = {
    LogLevel.TRACE: _GREY,
    LogLevel.DEBUG: _GREY,
    LogLevel.WARNING: _YELLOW,
    LogLevel.ERROR: _RED,
    LogLevel.CRITICAL: _RED,
}
_LEVEL_NAMES: Final = {level: level.name.capitalize() for level in LogLevel}
_OWN_CATEGORY: Final = "Triggerfish"
_MOST_WAITING: Final = 100_000
_MILLISECOND: Final = timedelta(milliseconds=1)
_GATHER_SECONDS: Final = 0.004  # lines of a busy moment are written together
_WRITES_AT_ONCE: Final = 16  # so many go out without that wait, before a moment counts as busy
_LAST_WORDS_SECONDS: Final = 2.0


class Console:
    """Writes to one stream. Use as a context manager: leaving it writes what is left."""

    def __init__(
        self,
        stream: TextIO,
        *,
        log_filter: LogFilter,
        clock: Clock,
        colours: bool = False,
        json_lines: bool = False,
    ) -> None:
        self.log_filter = log_filter  # replaced when host.json changes
        self._stream = stream
        self._colours = _COLOURS if colours else {}
        self._json_lines = json_lines
        self._stamps = _Stamps(clock)
        self._waiting: deque[str] = deque()
        self._lost = 0
        # Waking a thread costs more than a line does: only the first of several rings.
        self._bell: SimpleQueue[None] = SimpleQueue()
        self._has_rung = False
        self._is_ending = False
        self._thread = threading.Thread(target=self._write_all, name="console", daemon=True)

    def __enter__(self) -> Console:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_ending = True
        self._bell.put(None)
        # A reader that has stopped reading must not keep the host from ending.
        self._thread.join(_LAST_WORDS_SECONDS)

    def write(self, line: LogLine) -> None:
        """Show a log line, if its level and category are to be shown. Never waits."""
        if not self.log_filter.shows(line.level, line.category, line.message):
            return
        if self._json_lines:
            self._put(self._json(line))
        else:
            self._put(self._text(line.level, line.message))

    def say(self, text: str, level: LogLevel = LogLevel.INFORMATION) -> None:
        """Show a text of the tool itself: without time, whatever the levels are."""
        if self._json_lines:
            if text.strip():
                self._put(self._json(LogLine(level, _OWN_CATEGORY, text.strip())))
        else:
            self._put(self._coloured(level, f"{text}\n"))

    def _text(self, level: LogLevel, message: str) -> str:
        prefix = f"[{self._stamps.now()}] "
        if "\n" in message:
            message = message.rstrip("\r\n").replace("\r\n", "\n").replace("\n", f"\n{prefix}")
        return self._coloured(level, f"{prefix}{message}\n")

    def _coloured(self, level: LogLevel, text: str) -> str:
        colour = self._colours.get(level)
        return text if colour is None else f"{colour}{text[:-1]}{_PLAIN_AGAIN}\n"

    def _json(self, line: LogLine) -> str:
        # Put together by hand, because this is done for every line: a third of the time.
        return (
            f'{{"time":"{self._stamps.now()}","level":"{_LEVEL_NAMES[line.level]}",'
            f'"category":{_quoted(line.category)},"message":{_quoted(line.message)},'
            f'"function":{_quoted(line.function)},'
            f'"invocationId":{_quoted(line.invocation_id)}}}\n'
        )

    def _put(self, text: str) -> None:
        if len(self._waiting) >= _MOST_WAITING:
            self._lost += 1
            return
        self._waiting.append(text)
        if not self._has_rung:
            self._has_rung = True
            self._bell.put(None)

    # --- on the thread --------------------------------------------------------------------

    def _write_all(self) -> None:
        is_last = False
        pace = _Pace()
        while not is_last:
            self._bell.get()
            if not self._is_ending and pace.is_busy():
                sleep(_GATHER_SECONDS)
            is_last = self._is_ending
            self._has_rung = False  # before looking: what comes after the look rings again
            texts = [self._waiting.popleft() for _ in range(len(self._waiting))]
            if self._lost:
                texts.append(self._lost_text())
            if not self._write_out("".join(texts)):
                return

    def _lost_text(self) -> str:
        lost, self._lost = self._lost, 0
        message = f"{lost} log lines are not shown: whatever reads this output is too slow."
        line = LogLine(LogLevel.WARNING, _OWN_CATEGORY, message)
        return self._json(line) if self._json_lines else self._text(line.level, message)

    def _write_out(self, text: str) -> bool:
        """Write to the stream; return False once nobody can read it any more."""
        try:
            try:
                self._stream.write(text)
            except UnicodeEncodeError:
                encoded = text.encode(self._stream.encoding, "backslashreplace")
                self._stream.write(encoded.decode(self._stream.encoding))
            self._stream.flush()
        except (OSError, ValueError):  # a closed pipe, a closed stream
            return False
        return True


class _Pace:
    """Tells a busy moment. Whoever gets a response must find the lines that came before it."""

    __slots__ = ("_at", "_spare")

    def __init__(self) -> None:
        self._at = monotonic()
        self._spare: float = _WRITES_AT_ONCE

    def is_busy(self) -> bool:
        """Return whether the next write is one too many to be made at once."""
        now = monotonic()
        idle = max(0.0, now - self._at) / _GATHER_SECONDS
        self._spare = min(_WRITES_AT_ONCE, self._spare + idle)
        self._at = now
        if self._spare < 1:
            self._at += _GATHER_SECONDS  # the wait that follows is no idle time
            return True
        self._spare -= 1
        return False


class _Stamps:
    """The time as log lines show it, put into words once for all lines of a millisecond."""

    __slots__ = ("_clock", "_since", "_text", "_until")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._since = self._until = datetime.max.replace(tzinfo=UTC)
        self._text = ""

    def now(self) -> str:
        now = self._clock.now()
        if not self._since <= now < self._until:
            self._since = now.replace(microsecond=now.microsecond // 1000 * 1000)
            self._until = self._since + _MILLISECOND
            self._text = timestamp(now)
        return self._text


def timestamp(instant: datetime) -> str:
    """Return a UTC instant as log lines show it: ``2024-01-31T12:00:00.000Z``."""
    return f"{instant.isoformat('T', 'milliseconds')[:23]}Z"


def log_filter(config: AppConfig, host: HostConfig) -> LogFilter:
    """Return which lines are shown, by the command line and a state of host.json."""
    return LogFilter(
        verbose=config.verbose, user_level=config.user_log_level, levels=host.logging.levels
    )


def banner() -> str:
    """Return what is shown first, in the form that editors look for."""
    return (
        "\nAzure Functions Core Tools\n"
        f"Core Tools Version:       {CORE_TOOLS_VERSION}\n"
        f"Function Runtime Version: {RUNTIME_VERSION}\n"
    )


def function_list(functions: Iterable[Function], routes: Routes, *, address: str) -> str:
    """Return the list of functions by kind of trigger; empty where there are none.

    ``address`` is where HTTP functions are reached, such as ``http://localhost:7071``.
    """
    listed = sorted(functions, key=lambda function: (not is_http(function), function.name.upper()))
    running = [_entry(f, routes, address) for f in listed if not f.disabled]
    disabled = [f"\tFunction {f.name} is disabled.\n" for f in listed if f.disabled]
    if not listed:
        return ""
    return "\n".join(["\nFunctions:\n", *running, *disabled])


def _entry(function: Function, routes: Routes, address: str) -> str:
    if not is_http(function):
        return f"\t{function.name}: {function.trigger.type}\n"
    methods = methods_of(function)
    shown = f"[{','.join(methods)}]" if methods else ""
    return f"\t{function.name}: {shown} {address}/{routes.route_of(function.name)}\n"
