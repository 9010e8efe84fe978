"""A host that is killed at random moments loses nothing and doubles nothing."""

from __future__ import annotations

import asyncio
import base64
import json
import random
import signal
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from azure.storage.queue import QueueClient, TextBase64EncodePolicy

from triggerfish_storage.server import open_account

MESSAGES = 1500
KILLS = 8
APP = """
import azure.functions as func

app = func.FunctionApp()


@app.queue_trigger(arg_name="message", queue_name="incoming", connection="AzureWebJobsStorage")
@app.queue_output(arg_name="$return", queue_name="out-first", connection="AzureWebJobsStorage")
@app.queue_output(arg_name="second", queue_name="out-second", connection="AzureWebJobsStorage")
def copy(message: func.QueueMessage, second: func.Out[bytes]) -> bytes:
    second.set(message.get_body())
    return message.get_body()
"""


@pytest.fixture
def app(tmp_path: Path) -> Path:
    folder = tmp_path / "copier"
    folder.mkdir()
    (folder / "function_app.py").write_text(APP)
    (folder / "host.json").write_text('{"version": "2.0"}')
    return folder


def fill(connection_string: str, numbers: Iterable[int]) -> None:
    with QueueClient.from_connection_string(
        connection_string, "incoming", message_encode_policy=TextBase64EncodePolicy()
    ) as queue:
        queue.create_queue()
        with ThreadPoolExecutor(8) as threads:
            list(threads.map(lambda number: queue.send_message(str(number)), numbers))


def stored(app: Path) -> dict[str, list[int]]:
    """Return the numbers that lie in each queue, read from the data folder itself."""

    async def read() -> dict[str, list[int]]:
        found: dict[str, list[int]] = {}
        async with open_account(app / ".triggerfish") as account:
            for name in ("incoming", "out-first", "out-second"):
                found[name] = []
                if account.queues.exists(name):
                    rows = account.database.look(
                        lambda tx, name=name: tx.execute(
                            "SELECT m.text FROM message m JOIN queue q USING (backlog_id)"
                            " WHERE q.name = ?",
                            (name,),
                        ).fetchall()
                    )
                    found[name] = [int(base64.b64decode(text)) for (text,) in rows]
        return found

    return asyncio.run(read())


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_killed_under_load_nothing_is_lost_and_no_output_is_doubled(
    app: Path, start: Callable[..., Any]
) -> None:
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    draw = random.Random(seed)
    host = start(app, **{"AzureWebJobs.copy.Disabled": "true"}).ready()
    fill(host.connection_string, range(MESSAGES))
    host.stop()
    host = start(app).ready()

    left = MESSAGES
    for _ in range(KILLS):
        host.wait_for("Executed 'Functions.copy' (Succeeded", times=draw.randint(1, left // KILLS))
        host.stop(signal.SIGKILL)
        now = stored(app)
        assert sorted(now["out-first"]) == sorted(now["out-second"])
        assert sorted(now["incoming"] + now["out-first"]) == list(range(MESSAGES))
        left = len(now["incoming"])
        host = start(app).ready()

    host.wait_for("Executed 'Functions.copy' (Succeeded", times=left)
    assert host.stop() == 0
    now = stored(app)
    assert now["incoming"] == []
    assert sorted(now["out-first"]) == sorted(now["out-second"]) == list(range(MESSAGES))


@pytest.mark.slow
def test_an_invocation_that_the_kill_cut_off_shows_as_interrupted_and_is_delivered_again(
    app: Path, start: Callable[..., Any], run_command: Callable[..., Any]
) -> None:
    # The first run waits for a file that is not there yet, so the kill is sure to cut it off.
    gate = "    import pathlib, time\n    while not pathlib.Path('go').exists(): time.sleep(0.01)\n"
    (app / "function_app.py").write_text(APP.replace("    second.set", f"{gate}    second.set"))
    host = start(app).ready()
    fill(host.connection_string, [7])
    while not json.loads(run_command(app, "history", "--json")):
        pass
    host.stop(signal.SIGKILL)
    (app / "go").touch()

    host = start(app).ready()
    host.wait_for("Executed 'Functions.copy' (Succeeded")

    entries = json.loads(run_command(app, "history", "--json"))
    assert [one["status"] for one in entries] == ["succeeded", "interrupted"]
    assert [one["attempt"] for one in entries] == [1, 1]  # host death is not the function's fault
