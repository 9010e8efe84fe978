"""The command line of ``triggerfish storage``: Azurite's, its environment, and its help."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from triggerfish_storage.cli import serving
from triggerfish_storage.cli.options import Options
from triggerfish_storage.cli.storage import storage


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Options]:
    """What the program would have been started with."""
    seen: list[Options] = []

    async def run(options: Options) -> str:
        seen.append(options)
        return ""

    monkeypatch.setattr(serving, "_run", run)
    monkeypatch.setattr(serving, "_log_to", lambda *_, **__: None)
    return seen


def invoke(*arguments: str) -> Any:
    return CliRunner().invoke(storage, arguments)


def test_azurites_command_line_is_understood(started: list[Options], tmp_path: Path) -> None:
    result = invoke(
        *("--silent", "--location", str(tmp_path), "--debug", str(tmp_path / "debug.log")),
        *("--blobHost", "0.0.0.0", "--blobPort", "1", "--queueHost", "::", "--queuePort", "2"),
        *("--tableHost", "0.0.0.0", "--tablePort", "3", "--loose", "--skipApiVersionCheck"),
        *("--disableProductStyleUrl", "--disableTelemetry", "--extentMemoryLimit", "1.5"),
        *("--oauth", "basic", "--blobKeepAliveTimeout", "5"),
    )

    assert result.exit_code == 0, result.output
    [options] = started
    assert (options.ports["blob"], options.ports["queue"]) == (1, 2)
    assert (options.addresses["blob"], options.addresses["queue"]) == ("0.0.0.0", "::")
    assert (options.folder, options.is_silent, options.accepts_bearer) == (tmp_path, True, True)


def test_the_defaults_are_the_well_known_ports_on_this_machine(started: list[Options]) -> None:
    assert invoke().exit_code == 0

    [options] = started
    assert (options.ports["blob"], options.ports["queue"]) == (10000, 10001)
    assert set(options.addresses.values()) == {"127.0.0.1"}
    assert options.folder == Path(".triggerfish")
    assert options.tls is None


def test_the_level_of_oauth_is_taken_in_any_case(started: list[Options]) -> None:
    assert invoke("--oauth", "Basic").exit_code == 0

    assert started[0].accepts_bearer


def test_the_archive_takes_as_long_as_it_is_told_to(started: list[Options]) -> None:
    assert invoke().exit_code == 0
    assert invoke("--rehydrate-after", "0.5").exit_code == 0

    assert [one.rehydrates_after for one in started] == [timedelta(), timedelta(seconds=0.5)]
    assert invoke("--rehydrate-after", "-1").exit_code == 2


def test_in_memory_has_no_folder(started: list[Options]) -> None:
    assert invoke("--inMemoryPersistence").exit_code == 0

    assert started[0].folder is None


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("--blob-port", "70000"), "--blob-port"),
        (("--queuePort", "x"), "--queuePort"),
        (("--durability", "some"), "--durability"),
        (("--rehydrate-after", "nan"), "'nan' is no number of seconds"),
        (("--key", __file__), "--key needs the certificate"),
        (("--pwd", "secret"), "--pwd needs the certificate"),
        (("--cert", __file__), "no PFX file that --pwd opens, and no PEM file"),
        (("--in-memory", "--location", "here"), "--in-memory keeps nothing"),
        (("--nonsense",), "--nonsense"),
    ],
)
def test_a_wrong_option_is_named(
    started: list[Options], arguments: tuple[str, ...], problem: str
) -> None:
    result = invoke(*arguments)

    assert result.exit_code == 2
    assert problem in result.output
    assert started == []


def test_every_option_has_its_environment_variable() -> None:
    for parameter in storage.params:
        if parameter.name not in ("version", "help"):
            variables = parameter.envvar
            assert variables
            for variable in [variables] if isinstance(variables, str) else variables:
                assert variable.startswith("TRIGGERFISH_")


def test_every_variable_says_the_same_as_its_option(
    started: list[Options], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "TRIGGERFISH_BLOB_HOST": "::1",
        "TRIGGERFISH_QUEUE_PORT": "5",
        "TRIGGERFISH_LOCATION": str(tmp_path / "here"),
        "TRIGGERFISH_SEED": str(tmp_path / "seed"),
        "TRIGGERFISH_DURABILITY": "full",
        "TRIGGERFISH_SILENT": "true",
        "TRIGGERFISH_OAUTH": "basic",
        "TRIGGERFISH_LOOSE": "1",
        "TRIGGERFISH_SKIP_API_VERSION_CHECK": "1",
        "TRIGGERFISH_EXTENT_MEMORY_LIMIT": "512",
        "TRIGGERFISH_BLOB_KEEP_ALIVE_TIMEOUT": "5",
    }.items():
        monkeypatch.setenv(name, value)

    assert invoke().exit_code == 0

    [options] = started
    assert (options.addresses["blob"], options.ports["queue"]) == ("::1", 5)
    assert (options.folder, options.seed) == (tmp_path / "here", tmp_path / "seed")
    assert (options.durability, options.is_silent, options.accepts_bearer) == ("full", True, True)


def test_a_variable_for_in_memory_counts_under_both_names(
    started: list[Options], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRIGGERFISH_IN_MEMORY_PERSISTENCE", "1")

    assert invoke().exit_code == 0

    assert started[0].folder is None


def test_in_memory_on_the_command_line_overrules_the_folder_of_a_variable(
    started: list[Options], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRIGGERFISH_DATA", "/data")

    assert invoke("--in-memory").exit_code == 0

    assert started[0].folder is None


@pytest.mark.parametrize("flag", ["-v", "--version", "version"])
def test_it_tells_its_version_alone(flag: str) -> None:
    result = invoke(flag)

    assert result.exit_code == 0
    assert result.output[0].isdigit()


def test_an_export_to_stdout_is_refused_and_makes_no_folder_of_that_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    result = invoke("export", "-")

    assert (result.exit_code, list(tmp_path.iterdir())) == (2, [])
    assert "does not go to stdout" in result.output


def test_help_is_a_command_too() -> None:
    assert invoke("help").output == invoke("--help").output


def test_help_does_without_what_only_running_needs() -> None:
    program = (
        "import sys\n"
        "from triggerfish_storage.cli.storage import storage\n"
        "try: storage(['--help'])\n"
        "except SystemExit as end: assert not end.code\n"
        "heavy = {'asyncio', 'rich', 'sqlite3', 'triggerfish_storage.server'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )

    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=False
    )

    assert ended.returncode == 0, ended.stderr


def test_an_account_in_memory_without_a_place_for_it_says_how_to_give_it_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    monkeypatch.setattr(serving, "_log_to", lambda *_, **__: None)  # which holds for all tests

    result = invoke("--in-memory")

    assert result.exit_code == 1
    assert f"{tmp_path / 'missing'}" in result.stderr
    assert "Choose another folder with the variable TMPDIR." in result.stderr
