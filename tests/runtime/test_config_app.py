"""All that configures one app, put together: folder, settings, options, host id, CORS."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from triggerfish.config.app_config import load_app_config
from triggerfish.config.app_folder import find_app_folder
from triggerfish.config.app_settings import parse_app_settings
from triggerfish.config.connections import Embedded
from triggerfish.config.cors import Cors, parse_cors
from triggerfish.config.errors import ConfigError
from triggerfish.config.host_id import computed_host_id
from triggerfish.config.start_options import StartOptions
from triggerfish.model import LogLevel

PYTHON = {"FUNCTIONS_WORKER_RUNTIME": "python"}


@pytest.fixture
def app(tmp_path):
    def write(host=None, local=None) -> Path:
        (tmp_path / "host.json").write_text(json.dumps({"version": "2.0", **(host or {})}))
        document = {"IsEncrypted": False, "Values": {**PYTHON, **(local or {})}}
        (tmp_path / "local.settings.json").write_text(json.dumps(document))
        return tmp_path

    return write


# --- put together -----------------------------------------------------------------------------


def test_workers_get_the_environment_and_the_local_settings(app):
    folder = app(local={"A": "file", "B": "file"})

    config = load_app_config(StartOptions(folder), {"A": "environment", "PATH": "/bin"})

    assert config.settings == {
        "A": "environment",
        "B": "file",
        "PATH": "/bin",
        "FUNCTIONS_WORKER_RUNTIME": "python",
        "AZURE_FUNCTIONS_ENVIRONMENT": "Development",
        "WEBSITE_HOSTNAME": "localhost:7071",
        "AzureWebJobsScriptRoot": str(folder),
        "AzureWebJobsStorage": "UseDevelopmentStorage=true",
    }


def test_every_run_is_a_development_run_and_a_file_that_differs_is_told(app):
    folder = app(local={"AZURE_FUNCTIONS_ENVIRONMENT": "Production"})

    config = load_app_config(StartOptions(folder), {})

    assert config.settings["AZURE_FUNCTIONS_ENVIRONMENT"] == "Development"
    assert any("AZURE_FUNCTIONS_ENVIRONMENT" in line.message for line in config.notes)


def test_options_win_over_files_and_files_over_defaults(app):
    folder = app(host={"functions": ["a"]})
    local = json.loads((folder / "local.settings.json").read_text())
    local["Host"] = {"LocalHttpPort": 8000, "LocalHttpAddress": "::1", "CORS": "http://a"}
    (folder / "local.settings.json").write_text(json.dumps(local))

    by_file = load_app_config(StartOptions(folder), {})
    by_option = load_app_config(
        StartOptions(folder, port=0, address="0.0.0.0", cors="http://B", functions=("b",)), {}
    )

    assert (by_file.port, by_file.address, by_file.functions) == (8000, "::1", ("a",))
    assert by_file.cors == Cors(frozenset({"http://a"}))
    assert (by_option.port, by_option.address, by_option.functions) == (0, "0.0.0.0", ("b",))
    assert by_option.cors == Cors(frozenset({"http://b"}))


def test_host_storage_that_is_not_set_is_embedded_and_told(app):
    config = load_app_config(StartOptions(app()), {})

    assert config.storage == Embedded()
    assert config.settings["AzureWebJobsStorage"] == "UseDevelopmentStorage=true"  # for functions
    assert any("AzureWebJobsStorage is not set" in line.message for line in config.notes)


def test_a_malformed_host_storage_stops_the_start(app):
    with pytest.raises(ConfigError, match="AzureWebJobsStorage: malformed connection string"):
        load_app_config(StartOptions(app(local={"AzureWebJobsStorage": "nonsense"})), {})


def test_host_json_is_overridden_from_local_settings_too(app):
    folder = app(local={"AzureFunctionsJobHost__extensions__queues__batchSize": "2"})

    assert load_app_config(StartOptions(folder), {}).host.queues.batch_size == 2


def test_key_vault_references_stay_and_are_told(app):
    reference = "@Microsoft.KeyVault(SecretUri=https://v.example/s)"

    config = load_app_config(StartOptions(app(local={"Secret": reference})), {})

    assert config.settings["Secret"] == reference
    assert any("'Secret' refers to a key vault" in line.message for line in config.notes)


@pytest.mark.parametrize("name", ["CI", "CONTINUOUS_INTEGRATION", "BUILD_NUMBER", "RUN_ID"])
def test_continuous_integration_is_verbose(app, name):
    assert load_app_config(StartOptions(app()), {name: "1"}).verbose
    assert not load_app_config(StartOptions(app()), {name: ""}).verbose


def test_the_user_log_level_is_an_option_or_a_setting(app):
    folder = app(local={"FUNCTIONS_USER_LOG_LEVEL": "debug"})

    assert load_app_config(StartOptions(folder), {}).user_log_level == LogLevel.DEBUG
    error = StartOptions(folder, user_log_level=LogLevel.ERROR)
    assert load_app_config(error, {}).user_log_level == LogLevel.ERROR


def test_the_host_id_is_a_setting_or_made_of_the_machine_and_the_folder(app):
    computed = load_app_config(StartOptions(app()), {}).host_id
    given = load_app_config(StartOptions(app()), {"AzureFunctionsWebHost__hostid": "mine"}).host_id

    assert 1 <= len(computed) <= 32
    assert computed == computed.lower()
    assert given == "mine"


def test_the_settings_of_an_app_are_not_shown(app):
    assert "hunter2" not in repr(load_app_config(StartOptions(app(local={"P": "hunter2"})), {}))


# --- settings of the host itself --------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value", "read"),
    [
        ("FUNCTIONS_WORKER_PROCESS_COUNT", "4", lambda a: a.worker_processes == 4),
        ("FUNCTIONS_WORKER_PROCESS_COUNT", "0", lambda a: a.worker_processes == 1),
        ("FUNCTIONS_WORKER_PROCESS_COUNT", "-3", lambda a: a.worker_processes == 1),
        ("FUNCTIONS_WORKER_PROCESS_COUNT", "", lambda a: a.worker_processes == 1),
        ("FUNCTIONS_REQUEST_BODY_SIZE_LIMIT", "5", lambda a: a.request_body_limit_bytes == 5),
        ("AzureWebJobsDisableHomepage", "TRUE", lambda a: not a.homepage),
        ("AzureFunctionsWebHost__hostid", "my-host-1", lambda a: a.host_id == "my-host-1"),
        ("AzureFunctionsWebHost:hostid", "my-host-1", lambda a: a.host_id == "my-host-1"),
        ("WEBSITE_TIME_ZONE", "Europe/Berlin", lambda a: a.time_zone == "Europe/Berlin"),
        ("PYTHON_SCRIPT_FILE_NAME", "app.py", lambda a: a.script_file == "app.py"),
        ("languageWorkers__python__defaultExecutablePath", "/py", lambda a: a.interpreter == "/py"),
        (
            "languageWorkers__python__arguments",
            "-m debugpy --listen '5 6'",
            lambda a: a.interpreter_arguments == ("-m", "debugpy", "--listen", "5 6"),
        ),
    ],
)
def test_a_setting_of_the_host_is_read(name, value, read):
    assert read(parse_app_settings({**PYTHON, name: value}))


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("FUNCTIONS_WORKER_PROCESS_COUNT", "11", "an integer of at most 10"),
        ("FUNCTIONS_WORKER_PROCESS_COUNT", "two", "an integer of at most 10"),
        ("FUNCTIONS_USER_LOG_LEVEL", "loud", "Trace, Debug"),
        ("FUNCTIONS_REQUEST_BODY_SIZE_LIMIT", "1e6", "an integer of at least 0"),
        ("AzureFunctionsWebHost__hostid", "My Host", "1 to 32 lower-case letters"),
        ("AzureFunctionsWebHost__hostid", "a" * 33, "1 to 32 lower-case letters"),
        *(
            ("PYTHON_SCRIPT_FILE_NAME", name, "the name of a Python file in the app folder")
            for name in ("app", "../app.py", "sub/app.py", "-app.py", "app.py.txt", "ä.py")
        ),
        ("languageWorkers__python__arguments", "-c 'x", "cannot be split"),
        ("FUNCTIONS_WORKER_RUNTIME", "node", "'node' is not supported"),
    ],
)
def test_a_bad_setting_names_itself_and_what_is_valid(name, value, expected):
    with pytest.raises(ConfigError, match=r"^local\.settings\.json or environment: ") as caught:
        parse_app_settings({**PYTHON, name: value})

    assert f" {name}: " in str(caught.value)
    assert expected in str(caught.value)
    assert caught.value.remedy in str(caught.value)


def test_an_app_without_a_runtime_is_taken_for_python_with_a_remark():
    [line] = parse_app_settings({}).notices

    assert "FUNCTIONS_WORKER_RUNTIME is not set" in line.message


def test_a_setting_without_effect_is_told():
    [line] = parse_app_settings({**PYTHON, "PYTHON_ENABLE_OPENTELEMETRY": "1"}).notices

    assert "PYTHON_ENABLE_OPENTELEMETRY has no effect" in line.message


# --- the app folder ---------------------------------------------------------------------------


@pytest.mark.parametrize("mark", ["host.json", "local.settings.json"])
def test_the_app_is_found_from_a_folder_below(tmp_path, monkeypatch, mark):
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    (tmp_path / mark).touch()
    monkeypatch.chdir(below)

    assert find_app_folder() == tmp_path


def test_a_script_alone_makes_an_app_of_its_own_folder(tmp_path, monkeypatch):
    (tmp_path / "function_app.py").touch()
    monkeypatch.chdir(tmp_path)

    assert find_app_folder() == tmp_path
    assert find_app_folder(Path()) == tmp_path


def test_a_folder_that_is_given_is_not_left(tmp_path):
    below = tmp_path / "a"
    below.mkdir()
    (tmp_path / "host.json").touch()

    with pytest.raises(ConfigError, match=r"a: is no function app: it has no host\.json"):
        find_app_folder(below)


@pytest.mark.parametrize(("name", "told"), [("no", "does not exist"), ("file", "is a file")])
def test_what_is_no_folder_is_told(tmp_path, name, told):
    (tmp_path / "file").touch()

    with pytest.raises(ConfigError, match=f"{name}: {told}. Name the folder"):
        find_app_folder(tmp_path / name)


def test_outside_of_any_app_it_is_said_what_to_do(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    with pytest.raises(ConfigError, match=r"no function app.* triggerfish start FOLDER"):
        find_app_folder()


# --- host id, CORS ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("machine", "folder", "host_id"),
    [
        ("PC", "", "pc-23"),
        ("pc", "a", "pc-810"),
        ("My-Machine_1", "a", "mymachine1-810"),
        ("m" * 40, "a", "m" * 32),
        ("m" * 31, "a", "m" * 31),
        ("pc", "/home/dev/app", "pc-1245021457"),
    ],
)
def test_a_host_id_is_made_of_machine_and_folder(machine, folder, host_id):
    assert computed_host_id(machine, folder) == host_id


@pytest.mark.parametrize(
    ("origins", "credentials", "cors"),
    [
        (None, True, None),
        ("", False, None),
        ("*", False, Cors(frozenset(), any_origin=True)),
        ("http://A:1,https://b", True, Cors(frozenset({"http://a:1", "https://b"}), False, True)),
        ("http://a, http://b,", False, Cors(frozenset({"http://a", "http://b"}))),
    ],
)
def test_cors_origins_are_parted_by_commas(origins, credentials, cors):
    assert parse_cors(origins, credentials=credentials, place="--cors") == cors


def test_all_origins_with_credentials_are_refused():
    with pytest.raises(ConfigError, match=r"^--cors: CORS: .* Name the origins"):
        parse_cors("*", credentials=True, place="--cors")
