"""How many invocations a second the embedded account can write: an output and a completion each.

Takes messages in batches and applies PutMessage + DeleteMessage for each, 32 in flight, all
durable.

    python bench/embedded_apply.py [--messages 20000]
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from datetime import timedelta
from pathlib import Path

import results
import uvloop

from triggerfish.model import DeleteMessage, PutMessage
from triggerfish.storage.account import Message
from triggerfish.storage.embedded import EmbeddedAccount
from triggerfish_storage.server import open_account

IN_FLIGHT = 32
BATCH = 32
HIDE_FOR = timedelta(minutes=10)


async def measure(folder: Path, messages: int) -> float:
    """Return applies per second."""
    async with open_account(folder) as storage:
        account = EmbeddedAccount(
            storage, blob_endpoint="http://127.0.0.1:10000/devstoreaccount1", log=print
        )
        await _fill(account, messages)
        began = time.perf_counter()
        await _work(account, messages)
        return messages / (time.perf_counter() - began)


async def _fill(account: EmbeddedAccount, messages: int) -> None:
    text = "x" * 200
    await account.apply([PutMessage("inbox", text)] * messages)


async def _work(account: EmbeddedAccount, messages: int) -> None:
    slots = asyncio.Semaphore(IN_FLIGHT)

    async def settle(message: Message) -> None:
        await account.apply(
            [
                PutMessage("outbox", message.text),
                DeleteMessage("inbox", message.id, message.pop_receipt),
            ]
        )
        slots.release()

    async with asyncio.TaskGroup() as group:
        done = 0
        while done < messages:
            for message in await account.queues.take("inbox", count=BATCH, hide_for=HIDE_FOR):
                await slots.acquire()
                group.create_task(settle(message))
                done += 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=20_000)
    results.add_option(parser)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rate = uvloop.run(measure(Path(folder), options.messages))
    print(results.table(("", "a second"), [("applied", results.number(rate))]))
    found = {"messages": options.messages, "per_second": round(rate, 1)}
    results.write("embedded_apply", found, options.json)


if __name__ == "__main__":
    main()
