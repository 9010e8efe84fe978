"""What the terminal shows, and that it never holds the host up."""

from __future__ import annotations

import io
import json
import threading
from datetime import UTC, datetime

import pytest

from triggerfish.console import Console, _Pace, banner, function_list, timestamp
from triggerfish.http.routes import Routes
from triggerfish.log_filter import LogFilter
from triggerfish.model import Binding, Function, LogLevel, LogLine

NOON = datetime(2024, 1, 31, 12, 0, 0, 1500, tzinfo=UTC)
PREFIX = "[2024-01-31T12:00:00.001Z] "


class StoppedClock:
    def now(self) -> datetime:
        return NOON

    async def sleep(self, seconds):
        raise NotImplementedError

    async def wait(self, event, *, within):
        raise NotImplementedError


def shown(*lines: LogLine, stream=None, **settings) -> str:
    stream = stream or io.StringIO()
    log_filter = settings.pop("log_filter", LogFilter())
    with Console(stream, log_filter=log_filter, clock=StoppedClock(), **settings) as console:
        for line in lines:
            console.write(line)
    return stream.getvalue()


def line(message: str, level: LogLevel = LogLevel.INFORMATION, category: str = "Function.F"):
    return LogLine(level, category, message, "id-1", "F")


# --- lines ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ("hello", f"{PREFIX}hello\n"),
        ("", f"{PREFIX}\n"),
        ("a\nb", f"{PREFIX}a\n{PREFIX}b\n"),
        ("a\r\nb\r\n", f"{PREFIX}a\n{PREFIX}b\n"),
        ("a\n\nb\n\n", f"{PREFIX}a\n{PREFIX}\n{PREFIX}b\n"),
        ("a\u2028b\x0bc", f"{PREFIX}a\u2028b\x0bc\n"),
        ("tab\t[red]%s", f"{PREFIX}tab\t[red]%s\n"),
    ],
)
def test_every_line_of_a_message_has_the_time(message, text):
    assert shown(line(message)) == text


def test_times_are_utc_to_the_millisecond():
    assert timestamp(NOON) == "2024-01-31T12:00:00.001Z"
    assert timestamp(NOON.replace(microsecond=0)) == "2024-01-31T12:00:00.000Z"


def test_lines_come_in_order_and_none_is_left_behind():
    lines = [line(str(number)) for number in range(5_000)]

    assert shown(*lines).split("\n")[:-1] == [f"{PREFIX}{number}" for number in range(5_000)]


def test_what_the_filter_hides_is_not_written():
    text = shown(line("hidden", LogLevel.INFORMATION, "Host.Startup"), line("shown"))

    assert text == f"{PREFIX}shown\n"


def test_the_filter_may_change_while_the_host_runs():
    stream = io.StringIO()
    with Console(stream, log_filter=LogFilter(), clock=StoppedClock()) as console:
        console.write(line("one"))
        console.log_filter = LogFilter(levels={"default": LogLevel.ERROR})
        console.write(line("two"))

    assert stream.getvalue() == f"{PREFIX}one\n"


@pytest.mark.parametrize(
    ("level", "before", "after"),
    [
        (LogLevel.TRACE, "\x1b[90m", "\x1b[0m"),
        (LogLevel.DEBUG, "\x1b[90m", "\x1b[0m"),
        (LogLevel.INFORMATION, "", ""),
        (LogLevel.WARNING, "\x1b[33m", "\x1b[0m"),
        (LogLevel.ERROR, "\x1b[31m", "\x1b[0m"),
        (LogLevel.CRITICAL, "\x1b[31m", "\x1b[0m"),
    ],
)
def test_levels_have_colours_where_they_are_wanted(level, before, after):
    everything = LogFilter(levels={"default": LogLevel.TRACE})

    coloured = shown(line("x", level), log_filter=everything, colours=True)
    plain = shown(line("x", level), log_filter=everything)

    assert coloured == f"{before}{PREFIX}x{after}\n"
    assert plain == f"{PREFIX}x\n"


def test_the_tools_own_texts_have_no_time_and_no_level():
    stream = io.StringIO()
    silent = LogFilter(levels={"default": LogLevel.NONE})
    with Console(stream, log_filter=silent, clock=StoppedClock()) as console:
        console.say("For detailed output, run with --verbose flag.")

    assert stream.getvalue() == "For detailed output, run with --verbose flag.\n"


# --- JSON -------------------------------------------------------------------------------------


def test_json_lines_have_the_same_keys_always():
    text = shown(
        line('a "quoted"\nsecond line \u00e4\u2028\x00', LogLevel.WARNING),
        LogLine(LogLevel.CRITICAL, "Host.X", "bare"),
        json_lines=True,
    )

    assert [json.loads(one) for one in text.split("\n")[:-1]] == [
        {
            "time": "2024-01-31T12:00:00.001Z",
            "level": "Warning",
            "category": "Function.F",
            "message": 'a "quoted"\nsecond line \u00e4\u2028\x00',
            "function": "F",
            "invocationId": "id-1",
        },
        {
            "time": "2024-01-31T12:00:00.001Z",
            "level": "Critical",
            "category": "Host.X",
            "message": "bare",
            "function": "",
            "invocationId": "",
        },
    ]


