"""A host under steady load for a long time: does anything grow, and is every message accounted for?

Messages come as fast as they are worked off. Of ten, nine are passed on to another queue and
leave a blob; the tenth always fails, and ends in the poison queue. Now and then the processes'
memory, descriptors and the data folder's size are noted, and a host may be killed and started
anew. In the end every message must be in one of the two queues: at least once where there were
kills, and exactly once where there were none.

    python bench/soak.py [--minutes 10] [--kills 0]
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import re
import signal
import sys
import tempfile
import time
from collections.abc import Coroutine, Iterator
from contextlib import ExitStack
from dataclasses import astuple, dataclass
from pathlib import Path
from subprocess import Popen
from typing import Final, TypeVar

import account
import results
import uvloop
from connections import Request, drive
from programs import BenchmarkFailed, children, free_ports, listens, program, triggerfish, until

T = TypeVar("T")

INBOX: Final = "inbox"
OUTBOX: Final = "outbox"
POISON: Final = "inbox-poison"
LOOKS: Final = 12
WAITING: Final = 400  # messages in the queue, so that the host always has some to take
DRAIN_SECONDS: Final = 120.0
MIB: Final = 1024 * 1024

APP: Final = """
import logging

import azure.functions as func

app = func.FunctionApp()


@app.queue_trigger(arg_name="message", queue_name="inbox", connection="AzureWebJobsStorage")
@app.queue_output(arg_name="passed", queue_name="outbox", connection="AzureWebJobsStorage")
@app.blob_output(arg_name="copy", path="copies/{rand-guid}", connection="AzureWebJobsStorage")
def take(message: func.QueueMessage, passed: func.Out[str], copy: func.Out[str]) -> None:
    text = message.get_body().decode()
    if text.endswith("7"):
        raise ValueError(f"{text} is not to our taste")
    passed.set(text)
    copy.set(text)
    logging.info("passed on %s", text)


@app.timer_trigger(arg_name="timer", schedule="*/2 * * * * *")
def tick(timer: func.TimerRequest) -> None:
    logging.info("tick")
