"""``triggerfish queue``, against a storage server of ours: putting, looking, and which account."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from triggerfish.cli.accounts import AccountFailed
from triggerfish.cli.main import triggerfish
from triggerfish.model import TriggerfishError


def base64_of(*bodies: str) -> list[str]:
    return [base64.b64encode(body.encode()).decode() for body in bodies]


def test_an_account_over_https_is_spoken_to_so_whatever_its_certificate(
    server_over_https: Any, name: str
) -> None:
    put = server_over_https.run("queue", "put", name, "one")
    listed = server_over_https.run("queue", "list")

    assert (put.exit_code, put.exception) == (0, None)
    assert name in listed.stdout


def test_another_certificate_than_the_owners_is_not_trusted(
    server_over_https: Any, name: str, other_certificate: str
) -> None:
    file = server_over_https.folder / "owner.lock"
    owner = json.loads(file.read_text())
    file.write_text(json.dumps({**owner, "certificate": other_certificate}))

    refused = server_over_https.run("queue", "put", name, "one")

    assert isinstance(refused.exception, AccountFailed)
    assert "certificate verify failed" in str(refused.exception)


def test_a_message_is_put_in_base64_and_its_queue_created(server: Any, name: str) -> None:
    first = server.run("queue", "put", name, "héllo")
    second = server.run("queue", "put", name, "again")

    assert (first.exit_code, second.exit_code) == (0, 0)
    assert server.texts(name) == base64_of("héllo", "again")
    assert first.stderr == f"Queue '{name}' was not there and was created.\n1 message put.\n"
    assert second.stderr == "1 message put.\n"


def test_a_message_is_put_as_it_is_with_raw(server: Any, name: str) -> None:
    server.run("queue", "put", name, "--raw", "<héllo & co>")

    assert server.texts(name) == ["<héllo & co>"]


def test_the_apps_encoding_is_used(server: Any, name: str, tmp_path: Path) -> None:
    queues = {"messageEncoding": "none"}
    host = {"version": "2.0", "extensions": {"queues": queues}}
    (tmp_path / "host.json").write_text(json.dumps(host))

    server.run("queue", "put", name, "plain", "--app", str(tmp_path))
    settings = {"IsEncrypted": False, "Values": {"Elsewhere": server.connection}}
    (tmp_path / "local.settings.json").write_text(json.dumps(settings))
    arguments = ["queue", "put", name, "more", "--app", str(tmp_path), "--connection", "Elsewhere"]
    CliRunner().invoke(triggerfish, arguments)

    assert server.texts(name)[-1] == "more"


def test_files_lines_and_pipes_become_messages(server: Any, name: str, tmp_path: Path) -> None:
    file = tmp_path / "orders.txt"
    file.write_text("one\n\ntwo\n")

    server.run("queue", "put", name, "--raw", "--file", str(file))
    server.run("queue", "put", name, "--raw", "--lines", str(file))
    server.run("queue", "put", name, "--raw", "--lines", "-", input="three\nfour")
    server.run("queue", "put", name, "--raw", input="five\n")
    server.run("queue", "put", name, "-", "--raw", input="six")

    assert server.texts(name) == ["one\n\ntwo\n", "one", "two", "three", "four", "five\n", "six"]


def test_bytes_need_base64(server: Any, name: str, tmp_path: Path) -> None:
    file = tmp_path / "bytes"
    file.write_bytes(b"\xff\x00")

    refused = server.run("queue", "put", name, "--raw", "--file", str(file))
    server.run("queue", "put", name, "--file", str(file))

    assert isinstance(refused.exception, TriggerfishError)
    assert "--base64" in str(refused.exception)
    assert server.texts(name) == [base64.b64encode(b"\xff\x00").decode()]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["Bad_Name", "x"], "'Bad_Name': a queue name must have 3 to 63 characters"),
        (["orders", "x", "--file", __file__], "give one"),
        (["orders", "--file", "missing.txt"], "does not exist"),
        (["orders"], "nothing was piped in"),
    ],
)
def test_wrong_use_is_refused_before_anything_is_sent(
    server: Any, arguments: list[str], message: str
) -> None:
    result = server.run("queue", "put", *arguments)

    assert result.exit_code == 2
    assert message in result.stderr


def test_peeking_shows_bodies_and_changes_nothing(server: Any, name: str) -> None:
    server.fill(name, [*base64_of("one"), "not base64!", base64.b64encode(b"\xff\x00").decode()])

    columns = [line.split("\t") for line in server.run("queue", "peek", name).stdout.splitlines()]
    documents = json.loads(server.run("queue", "peek", name, "-n", "1", "--json").stdout)

    assert [cells[2] for cells in columns] == ["0", "0", "0"]
    assert [cells[3] for cells in columns] == ["one", "not base64!", "(no text, 2 bytes)"]
    assert [(one["body"], one["text"]) for one in documents] == [("one", base64_of("one")[0])]


def test_queues_are_made_listed_cleared_and_deleted(server: Any, name: str) -> None:
    made = [server.run("queue", "create", name).stderr for _ in range(2)]
    server.fill(name, ["a", "b"])
    listed = server.run("queue", "list", name[:5], "--json").stdout
    server.run("queue", "clear", name, "--yes")
    cleared = server.run("queue", "list", name[:5]).stdout
    server.run("queue", "delete", name, "--yes")
    gone = server.run("queue", "list", name[:5])

    assert made == [f"Queue '{name}' was created.\n", f"Queue '{name}' exists already.\n"]
    assert json.loads(listed) == [{"name": name, "messages": 2}]
    assert cleared == f"{name}\t0\n"
    assert (gone.exit_code, gone.stdout) == (0, "")


def test_a_missing_queue_is_the_services_error(server: Any, name: str) -> None:
    result = server.run("queue", "peek", name)

    assert isinstance(result.exception, AccountFailed)
    assert "QueueNotFound" in str(result.exception)
    assert str(result.exception).endswith("triggerfish queue list")


def test_a_program_that_crashed_is_not_asked_where_another_has_its_ports_now(
    server: Any, tmp_path: Path
) -> None:
    (tmp_path / "owner.lock").write_bytes((server.folder / "owner.lock").read_bytes())

    listed = CliRunner().invoke(triggerfish, ["queue", "list", "--data", str(tmp_path)])

    assert isinstance(listed.exception, AccountFailed)
    assert f"{tmp_path}: no program runs on this data folder." in str(listed.exception)
    assert "--connection" in str(listed.exception)


def test_without_an_app_the_storage_that_was_started_here_is_asked(
    server: Any, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".triggerfish").symlink_to(server.folder)
    monkeypatch.chdir(tmp_path)

    put = CliRunner().invoke(triggerfish, ["queue", "put", name, "one"])

    assert (put.exit_code, put.exception) == (0, None)
    assert server.texts(name) == base64_of("one")


def test_where_nothing_runs_the_remedy_is_told(tmp_path: Path) -> None:
    endpoint = "QueueEndpoint=http://127.0.0.1:9/devstoreaccount1"
    string = f"AccountName=devstoreaccount1;AccountKey=a2V5;{endpoint}"
    arguments = ["queue", "list", "--connection", string]

    result = CliRunner().invoke(triggerfish, arguments)

    assert isinstance(result.exception, AccountFailed)
    assert "triggerfish storage" in str(result.exception)


@pytest.mark.parametrize(
    ("connection", "message"),
    [
        ("AccountName=x;Nonsense=y", "--connection: 'Nonsense' is no part"),
        ("Elsewhere", "Elsewhere"),
        ("Mine", "reached as an identity"),
    ],
)
def test_a_connection_that_cannot_be_used_is_explained(
    tmp_path: Path, connection: str, message: str
) -> None:
    (tmp_path / "host.json").write_text("{}")
    settings = {"IsEncrypted": False, "Values": {"Mine__accountName": "mine"}}
    (tmp_path / "local.settings.json").write_text(json.dumps(settings))

    arguments = ["queue", "list", "--app", str(tmp_path), "--connection", connection]
    result = CliRunner().invoke(triggerfish, arguments)

    assert isinstance(result.exception, TriggerfishError)
    assert message in str(result.exception)


def test_a_message_that_is_too_large_is_told_what_fits(server: Any, name: str) -> None:
    result = server.run("queue", "put", name, "x" * (48 * 1024 + 1))

    assert "in base64 48 KiB" in str(result.exception)
