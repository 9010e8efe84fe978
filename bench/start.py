"""How long until ``triggerfish start`` delivers its first message, and what it costs when idle.

A message waits in the queue; the function notes when it runs. Time counts from right before
the program is executed, with files in the page cache and Python's byte code written. Then
nothing happens for a while, and the processor time of host and worker in it is counted.

    python bench/start.py [--rounds 5] [--idle-seconds 10]
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import http.client
import json
import os
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import Final

import results
from programs import children, cpu_seconds, free_ports, program, triggerfish, until

from triggerfish.model import PutMessage
from triggerfish.storage.embedded import EmbeddedAccount
from triggerfish_storage.server import open_account

APP: Final = """
import os
import time
from pathlib import Path

import azure.functions as func

app = func.FunctionApp()


@app.queue_trigger(arg_name="message", queue_name="inbox", connection="AzureWebJobsStorage")
def note(message: func.QueueMessage) -> None:
    noted = Path(os.environ["NOTED"])
    noted.with_suffix(".new").write_text(str(time.time()))
    noted.with_suffix(".new").rename(noted)
"""

MESSAGE: Final = "first delivered message"
RUNNING: Final = "status Running"
IDLE: Final = "idle CPU, host and worker"
MEMORY: Final = "memory of the host, MiB"
WITHIN_SECONDS: Final = 30.0
SETTLE_SECONDS: Final = 2.0


async def fill(data: Path) -> None:
    async with open_account(data) as storage:
        text = base64.b64encode(b"hello").decode()
        account = EmbeddedAccount(storage, blob_endpoint="", log=print)
        await account.apply([PutMessage("inbox", text)])


def byte_code_in(folder: Path) -> dict[str, str]:
    """Return the environment of a program that finds its byte code, as an installed one does."""
    return {"PYTHONPYCACHEPREFIX": str(folder), "PYTHONDONTWRITEBYTECODE": ""}


def measure(folder: Path, byte_code: Path, idle_seconds: float) -> dict[str, float]:
    """Start the host once, and let it be idle for some time."""
    Path(folder, "function_app.py").write_text(APP)
    Path(folder, "host.json").write_text('{"version": "2.0"}')
    asyncio.run(fill(folder / ".triggerfish"))
    noted, log = folder / "noted", folder / "out.log"
    port, blob, queue, table = map(str, free_ports(4))
    ports = ["--port", port, "--blob-port", blob, "--queue-port", queue, "--table-port", table]
    environment = {"NOTED": str(noted), **byte_code_in(byte_code)}
    began = time.time()
    with program(triggerfish("start", folder, *ports), log=log, environment=environment) as process:
        running = until(
            lambda: runs_since(int(port)),
            within=WITHIN_SECONDS,
            what="status Running",
            process=process,
            log=log,
        )
        delivered = until(
            lambda: float(noted.read_text()) if noted.exists() else None,
            within=WITHIN_SECONDS,
            what="delivered message",
            process=process,
            log=log,
        )
        found = {MESSAGE: delivered - began, RUNNING: running - began}
        if idle_seconds:
            time.sleep(SETTLE_SECONDS)
            found[IDLE] = 100 * idle_share(process.pid, idle_seconds)
            found[MEMORY] = memory_mib(process.pid)
        return found


def runs_since(port: int) -> float | None:
    """Return the time if the host says that it is running."""
    try:
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=1)) as connection:
            connection.request("GET", "/admin/host/status")
            status = json.loads(connection.getresponse().read())
    except (OSError, ValueError, http.client.HTTPException):
        return None
    return time.time() if status.get("state") == "Running" else None


def idle_share(pid: int, seconds: float) -> float:
    """Return the share of one core that a program and its children take."""
    pids = [pid, *children(pid)]
    began, before = time.monotonic(), sum(map(cpu_seconds, pids))
    time.sleep(seconds)
    return (sum(map(cpu_seconds, pids)) - before) / (time.monotonic() - began)


def memory_mib(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--idle-seconds", type=float, default=10.0, help="in the last round")
    results.add_option(parser)
    given = parser.parse_args()
    found = results.Results()
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        for number in range(given.rounds + 1):
            app = Path(folder, f"app{number}")
            app.mkdir()
            idle_seconds = given.idle_seconds if number == given.rounds else 0.0
            measured = measure(app, Path(folder, "byte-code"), idle_seconds)
            for name, value in measured.items() if number else ():  # the first one is to warm up
                found.add(name, value)
            print(f"round {number}: {measured}", file=sys.stderr)
    rows = []
    for name, unit, aim in (
        (MESSAGE, "s", "1"),
        (RUNNING, "s", ""),
        (IDLE, "%", "1"),
        (MEMORY, "", ""),
    ):
        if name in found:
            rows.append((name, f"{found.median(name):.3g} {unit}", found.range(name), aim))
    print(results.table(("triggerfish start", "median", "range", "aim"), rows))
    results.write("start", {"rounds": given.rounds, "medians": found.medians()}, given.json)


if __name__ == "__main__":
    main()
