"""Edits while the host runs, and apps that do not load (design, decision 6)."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from azure.core.exceptions import ResourceExistsError
from azure.storage.queue import QueueClient, TextBase64EncodePolicy

APP = """
import azure.functions as func

app = func.FunctionApp()


@app.queue_trigger(arg_name="message", queue_name="incoming", connection="AzureWebJobsStorage")
def note(message: func.QueueMessage) -> None:
    print("{mark}", message.get_body().decode())
"""


@pytest.fixture
def app(tmp_path: Path) -> Path:
    folder = tmp_path / "app"
    folder.mkdir()
    (folder / "host.json").write_text('{"version": "2.0"}')
    (folder / "function_app.py").write_text(APP.replace("{mark}", "first"))
    return folder


def send(host: Any, *texts: str) -> None:
    with QueueClient.from_connection_string(
        host.connection_string, "incoming", message_encode_policy=TextBase64EncodePolicy()
    ) as queue:
        with suppress(ResourceExistsError):
            queue.create_queue()
        for text in texts:
            queue.send_message(text)


def test_a_saved_edit_serves_the_next_message(app: Path, start: Callable[..., Any]) -> None:
    host = start(app).ready()
    send(host, "one")
    host.wait_for("first one")

    (app / "function_app.py").write_text(APP.replace("{mark}", "second"))
    host.wait_for("The app was loaded again")
    send(host, "two")

    host.wait_for("second two")
    assert host.stop() == 0


def test_an_edit_that_does_not_load_leaves_the_last_good_state_running(
    app: Path, start: Callable[..., Any], run_command: Callable[..., str]
) -> None:
    host = start(app).ready()

    (app / "function_app.py").write_text("import azure.functions as func\n\ndef broken(:\n")
    host.wait_for("SyntaxError")
    host.wait_for("The last state that loaded keeps running")
    send(host, "still")

    host.wait_for("first still")
    (app / "function_app.py").write_text(APP.replace("{mark}", "mended"))
    host.wait_for("The app was loaded again")
    send(host, "well")
    host.wait_for("mended well")
    entries = json.loads(run_command(app, "history", "--json"))
    assert [entry["attempt"] for entry in entries] == [1, 1]


def test_an_app_that_does_not_load_at_all_waits_for_the_fix(
    app: Path, start: Callable[..., Any]
) -> None:
    (app / "function_app.py").write_text("import nowhere_to_be_found\n")
    host = start(app)

    host.wait_for("Traceback (most recent call last)")
    host.wait_for('function_app.py", line 1')
    host.wait_for("ModuleNotFoundError")
    host.wait_for("waits for the fix")
    (app / "function_app.py").write_text(APP.replace("{mark}", "first"))

    host.ready()
    send(host, "one")
    host.wait_for("first one")


def test_an_edit_in_the_middle_of_an_invocation_costs_it_nothing(
    app: Path, start: Callable[..., Any], run_command: Callable[..., str]
) -> None:
    gate = "\n    import pathlib, time\n    while not pathlib.Path('go').exists(): time.sleep(0.01)"
    slow = APP.replace("-> None:", f"-> None:\n    print('begun'){gate}")
    (app / "function_app.py").write_text(slow.replace("{mark}", "old"))
    host = start(app).ready()
    send(host, "one")
    host.wait_for("begun")

    (app / "function_app.py").write_text(APP.replace("{mark}", "new"))
    host.wait_for("The app was loaded again")
    (app / "go").touch()

    host.wait_for("old one")
    host.wait_for("Executed 'Functions.note' (Succeeded")
    [entry] = json.loads(run_command(app, "history", "--json"))
    assert (entry["status"], entry["attempt"]) == ("succeeded", 1)


def test_a_drained_host_takes_nothing_until_it_is_resumed_or_edited(
    app: Path, start: Callable[..., Any]
) -> None:
    host = start(app).ready()

    assert ask(host, "POST", "drain").status == 202
    send(host, "one")
    assert document(host, "drain/status")["state"] == "Completed"
    assert document(host, "status")["state"] == "Running"

    assert ask(host, "POST", "resume").status == 200
    host.wait_for("first one")
    assert document(host, "drain/status")["state"] == "Disabled"

    assert ask(host, "POST", "drain").status == 202
    send(host, "two")
    (app / "function_app.py").write_text(APP.replace("{mark}", "second"))
    host.wait_for("second two")
    assert document(host, "drain/status")["state"] == "Disabled"


def test_only_the_chosen_functions_are_there(app: Path, start: Callable[..., Any]) -> None:
    with (app / "function_app.py").open("a") as script:
        script.write('\n@app.route(route="x")\ndef other(req): pass\n')
    host = start(app, options=("--functions", "NOTE,absent"))

    assert "'absent'" in host.wait_for("There is no function")
    host.ready()
    with urllib.request.urlopen(f"{host.url}/admin/functions", timeout=10) as answer:
        assert [function["name"] for function in json.load(answer)] == ["note"]


def test_retries_of_a_trigger_that_has_none_in_azure_are_made_and_warned_about(
    app: Path, start: Callable[..., Any]
) -> None:
    policy = '{"strategy": "fixedDelay", "maxRetryCount": 1, "delayInterval": "00:00:00"}'
    (app / "host.json").write_text(f'{{"version": "2.0", "retry": {policy}}}')
    (app / "function_app.py").write_text(APP.replace("{mark}", "tried") + "    1 / 0\n")
    host = start(app)

    assert "'note'" in host.wait_for("Soon retries will not be supported")
    host.ready()
    send(host, "one")

    host.wait_for("failed after 1 retries")


def ask(host: Any, method: str, endpoint: str) -> Any:
    request = urllib.request.Request(f"{host.url}/admin/host/{endpoint}", method=method)
    with urllib.request.urlopen(request, timeout=10) as answer:
        answer.document = answer.read()
        return answer


def document(host: Any, endpoint: str) -> Any:
    return json.loads(ask(host, "GET", endpoint).document)


def test_strict_ends_where_a_function_does_not_load(app: Path, start: Callable[..., Any]) -> None:
    (app / "function_app.py").write_text(APP.replace('"incoming"', '"No Queue Name"'))

    host = start(app, options=("--strict",))

    host.wait_for("function is in error")
    host.wait_for("The host ends: a function is in error, and --strict is on.")
    assert host.process.wait(30) == 1


@pytest.mark.parametrize(
    ("file", "content", "told"),
    [
        ("host.json", '{"version": "2.0", "functionTimeout": }', ["host.json", "line 1"]),
        ("host.json", '{"version": "1.0"}', ["host.json", "version", "2.0"]),
        (
            "host.json",
            '{"version": "2.0", "extensions": {"queues": {"batchSize": 33}}}',
            ["host.json", "batchSize", "32"],
        ),
        (
            "local.settings.json",
            '{"Values": {"A": "secret"}}',
            ["local.settings.json", "IsEncrypted"],
        ),
        (
            "local.settings.json",
            '{"IsEncrypted": false, "Values": {"AzureWebJobsStorage": "AccountName=someone"}}',
            ["AzureWebJobsStorage", "AccountKey"],
        ),
    ],
)
def test_a_file_that_cannot_be_used_gets_one_clear_message(
    app: Path, start: Callable[..., Any], file: str, content: str, told: list[str]
) -> None:
    (app / file).write_text(content)

    host = start(app)

    code = host.process.wait(30)
    host.stop()
    output = "\n".join(host.lines)
    assert code == 1
    assert "Traceback" not in output
    for word in told:
        assert word in output


def test_a_port_that_is_taken_names_itself_and_the_option(
    app: Path, start: Callable[..., Any], tmp_path: Path
) -> None:
    first = start(app).ready()
    other = tmp_path / "other"
    other.mkdir()
    (other / "host.json").write_text('{"version": "2.0"}')
    (other / "function_app.py").write_text(APP)

    second = start(other, options=("--port", str(first.port)))

    assert second.process.wait(30) == 1
    second.stop()
    output = "\n".join(second.lines)
    assert f"Port {first.port} is unavailable" in output
    assert "--port" in output
    assert "Traceback" not in output


def test_a_data_folder_belongs_to_one_host(app: Path, start: Callable[..., Any]) -> None:
    start(app).ready()

    second = start(app)

    assert second.process.wait(30) == 1
    second.stop()
    output = "\n".join(second.lines)
    assert "in use by process" in output
    assert "--data" in output


@pytest.mark.parametrize("name", ["storage.db", "history.db"])
def test_a_corrupt_database_is_named_and_left_alone(
    app: Path, start: Callable[..., Any], name: str
) -> None:
    data = app / ".triggerfish"
    data.mkdir()
    (data / name).write_bytes(b"this is no database, whatever its name says" * 100)

    host = start(app)

    assert host.process.wait(30) == 1
    host.stop()
    output = "\n".join(host.lines)
    assert name in output
    assert "Traceback" not in output
    assert (data / name).read_bytes().startswith(b"this is no database")