def test_in_json_the_tools_own_texts_are_lines_too():
    stream = io.StringIO()
    settings = {"log_filter": LogFilter(), "clock": StoppedClock(), "json_lines": True}
    with Console(stream, **settings) as console:
        console.say(banner())
        console.say("")  # a line that only parts others

    assert "Core Tools Version:" in json.loads(stream.getvalue())["message"]


# --- streams that give trouble ----------------------------------------------------------------


class SlowStream(io.StringIO):
    """Takes nothing until it is let go, as a pipe that nobody reads."""

    def __init__(self) -> None:
        super().__init__()
        self.reached = threading.Event()
        self.go = threading.Event()

    def write(self, text: str) -> int:
        self.reached.set()
        assert self.go.wait(10)
        return super().write(text)


def test_a_stream_that_does_not_take_anything_holds_nobody_up(monkeypatch):
    monkeypatch.setattr("triggerfish.console._MOST_WAITING", 100)
    stream = SlowStream()
    with Console(stream, log_filter=LogFilter(), clock=StoppedClock()) as console:
        console.write(line("first"))
        assert stream.reached.wait(10)
        for number in range(150):
            console.write(line(str(number)))
        stream.go.set()

    lines = stream.getvalue().split("\n")
    assert lines[:2] == [f"{PREFIX}first", f"{PREFIX}0"]
    assert "50 log lines are not shown" in lines[101]


class CountingStream(io.StringIO):
    """Counts its writes, and tells when a text has been written."""

    def __init__(self) -> None:
        super().__init__()
        self.writes = 0
        self.written = threading.Event()

    def write(self, text: str) -> int:
        self.writes += 1
        count = super().write(text)
        self.written.set()
        return count


def test_a_lone_line_is_written_at_once_and_the_lines_of_a_busy_moment_together(monkeypatch):
    waits = []
    monkeypatch.setattr("triggerfish.console.sleep", waits.append)
    monkeypatch.setattr("triggerfish.console.monotonic", lambda: 0.0)
    stream = CountingStream()
    with Console(stream, log_filter=LogFilter(), clock=StoppedClock()) as console:
        for number in range(20):
            stream.written.clear()
            console.write(line(str(number)))
            assert stream.written.wait(10)

    assert stream.writes >= 20
    assert len(waits) == 20 - 16


def test_waiting_for_company_does_not_count_as_idle_time(monkeypatch):
    now = 0.0
    monkeypatch.setattr("triggerfish.console.monotonic", lambda: now)
    pace = _Pace()

    assert [pace.is_busy() for _ in range(17)] == [False] * 16 + [True]
    now = 0.004  # the wait is over, and there is more to write
    assert pace.is_busy()
    now = 0.020  # after two such waits nothing came for a while
    assert not pace.is_busy()


def test_a_closed_pipe_ends_the_output_and_not_the_host():
    class ClosedPipe(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    assert shown(line("a"), line("b"), stream=ClosedPipe()) == ""


def test_what_the_terminal_cannot_show_is_written_in_ascii():
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii", write_through=True)
    with Console(stream, log_filter=LogFilter(), clock=StoppedClock()) as console:
        console.write(line("ä \ud800 b"))

    assert raw.getvalue().decode().splitlines() == [rf"{PREFIX}\xe4 \ud800 b"]


# --- banner and list --------------------------------------------------------------------------


def test_the_banner_has_the_lines_that_editors_look_for():
    lines = banner().split("\n")

    assert lines[1] == "Azure Functions Core Tools"
    assert lines[2].startswith("Core Tools Version:       4.")
    assert lines[3].startswith("Function Runtime Version: 4.")


def function(name: str, trigger: str, *, disabled: bool = False, **properties) -> Function:
    binding = Binding("x", trigger, "in", properties)
    return Function(name, (binding,), "/app", "function_app.py", disabled=disabled)


def test_the_functions_are_listed_with_what_runs_them():
    functions = [
        function("work", "queueTrigger"),
        function("Zip", "httpTrigger", route="items/{id:int}", methods=["get", "POST"]),
        function("old", "httpTrigger", disabled=True),
        function("any", "httpTrigger"),
        function("Clean", "timerTrigger"),
    ]
    routes = Routes.of([f for f in functions if not f.disabled], prefix="api")

    text = function_list(functions, routes, address="http://localhost:7071")

    assert text == (
        "\nFunctions:\n"
        "\n\tany:  http://localhost:7071/api/any\n"
        "\n\tZip: [GET,POST] http://localhost:7071/api/items/{id:int}\n"
        "\n\tClean: timerTrigger\n"
        "\n\twork: queueTrigger\n"
        "\n\tFunction old is disabled.\n"
    )


def test_without_functions_there_is_no_list():
    assert function_list([], Routes(), address="http://localhost:7071") == ""
