"""``triggerfish queue``, against a storage server of ours."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from triggerfish.cli import queue_transfer
from triggerfish.cli.accounts import AccountFailed
from triggerfish.cli.main import triggerfish
from triggerfish.cli.message_files import NotMessages
from triggerfish.model import TriggerfishError
from triggerfish_storage.client import StorageClient
from triggerfish_storage.signed_requests import RequestFailed


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


# --- putting ------------------------------------------------------------------------------------


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
    ],
)
def test_wrong_use_is_refused_before_anything_is_sent(
    server: Any, arguments: list[str], message: str
) -> None:
    result = server.run("queue", "put", *arguments)

    assert result.exit_code == 2
    assert message in result.stderr


# --- looking, and queues themselves -------------------------------------------------------------


def test_peeking_shows_bodies_and_changes_nothing(server: Any, name: str) -> None:
    server.fill(name, [*base64_of("one"), "not base64!", base64.b64encode(b"\xff\x00").decode()])

    columns = [line.split("\t") for line in server.run("queue", "peek", name).stdout.splitlines()]
    documents = json.loads(server.run("queue", "peek", name, "-n", "1", "--json").stdout)

    assert [cells[2] for cells in columns] == ["0", "0", "0"]
    assert [cells[3][:11] for cells in columns] == ["one", "not base64!", "00000000  f"]
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


# --- files --------------------------------------------------------------------------------------

ODD = ["", "  spaces  ", "line\nbreak", "<&>\"'", "Zoë 🐟", "\u2028", "x" * 40_000]


def test_a_saved_queue_comes_back_exactly(server: Any, name: str, tmp_path: Path) -> None:
    texts = [*ODD, *map(str, range(60))]
    server.fill(name, texts)
    file = tmp_path / "saved.jsonl"

    saved = server.run("queue", "export", name, str(file))
    server.run("queue", "import", f"{name}-2", str(file))
    again = server.run("queue", "export", f"{name}-2", "-")

    assert saved.stderr == f"67 messages saved to {file}.\n"
    assert [json.loads(line)["text"] for line in again.stdout.rstrip("\n").split("\n")] == texts
    [first, *_] = [json.loads(line) for line in file.read_text().split("\n") if line]
    assert first.keys() == {"text", "id", "insertedAt", "expiresAt", "dequeueCount"}


def test_saving_from_the_embedded_account_leaves_no_trace(
    server: Any, name: str, tmp_path: Path
) -> None:
    server.fill(name, list(map(str, range(40))))

    server.run("queue", "export", name, str(tmp_path / "saved"))

    left = server.ask(lambda client: client.get_messages(name, 32))
    assert [one.dequeue_count for one in left] == [1] * 32


def export(server: Any, *arguments: str) -> Result:
    """Export over the protocol alone, as from an account in the cloud."""
    command = ["queue", "export", *arguments, "--connection", server.connection]
    return CliRunner().invoke(triggerfish, command)


def test_saving_from_another_account_makes_all_visible_again(
    server: Any, name: str, tmp_path: Path
) -> None:
    server.fill(name, list(map(str, range(70))))

    result = export(server, name, str(tmp_path / "saved"))

    assert result.exit_code == 0, result.output
    assert len((tmp_path / "saved").read_text().splitlines()) == 70
    visible = [server.ask(lambda client: client.get_messages(name, 32)) for _ in range(3)]
    assert [len(batch) for batch in visible] == [32, 32, 6]
    assert {one.dequeue_count for batch in visible for one in batch} == {2}


@pytest.mark.parametrize("move", [[], ["--move"]])
def test_ctrl_c_while_saving_loses_nothing(
    server: Any, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, move: list[str]
) -> None:
    texts = list(map(str, range(70)))
    server.fill(name, texts)
    write, file = queue_transfer.write_messages, tmp_path / "saved"
    batches = iter([True])

    def write_once(*arguments: Any) -> None:
        if not next(batches, False):
            raise KeyboardInterrupt
        write(*arguments)

    monkeypatch.setattr(queue_transfer, "write_messages", write_once)
    assert export(server, name, str(file), *move).exit_code == 130

    monkeypatch.setattr(queue_transfer, "write_messages", write)
    assert export(server, name, str(file), *move).exit_code == 0
    saved = [json.loads(line)["text"] for line in file.read_text().splitlines()]
    assert sorted(saved, key=int) == texts
    assert server.count(name) == (0 if move else 70)


def test_moving_to_a_file_empties_the_queue_and_adds_to_the_file(
    server: Any, name: str, tmp_path: Path
) -> None:
    file = tmp_path / "saved"
    for texts in (["a", "b", "c"], ["d"]):
        server.fill(name, texts)
        server.run("queue", "export", name, str(file), "--move")

    assert server.count(name) == 0
    assert [json.loads(line)["text"] for line in file.read_text().splitlines()] == list("abcd")


def test_a_limit_leaves_the_rest(server: Any, name: str, tmp_path: Path) -> None:
    server.fill(name, list("abcd"))

    server.run("queue", "export", name, str(tmp_path / "saved"), "--move", "--limit", "3")

    assert server.texts(name) == ["d"]


def test_lines_written_by_hand_may_have_bodies(server: Any, name: str, tmp_path: Path) -> None:
    file = tmp_path / "by-hand.jsonl"
    file.write_text('\ufeff{"body": {"order": 7}}\n\n{"body": "text"}\n{"text": "as it is"}\n')

    server.run("queue", "import", name, str(file))

    assert server.texts(name) == [*base64_of('{"order": 7}', "text"), "as it is"]


@pytest.mark.parametrize("line", ["{oops", "[]", '"text"', '{"text": 7}', "{}"])
def test_a_file_with_a_bad_line_is_refused_whole(
    server: Any, name: str, tmp_path: Path, line: str
) -> None:
    server.fill(name, [])
    file = tmp_path / "bad.jsonl"
    file.write_text('{"text": "fine"}\n' + line + "\n")

    result = server.run("queue", "import", name, str(file))

    assert isinstance(result.exception, NotMessages)
    assert f"{file}, line 2: " in str(result.exception)
    assert server.count(name) == 0


def test_an_import_that_was_cut_off_can_go_on(
    server: Any, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "saved"
    file.write_text("".join(json.dumps({"text": text}) + "\n" for text in "abcd"))
    put = StorageClient.put_message

    async def fail_at_c(self: StorageClient, queue: str, text: str) -> str:
        if text == "c":
            raise RequestFailed("gone")
        return await put(self, queue, text)

    with monkeypatch.context() as patch:
        patch.setattr(StorageClient, "put_message", fail_at_c)
        cut = server.run("queue", "import", name, str(file))
    server.run("queue", "import", name, str(file), "--skip", "2")

    assert "2 of 4 were put (go on with --skip 2)." in cut.stderr
    assert server.texts(name) == list("abcd")


# --- which account ------------------------------------------------------------------------------


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
