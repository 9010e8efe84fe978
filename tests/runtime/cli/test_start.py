"""`triggerfish start` and `triggerfish-func start`: what reaches the host."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from triggerfish.cli import start as start_command
from triggerfish.cli.func import func
from triggerfish.cli.main import triggerfish
from triggerfish.config.errors import ConfigError
from triggerfish.config.start_options import StartOptions
from triggerfish.model import LogLevel, TriggerfishError


@pytest.fixture
def app(tmp_path, monkeypatch):
    (tmp_path / "host.json").write_text('{"version": "2.0"}')
    monkeypatch.chdir(tmp_path)
    for name in ("TRIGGERFISH_PORT", "TRIGGERFISH_DATA", "TRIGGERFISH_FUNCTIONS"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.fixture
def started(monkeypatch):
    """The options of every host that was to be started."""
    seen: list[StartOptions] = []

    def run(options: StartOptions) -> int:
        seen.append(options)
        return 3

    monkeypatch.setattr(start_command, "run", run)
    return seen


def invoke(command, *args: str, env: dict[str, str] | None = None) -> Result:
    result = CliRunner().invoke(command, args, env=env)
    assert result.exception is None or isinstance(result.exception, SystemExit | TriggerfishError)
    return result


def test_without_options_the_app_here_is_started_with_the_defaults(app, started):
    result = invoke(triggerfish, "start")

    assert started == [StartOptions(app)]
    assert result.exit_code == 3


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        (["--port", "8080"], {"port": 8080}),
        (["-p", "0"], {"port": 0}),
        (["--address", "0.0.0.0"], {"address": "0.0.0.0"}),
        (["--blob-port", "1"], {"blob_port": 1}),
        (["--queue-port", "2"], {"queue_port": 2}),
        (["--table-port", "3"], {"table_port": 3}),
        (["--data", "somewhere"], {"data": Path("somewhere")}),
        (["--seed", "saved.zip"], {"seed": Path("saved.zip")}),
        (["--functions", "A"], {"functions": ("A",)}),
        (["--functions", "A", "b-2", "--verbose"], {"functions": ("A", "b-2"), "verbose": True}),
        (["--functions", "A", "--functions", "B", "C"], {"functions": ("A", "B", "C")}),
        (["--functions=A", "--no-reload"], {"functions": ("A",), "reload": False}),
        (["--no-reload"], {"reload": False}),
        (["--verbose"], {"verbose": True}),
        (["--json-logs"], {"json_logs": True}),
        (["--strict"], {"strict": True}),
        (["--user-log-level", "debug"], {"user_log_level": LogLevel.DEBUG}),
        (["--cors", "http://a,http://b"], {"cors": "http://a,http://b"}),
        (["--cors-credentials"], {"cors_credentials": True}),
        (["--timing", "azure"], {"timing": "azure"}),
        (["--durability", "full"], {"durability": "full"}),
        (["--storage-address", "::"], {"storage_address": "::"}),
        (["--oauth", "basic"], {"accepts_bearer": True}),
        (["--blob-versions"], {"keeps_versions": True}),
        (["--rehydrate-after", "1.5"], {"rehydrates_after": timedelta(seconds=1.5)}),
        (["--no-color"], {"colours": False}),
        (
            ["--language-worker", "-m debugpy --listen '5 6'"],
            {"interpreter_arguments": ("-m", "debugpy", "--listen", "5 6")},
        ),
    ],
)
def test_an_option_reaches_the_host(app, started, args, expected):
    invoke(triggerfish, "start", *args)

    assert started == [StartOptions(app, **expected)]


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("PORT", "8080", {"port": 8080}),
        ("ADDRESS", "0.0.0.0", {"address": "0.0.0.0"}),
        ("BLOB_PORT", "1", {"blob_port": 1}),
        ("QUEUE_PORT", "2", {"queue_port": 2}),
        ("TABLE_PORT", "3", {"table_port": 3}),
        ("DATA", "somewhere", {"data": Path("somewhere")}),
        ("SEED", "saved.zip", {"seed": Path("saved.zip")}),
        ("FUNCTIONS", "A B", {"functions": ("A", "B")}),
        ("FUNCTIONS", "A,B, C", {"functions": ("A", "B", "C")}),
        ("NO_RELOAD", "1", {"reload": False}),
        ("NO_RELOAD", "0", {}),
        ("VERBOSE", "true", {"verbose": True}),
        ("JSON_LOGS", "1", {"json_logs": True}),
        ("STRICT", "yes", {"strict": True}),
        ("USER_LOG_LEVEL", "Error", {"user_log_level": LogLevel.ERROR}),
        ("CORS", "*", {"cors": "*"}),
        ("CORS_CREDENTIALS", "false", {"cors_credentials": False}),
        ("TIMING", "azure", {"timing": "azure"}),
        ("DURABILITY", "full", {"durability": "full"}),
        ("NO_COLOR", "1", {"colours": False}),
        ("LANGUAGE_WORKER", "-X dev", {"interpreter_arguments": ("-X", "dev")}),
    ],
)
@pytest.mark.parametrize("command", [(triggerfish, "start"), (func, "host", "start")])
def test_every_option_is_an_environment_variable_too(app, started, name, value, expected, command):
    invoke(*command, env={f"TRIGGERFISH_{name}": value})

    assert started == [StartOptions(app, **expected)]


def test_the_help_names_every_variable():
    text = invoke(triggerfish, "start", "--help").output

    for parameter in start_command.start.params:
        if parameter.param_type_name == "option":
            variables = parameter.envvar
            assert variables
            assert all(name in text for name in variables)


def test_the_app_may_be_named(tmp_path, started, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "host.json").touch()

    invoke(triggerfish, "start", "shop", "--functions", "A", "B")

    assert started == [StartOptions(folder, functions=("A", "B"))]


def test_without_an_app_it_is_said_what_to_do(tmp_path, started, monkeypatch):
    monkeypatch.chdir(tmp_path)

    result = invoke(triggerfish, "start")

    assert isinstance(result.exception, ConfigError)
    assert "is no function app" in str(result.exception)
    assert started == []


@pytest.mark.parametrize(
    "args",
    [
        ["--port", "65536"],
        ["--port", "-1"],
        ["--timing", "mars"],
        ["--user-log-level", "loud"],
        ["--language-worker", "'open"],
        ["--nonsense"],
        ["here", "there"],
    ],
)
def test_wrong_usage_starts_nothing_and_ends_with_2(app, started, args):
    assert invoke(triggerfish, "start", *args).exit_code == 2
    assert started == []


# --- Core Tools -------------------------------------------------------------------------------


@pytest.mark.parametrize("option", ["--version", "-v"])
def test_the_version_is_plain_for_programs(option):
    major, *rest = invoke(func, option).output.strip().split(".")

    assert major == "4"
    assert len(rest) == 2
    assert all(part.isdecimal() for part in rest)


@pytest.mark.parametrize("action", [["start"], ["host", "start"]])
@pytest.mark.parametrize(
    ("args", "expected"),
    [
        ([], {}),
        (["--verbose", "--port", "8080"], {"verbose": True, "port": 8080}),
        (["-p", "8080"], {"port": 8080}),
        (["--port=8080", "--address=::1"], {"port": 8080, "address": "::1"}),
        (["--functions", "a", "b", "c"], {"functions": ("a", "b", "c")}),
        (["--cors", "*", "--cors-credentials"], {"cors": "*", "cors_credentials": True}),
        (["--user-log-level", "Debug"], {"user_log_level": LogLevel.DEBUG}),
        (["--language-worker", "-m x"], {"interpreter_arguments": ("-m", "x")}),
        (["--language-worker", "--", "-m x"], {"interpreter_arguments": ("-m", "x")}),
        (["--verbose", "--pause-on-error"], {"verbose": True}),
        (["--timeout", "20", "-t", "5"], {}),
        (["--cert", "c.pfx", "--password", "p", "--no-build"], {}),
        (["--enable-json-output", "--json-output-file", "f"], {}),
        (["--runtime", "default"], {}),
        (["--python"], {}),
    ],
)
def test_what_core_tools_takes_is_taken(app, started, action, args, expected):
    result = invoke(func, *action, *args)

    assert started == [StartOptions(app, **expected)]
    assert result.exit_code == 3


def test_the_folder_may_be_an_option(tmp_path, started):
    (tmp_path / "host.json").touch()

    invoke(func, "start", "--script-root", str(tmp_path))

    assert started == [StartOptions(tmp_path)]


@pytest.mark.parametrize("option", ["--useHttps", "--enableAuth", "--dotnet-isolated-debug"])
def test_what_is_not_supported_is_refused_by_name(app, started, option):
    result = invoke(func, "start", option)

    assert isinstance(result.exception, TriggerfishError)
    assert str(result.exception).startswith(f"{option}: ")
    assert started == []


@pytest.mark.parametrize(
    ("args", "action"), [(["durable"], "durable"), (["host", "stop"], "stop"), (["new"], "new")]
)
def test_an_unknown_action_prints_the_help_and_ends_with_1(args, action):
    result = invoke(func, *args)

    assert result.exit_code == 1
    assert f"Unknown action '{action}'" in result.output
    assert "Commands:" in result.output
