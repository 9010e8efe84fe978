"""How many invocations a second the embedded account can write: an output and a completion each.

Takes messages in batches and applies PutMessage + DeleteMessage for each, 32 in flight, all
durable. Prints one JSON line. Run: python bench/embedded_apply.py [MESSAGES]
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path

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
    messages = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    with tempfile.TemporaryDirectory() as folder:
        rate = uvloop.run(measure(Path(folder), messages))
    print(json.dumps({"bench": "embedded_apply", "messages": messages, "per_second": round(rate)}))


if __name__ == "__main__":
    main()
