"""``triggerfish replay --poison``, against a storage server of ours."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from triggerfish.model import TriggerfishError
from triggerfish_storage.client import StorageClient


@pytest.mark.parametrize("suffix", ["", "-poison"])
def test_poison_goes_back_to_its_queue_in_order(server: Any, name: str, suffix: str) -> None:
    texts = list(map(str, range(40)))
    server.fill(f"{name}-poison", texts)

    result = server.run("replay", "--poison", name + suffix, "--json")

    assert json.loads(result.stdout) == {"from": f"{name}-poison", "to": name, "moved": 40}
    assert server.texts(name) == texts[:32]
    assert (server.count(name), server.count(f"{name}-poison")) == (40, 0)


def test_poison_is_shown_dry_and_left_where_it_is(server: Any, name: str) -> None:
    texts = [base64.b64encode(body).decode() for body in (b"one", b"two", b"\xff")]
    server.fill(f"{name}-poison", texts)

    result = server.run("replay", "--poison", name, "--dry")

    shown = [line.split("\t")[2] for line in result.stdout.splitlines()]
    assert shown == ["one", "two", "(no text, 1 byte)"]
    assert "3 messages would be moved" in result.stderr
    assert (server.count(f"{name}-poison"), server.texts(f"{name}-poison")) == (3, texts)


def test_what_becomes_poison_again_meanwhile_is_not_moved_for_ever(
    server: Any, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.fill(f"{name}-poison", ["a", "b"])
    put = StorageClient.put_message

    async def fail_again(self: StorageClient, queue: str, text: str) -> str:
        await put(self, f"{name}-poison", text + "!")
        return await put(self, queue, text)

    server.fill(name, [])
    monkeypatch.setattr(StorageClient, "put_message", fail_again)
    server.run("replay", "--poison", name)

    assert server.texts(name) == ["a", "b"]
    assert server.texts(f"{name}-poison") == ["a!", "b!"]


def test_ctrl_c_while_moving_loses_nothing(
    server: Any, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.fill(f"{name}-poison", list("abcd"))
    server.fill(name, [])
    delete = StorageClient.delete_message

    async def interrupted(self: StorageClient, *arguments: str) -> None:
        await delete(self, *arguments)
        if (await self.count_messages(name)) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(StorageClient, "delete_message", interrupted)
    assert server.run("replay", "--poison", name).exit_code == 130

    assert server.texts(name) == ["a", "b"]
    assert server.texts(f"{name}-poison") == ["c", "d"]


def test_poison_of_blobs_is_replayed_otherwise(server: Any) -> None:
    result = server.run("replay", "--poison", "webjobs-blobtrigger")

    assert isinstance(result.exception, TriggerfishError)
    assert "triggerfish replay --failed" in str(result.exception)
