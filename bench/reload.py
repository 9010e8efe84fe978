"""How long from the save of a ``.py`` file to the first invocation by the new code.

Messages come all the time, one every few milliseconds; the function notes when its version
of the code runs first. A file is saved as editors save it: written beside, and moved over.

    python bench/reload.py [--rounds 5]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

import account
import results
from programs import free_ports, program, triggerfish, until
from start import byte_code_in, runs_since

APP: Final = """
import os
import time
from pathlib import Path

import azure.functions as func

from settings import VERSION

app = func.FunctionApp()


@app.queue_trigger(arg_name="message", queue_name="inbox", connection="AzureWebJobsStorage")
def note(message: func.QueueMessage) -> None:
    noted = Path(os.environ["NOTED"], str(VERSION))
    if not noted.exists():
        noted.with_suffix(".new").write_text(str(time.time()))
        noted.with_suffix(".new").rename(noted)
"""

RELOAD: Final = "save to first invocation"
WITHIN_SECONDS: Final = 30.0
MESSAGE_EVERY_SECONDS: Final = 0.005
SETTLE_SECONDS: Final = 1.0


def save(file: Path, text: str) -> None:
    """Save a file as editors do, so that nobody sees half of it."""
    beside = file.with_name(file.name + ".tmp")
    beside.write_text(text)
    beside.rename(file)


def send_messages(port: int, over: threading.Event) -> None:
    account.create_queue(port, "inbox")
    while not over.wait(MESSAGE_EVERY_SECONDS):
        with suppress(OSError):
            account.put_message(port, "inbox", "aGVsbG8=")


def measure(folder: Path, rounds: int) -> results.Results:
    """Start the host once, and edit its app ``rounds`` times."""
    found = results.Results()
    noted, log, settings = folder / "noted", folder / "out.log", folder / "app" / "settings.py"
    noted.mkdir()
    settings.parent.mkdir()
    settings.write_text("VERSION = 0\n")
    Path(folder, "app", "function_app.py").write_text(APP)
    Path(folder, "app", "host.json").write_text('{"version": "2.0"}')
    port, blob, queue, table = map(str, free_ports(4))
    ports = ["--port", port, "--blob-port", blob, "--queue-port", queue, "--table-port", table]
    environment = {"NOTED": str(noted), **byte_code_in(folder / "byte-code")}
    over = threading.Event()
    with program(
        triggerfish("start", folder / "app", *ports), log=log, environment=environment
    ) as process:
        until(
            lambda: runs_since(int(port)),
            within=WITHIN_SECONDS,
            what="status Running",
            process=process,
            log=log,
        )
        sending = threading.Thread(target=send_messages, args=[int(queue), over])
        sending.start()
        try:
            for version in range(1, rounds + 1):
                time.sleep(SETTLE_SECONDS)
                began = time.time()
                save(settings, f"VERSION = {version}\n")
                by_new_code = until(
                    lambda file=noted / str(version): (  # type: ignore[misc]
                        float(file.read_text()) if file.exists() else None
                    ),
                    within=WITHIN_SECONDS,
                    what="invocation by the new code",
                    process=process,
                    log=log,
                )
                found.add(RELOAD, by_new_code - began)
                print(f"round {version}: {by_new_code - began:.3f} s", file=sys.stderr)
        finally:
            over.set()
            sending.join()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    results.add_option(parser)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        found = measure(Path(folder), given.rounds)
    row = (RELOAD, f"{found.median(RELOAD):.3g} s", found.range(RELOAD), "0.5")
    print(results.table(("edit", "median", "range", "aim"), [row]))
    results.write("reload", {"rounds": given.rounds, "medians": found.medians()}, given.json)


if __name__ == "__main__":
    main()
