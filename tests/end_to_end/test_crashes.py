"""User code that ends its process, among messages that did nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from azure.storage.queue import QueueClient, TextBase64DecodePolicy, TextBase64EncodePolicy

APP = """
import os, time
import azure.functions as func

app = func.FunctionApp()


@app.queue_trigger(arg_name="message", queue_name="incoming", connection="AzureWebJobsStorage")
@app.queue_output(arg_name="$return", queue_name="done", connection="AzureWebJobsStorage")
def note(message: func.QueueMessage) -> str:
    time.sleep(0.05)
    if message.get_body() == b"crash":
        os._exit(1)
    return message.get_body().decode()
"""


def client(host: Any, name: str) -> QueueClient:
    return QueueClient.from_connection_string(
        host.connection_string,
        name,
        message_encode_policy=TextBase64EncodePolicy(),
        message_decode_policy=TextBase64DecodePolicy(),
    )


def texts(host: Any, name: str) -> list[str]:
    with client(host, name) as queue:
        return sorted(message.content for message in queue.receive_messages(messages_per_page=32))


@pytest.mark.slow
def test_a_message_that_ends_its_process_takes_no_other_one_with_it(
    tmp_path: Path, start: Callable[..., Any]
) -> None:
    app = tmp_path / "app"
    app.mkdir()
    limits = '{"queues": {"maxDequeueCount": 2}}'
    (app / "host.json").write_text(f'{{"version": "2.0", "extensions": {limits}}}')
    (app / "function_app.py").write_text(APP)
    host = start(app).ready()
    innocent = [f"message {number:02}" for number in range(20)]

    with client(host, "incoming") as incoming:
        incoming.create_queue()
        for text in (*innocent[:5], "crash", *innocent[5:]):
            incoming.send_message(text)
    succeeded, poisoned = "'Functions.note' (Succeeded", "to queue 'incoming-poison'"
    seen = {succeeded: 0, poisoned: 0}

    def all_settled(line: str) -> bool:
        for what in seen:
            seen[what] += what in line
        return seen[succeeded] >= len(innocent) and seen[poisoned] >= 1

    host.wait_for(all_settled)
    assert texts(host, "done") == innocent
    assert texts(host, "incoming-poison") == ["crash"]