"""


@dataclass(frozen=True)
class Look:
    """What was seen of a host at one time; sizes in MiB."""

    minutes: float
    messages: int
    host: float
    workers: float
    descriptors: int
    folder: float


class Host:
    """``triggerfish start`` on a folder, which may be killed and goes on where it was."""

    def __init__(self, folder: Path) -> None:
        Path(folder, "function_app.py").write_text(APP)
        Path(folder, "host.json").write_text('{"version": "2.0"}')
        port, blob, self.queue, table = free_ports(4)
        ports = ("--port", port, "--blob-port", blob, "--queue-port", self.queue)
        words = [str(word) for word in (*ports, "--table-port", table)]
        self._command = triggerfish("start", folder, "--no-reload", *words)
        self._log = folder / "out.log"
        self._folder = folder
        self._running = ExitStack()
        self._process = self.start()

    def start(self) -> Popen[bytes]:
        """Start it, and return once its account answers."""
        self._process = self._running.enter_context(program(self._command, log=self._log))
        until(
            lambda: listens(self.queue),
            within=30,
            what="queue service",
            process=self._process,
            log=self._log,
        )
        return self._process

    def kill(self) -> None:
        self._process.send_signal(signal.SIGKILL)
        self.stop()

    def stop(self) -> None:
        self._running.close()

    def look(self, minutes: float, messages: int) -> Look:
        """Return what the host and its workers hold, after so many messages."""
        workers = children(self._process.pid)
        pids = (self._process.pid, *workers)
        kept = sum(file.stat().st_size for file in Path(self._folder, ".triggerfish").rglob("*"))
        return Look(
            minutes,
            messages,
            memory(self._process.pid),
            sum(memory(pid) for pid in workers),
            sum(len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in pids),
            kept / MIB,
        )


def memory(pid: int) -> float:
    """Return what a process has in memory, in MiB."""
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) / 1024 if found else 0.0


def put_requests(first: int, count: int) -> Iterator[Request]:
    """Give the requests that put messages into the queue: each is a number."""
    for number in range(first, first + count):
        text = base64.b64encode(str(number).encode()).decode()
        body = account.message_body(text)
        yield account.request("queue", "POST", f"/{INBOX}/messages", body=body)


def numbers_in(port: int, queue: str) -> list[int]:
    """Take all messages out of a queue, and return their numbers."""
    requests = account.message_count(port, queue) // 32 + 1
    query = "numofmessages=32&visibilitytimeout=3600"
    one = account.request("queue", "GET", f"/{queue}/messages", query)
    _, bodies = run(drive(port, [one] * requests, connections=1, seconds=600, keeps=True))
    texts = re.findall(rb"<MessageText>([^<]*)<", b"".join(bodies))
    return [int(base64.b64decode(text)) for text in texts]


def soak(host: Host, minutes: float, kills: int) -> tuple[list[Look], int]:
    """Keep the host busy; return what was seen on the way, and how many messages were put."""
    began = time.monotonic()
    length = minutes * 60
    looks_at = [length * number / LOOKS for number in range(LOOKS)]
    kills_at = [length * (number + 1) / (kills + 1) for number in range(kills)]
    looks: list[Look] = []
    put = 0
    while (passed := time.monotonic() - began) < length:
        if looks_at and passed >= looks_at[0]:
            looks_at.pop(0)
            looks.append(host.look(passed / 60, put))
            print(f"{passed:.0f} s: {looks[-1]}", file=sys.stderr)
        if kills_at and passed >= kills_at[0]:
            kills_at.pop(0)
            host.kill()
            host.start()
        missing = WAITING - account.message_count(host.queue, INBOX)
        if missing > WAITING // 4:
            run(drive(host.queue, put_requests(put, missing), connections=2, seconds=60))
            put += missing
        time.sleep(0.02)
    until(
        lambda: account.message_count(host.queue, INBOX) == 0 or None,
        within=DRAIN_SECONDS,
        what="empty queue",
        every=0.1,
    )
    looks.append(host.look((time.monotonic() - began) / 60, put))
    return looks, put


def run(work: Coroutine[None, None, T]) -> T:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)


def account_for(host: Host, put: int, *, exactly: bool) -> int:
    """Return how many messages came twice; raises BenchmarkFailed where one is missing."""
    passed, poisoned = numbers_in(host.queue, OUTBOX), numbers_in(host.queue, POISON)
    wanted = set(range(put))
    poison = {number for number in wanted if number % 10 == 7}
    if set(passed) != wanted - poison or set(poisoned) != poison:
        lost = sorted(wanted - set(passed) - set(poisoned))
        raise BenchmarkFailed(f"{len(lost)} of {put} messages are missing: {lost[:20]}")
    twice = len(passed) + len(poisoned) - put
    if exactly and twice:
        raise BenchmarkFailed(f"{twice} of {put} messages came twice")
    return twice


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--kills", type=int, default=0, help="SIGKILLs on the way")
    results.add_option(parser)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        host = Host(Path(folder))
        try:
            account.create_queue(host.queue, INBOX)
            looks, put = soak(host, given.minutes, given.kills)
            twice = account_for(host, put, exactly=not given.kills)
        finally:
            host.stop()
    head = ("minutes", "messages", "host, MiB", "workers, MiB", "descriptors", "folder, MiB")
    rows = [tuple(results.number(float(value)) for value in astuple(look)) for look in looks]
    print(results.table(head, rows))
    print(f"{put:,} messages, {given.kills} kills: none lost, {twice} came twice")
    found = {"minutes": given.minutes, "kills": given.kills, "messages": put, "twice": twice}
    memory_seen = [round(look.host, 1) for look in looks]
    results.write("soak", {**found, "host_mib": memory_seen}, given.json)


if __name__ == "__main__":
    main()
