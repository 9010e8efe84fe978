"""The frame of the command line: lazily loaded commands, errors, exit codes, ways to answer."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from triggerfish import __version__
from triggerfish.cli.main import COMMANDS, run, triggerfish
from triggerfish.model import TriggerfishError
from triggerfish_storage.cli import output
from triggerfish_storage.terminal import can_draw, wants_colours


def test_help_names_every_command_without_loading_any():
    program = (
        "import sys\n"
        "from triggerfish.cli.main import main\n"
        "sys.argv = ['triggerfish', '--help']\n"
        "try: main()\n"
        "except SystemExit as end: assert not end.code\n"
        "heavy = {'asyncio', 'aiohttp', 'rich', 'sqlite3', 'watchdog', 'triggerfish.host'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )

    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=False
    )

    assert ended.returncode == 0, ended.stderr
    for name, row in COMMANDS.items():
        assert f"  {name}" in ended.stdout
        assert row.help in ended.stdout


def test_the_version_is_told():
    answer = CliRunner().invoke(triggerfish, ["--version"], prog_name="triggerfish")

    assert answer.output == f"triggerfish {__version__}\n"


@pytest.mark.parametrize("args", [["nonsense"], ["--nonsense"], ["start", "--port", "x"]])
def test_wrong_usage_ends_with_2(args):
    assert CliRunner().invoke(triggerfish, args).exit_code == 2


def test_what_the_user_can_mend_is_one_message_and_ends_with_1(capsys):
    def command() -> None:
        raise TriggerfishError("host.json: version: is missing. Write it.")

    assert run(command) == 1
    assert capsys.readouterr().err == "host.json: version: is missing. Write it.\n"


def test_a_file_that_cannot_be_used_is_named(capsys, tmp_path):
    assert run((tmp_path / "absent" / "file").read_bytes) == 1

    said = capsys.readouterr().err
    assert said == f"{tmp_path / 'absent' / 'file'}: No such file or directory.\n"


def test_an_output_that_is_full_is_told_in_words(capsys):
    def command() -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    assert run(command) == 1
    assert capsys.readouterr().err == "The output cannot be written (No space left on device).\n"


def test_an_output_that_is_closed_is_none(monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)

    def command() -> None:
        output.emit_table(("name",), [("one",)])
        output.remark("said")

    assert run(command) == 0
    sys.stdout.close()
    sys.stderr.close()


@pytest.mark.parametrize("target", ["triggerfish.cli.start.run", "triggerfish.cli.main.Row.load"])
def test_an_interrupt_before_the_host_runs_ends_quietly_with_130(monkeypatch, tmp_path, target):
    def interrupted(*_):
        raise KeyboardInterrupt

    (tmp_path / "host.json").write_text("{}")
    monkeypatch.setattr(target, interrupted)

    answer = CliRunner().invoke(triggerfish, ["start", str(tmp_path)])

    assert (answer.exit_code, answer.output) == (130, "")


def test_an_interrupt_while_the_program_is_imported_ends_quietly_with_130():
    program = (
        "import sys\n"
        "from triggerfish.cli.entry import triggerfish\n"
        "class Interrupt:\n"
        "    def find_spec(self, *_): raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Interrupt())\n"
        "triggerfish()\n"
    )

    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=False
    )

    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "")


def test_a_bug_keeps_its_traceback():
    def command() -> None:
        raise KeyError("bug")

    with pytest.raises(KeyError):
        run(command)


# --- colours ----------------------------------------------------------------------------------


class Terminal:
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("environment", "wanted"),
    [({}, True), ({"NO_COLOR": "1"}, False), ({"NO_COLOR": ""}, True), ({"TERM": "dumb"}, False)],
)
def test_colours_are_for_terminals_whose_user_wants_them(monkeypatch, environment, wanted):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    assert wants_colours(Terminal()) is wanted


@pytest.mark.parametrize(("term", "can"), [("xterm", True), ("dumb", False)])
def test_bars_are_for_terminals_that_move_their_cursor(monkeypatch, term, can):
    monkeypatch.setenv("TERM", term)
    monkeypatch.setenv("NO_COLOR", "1")  # which asks for no more than that

    assert can_draw(Terminal()) is can


def test_a_file_gets_no_colours(tmp_path):
    with (tmp_path / "out").open("w") as stream:
        assert not wants_colours(stream)
    assert not wants_colours(stream)


# --- answers ----------------------------------------------------------------------------------


def test_into_a_pipe_a_table_is_columns_parted_by_tabs(capsys):
    output.emit_table(["id", "when", "payload"], [("a", None, "x\ty\nz"), ("b", 5, b"[red]")])

    assert capsys.readouterr().out == "a\t\tx y z\nb\t5\t[red]\n"


def test_on_a_terminal_a_table_has_a_heading_and_shows_texts_as_they_are(capsys, monkeypatch):
    monkeypatch.setattr(output, "wants_table", lambda: True)
    monkeypatch.setenv("COLUMNS", "80")

    output.emit_table(["id", "payload"], [("a", "[red]not markup[/red]")])

    heading, row = capsys.readouterr().out.splitlines()
    assert heading.split() == ["id", "payload"]
    assert row.split(maxsplit=1) == ["a", "[red]not markup[/red]"]


def test_on_a_narrow_terminal_a_long_text_stands_below_its_row(capsys, monkeypatch):
    monkeypatch.setattr(output, "wants_table", lambda: True)
    monkeypatch.setenv("COLUMNS", "40")
    reason = "No value for the parameter, and this is why"

    output.emit_table(["id", "source", "what"], [("a1", "orders", reason), ("b2", "é", "")])

    assert capsys.readouterr().out.splitlines() == [
        "id  source",
        "a1  orders",
        "    No value for the parameter, and this",
        "    is why",
        "b2  é",
    ]


def test_on_a_terminal_too_narrow_for_its_columns_a_row_takes_several_lines(capsys, monkeypatch):
    monkeypatch.setattr(output, "wants_table", lambda: True)
    monkeypatch.setenv("COLUMNS", "20")

    output.emit_table(["id", "function", "what"], [("a1b2c3d4", "process_order", "it failed")])

    assert capsys.readouterr().out.splitlines() == [
        "id  function",
        "a1b2c3d4",
        "    process_order",
        "    it failed",
    ]


@pytest.mark.parametrize("is_terminal", [True, False])
def test_what_was_delivered_does_not_move_the_cursor(capsys, monkeypatch, is_terminal):
    monkeypatch.setattr(output, "wants_table", lambda: is_terminal)

    output.emit_table(["payload"], [["\x1b[2Jgone\x07\x9b1A"]])
    output.emit_fields([("payload", "\x1b[2Jgone\r\nand\tback")])

    shown = capsys.readouterr().out
    assert " [2Jgone" in shown
    assert "and\tback" in shown
    assert not {"\x1b", "\x07", "\x9b", "\r"} & set(shown)


def test_json_has_a_form_for_instants_lengths_bytes_and_paths(capsys):
    document = {
        "at": datetime(2024, 1, 31, tzinfo=UTC),
        "took": timedelta(milliseconds=1500),
        "payload": b"\xc3\xa4\xff",
        "folder": Path("a"),
    }

    output.emit_json(document)
    output.emit_json_line(document)

    text = capsys.readouterr().out
    first, second = text.rstrip("\n").rsplit("\n", 1)
    assert json.loads(first) == json.loads(second)
    assert json.loads(second) == {
        "at": "2024-01-31T00:00:00.000Z",
        "took": 1.5,
        "payload": "ä\ufffd",
        "folder": "a",
    }


def test_fields_are_aligned_and_long_values_indented(capsys):
    output.emit_fields([("identity", "a"), ("log", "one\ntwo\n"), ("none", None)])

    assert capsys.readouterr().out == "identity: a\nlog:\n  one\n  two\nnone:     \n"


def test_remarks_and_errors_go_to_stderr(capsys):
    output.fail("wrong")
    output.warn("careful")
    output.remark("done")

    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "wrong\ncareful\ndone\n"


def test_every_command_can_answer_in_json():
    @click.command()
    @output.json_option
    def command(as_json: bool) -> None:
        click.echo(str(as_json))

    assert CliRunner().invoke(command, ["--json"]).output == "True\n"


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ("strat", "No such command 'strat'. Did you mean 'start'?"),
        ("zzz", "No such command 'zzz'."),
    ],
)
def test_a_misspelled_command_is_told_what_it_may_have_meant(typed: str, told: str) -> None:
    result = CliRunner().invoke(triggerfish, [typed])

    assert result.exit_code == 2
    assert result.stderr.rstrip().endswith(told)
