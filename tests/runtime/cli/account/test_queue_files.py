"""``triggerfish queue`` saves messages to files, moves them there, and brings them back."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from triggerfish.cli import queue_transfer
from triggerfish.cli.main import triggerfish
from triggerfish.cli.message_files import NotMessages
from triggerfish_storage.client import StorageClient
from triggerfish_storage.signed_requests import RequestFailed


def base64_of(*bodies: str) -> list[str]:
    return [base64.b64encode(body.encode()).decode() for body in bodies]


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
