"""The pipeline as dramatiq on Redis and huey on SQLite have it.

Used by pipeline.py; measures nothing itself.
"""

from __future__ import annotations

import argparse
import os
import socket
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Final

import peers
from pipeline_rate import INBOX, OUTBOX, WITHIN_SECONDS, Rate, order, rate
from programs import free_ports, listens, program, until

DRAMATIQ_APP: Final = """
import json
import os

import dramatiq
from dramatiq.brokers.redis import RedisBroker

dramatiq.set_broker(RedisBroker(port=int(os.environ["REDIS_PORT"])))


@dramatiq.actor(queue_name="outbox")
def priced(text): ...


@dramatiq.actor(queue_name="inbox")
def price(text):
    order = json.loads(text)
    priced.send(json.dumps({**order, "total": order["price"] * order["count"]}))
"""
DRAMATIQ_FEED: Final = "import sys, app\nfor line in sys.stdin: app.price.send(line.strip())"

HUEY_APP: Final = """
import json

from huey import SqliteHuey

inbox = SqliteHuey("inbox", filename="queues.db", fsync=False)
outbox = SqliteHuey("outbox", filename="queues.db", fsync=False)


@outbox.task()
def priced(text): ...


@inbox.task()
def price(text):
    order = json.loads(text)
    priced(json.dumps({**order, "total": order["price"] * order["count"]}))
"""
HUEY_FEED: Final = "import sys, app\nfor line in sys.stdin: app.price(line.strip())"


def dramatiq_rate(folder: Path, given: argparse.Namespace) -> Rate:
    python = peers.python_with("dramatiq", install="dramatiq[redis]", peers=given.peers)
    folder.mkdir()
    Path(folder, "app.py").write_text(DRAMATIQ_APP)
    with redis(folder) as (port, redis_pid):
        environment = {"REDIS_PORT": str(port)}
        feed([python, "-c", DRAMATIQ_FEED], folder, given.messages, environment)
        command: list[str | Path] = [
            python,
            "-m",
            "dramatiq",
            "app",
            "--queues",
            INBOX,
            "--processes",
            "1",
        ]
        command += ["--threads", str(given.threads)]
        with (
            program(
                command, folder=folder, environment=environment, log=folder / "out.log"
            ) as workers,
            closing(socket.create_connection(("127.0.0.1", port))) as asking,
        ):
            count = partial(length, asking, f"dramatiq:{OUTBOX}")
            return rate(count, given.messages, of=[workers.pid, redis_pid])


@contextmanager
def redis(folder: Path) -> Iterator[tuple[int, int]]:
    """Run a Redis of our own, which keeps what it has acknowledged; give port and process."""
    [port] = free_ports(1)
    options: list[str | Path] = ["--port", str(port), "--dir", folder]
    options += ["--appendonly", "yes", "--save", ""]
    log = folder / "redis.log"
    with program([peers.redis_server(), *options], log=log) as process:
        until(lambda: listens(port), within=10, what="Redis", process=process, log=log)
        yield port, process.pid


def length(asking: socket.socket, key: str) -> int:
    asking.sendall(f"LLEN {key}\r\n".encode())
    return int(asking.recv(64)[1:])


def huey_rate(folder: Path, given: argparse.Namespace) -> Rate:
    python = peers.python_with("huey", install="huey", peers=given.peers)
    folder.mkdir()
    Path(folder, "app.py").write_text(HUEY_APP)
    feed([python, "-c", HUEY_FEED], folder, given.messages)
    command: list[str | Path] = [python, "-m", "huey.bin.huey_consumer", "app.inbox"]
    command += ["--workers", str(given.threads)]
    with (
        program(command, folder=folder, log=folder / "out.log") as consumer,
        closing(sqlite3.connect(folder / "queues.db")) as database,
    ):
        return rate(partial(tasks, database), given.messages, of=[consumer.pid])


def tasks(database: sqlite3.Connection) -> int:
    [(count,)] = database.execute("SELECT count(*) FROM task WHERE queue = ?", [OUTBOX])
    return int(count)


def feed(
    command: list[str | Path],
    folder: Path,
    messages: int,
    environment: dict[str, str] | None = None,
) -> None:
    """Have a peer's own client put the orders into its queue."""
    orders = "".join(order(number) + "\n" for number in range(messages))
    subprocess.run(
        [str(word) for word in command],
        cwd=folder,
        env={**os.environ, **(environment or {})},
        input=orders.encode(),
        check=True,
        timeout=WITHIN_SECONDS,
    )
