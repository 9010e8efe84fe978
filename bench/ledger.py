"""What the history costs for each delivery: on the event loop's thread, and in the writer.

Run: ``python bench/ledger.py [DELIVERIES]``. Prints CPU time per delivery and writes one line
of JSON. Aim: at most 15 µs on either thread; full is the ledger at its cap, where each new
delivery also pushes an old one out.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import tempfile
import time
import uuid
from datetime import UTC, datetime
from pathlib import Path

from triggerfish.history.batch import Limits
from triggerfish.history.entries import End, Written
from triggerfish.history.ledger import Ledger, open_ledger
from triggerfish.model import Delivery, LogLevel, LogLine

AT_ONCE = 16


def prepare(count: int) -> list[tuple[Delivery, LogLine, End]]:
    now = datetime.now(UTC)
    prepared = []
    for number in range(count):
        id_, message = str(uuid.uuid4()), str(uuid.uuid4())
        payload = json.dumps({"orderId": number, "customerId": "c-17", "total": 99.5}).encode()
        record = {
            "id": message,
            "dequeueCount": 1,
            "insertedAt": now.isoformat(timespec="seconds"),
            "expiresAt": now.isoformat(timespec="seconds"),
            "visibleAt": now.isoformat(timespec="seconds"),
            "popReceipt": message,
        }
        delivery = Delivery(
            id=id_,
            function="ship_order",
            trigger="queueTrigger",
            source="orders",
            payload=payload,
            metadata=record,
            attempt=1,
            reason="New queue message detected on 'orders'.",
            at=now,
        )
        line = LogLine(LogLevel.INFORMATION, "Function.ship_order.User", "shipping", id_, "f")
        written = (Written("shipment", "shipments", payload),)
        end = End(failure=None, duration_seconds=0.001, outputs=written)
        prepared.append((delivery, line, end))
    return prepared


async def run(ledger: Ledger, prepared: list[tuple[Delivery, LogLine, End]]) -> dict[str, float]:
    """Tell the ledger of every delivery, ``AT_ONCE`` of them open at a time."""
    await ledger.flush()
    gc.collect()
    gc.freeze()  # a host does not hold all of its future deliveries
    all_before, loop_before, began = time.process_time(), time.thread_time(), time.monotonic()
    for first in range(0, len(prepared), AT_ONCE):
        group = prepared[first : first + AT_ONCE]
        for delivery, line, _ in group:
            ledger.began(delivery)
            ledger.logged(line)
        await asyncio.sleep(0)  # the flush has its chance
        for delivery, _, end in group:
            ledger.ended(delivery.id, end)
    on_loop = time.thread_time() - loop_before
    await ledger.flush()
    everything = time.process_time() - all_before
    scale = 1_000_000 / len(prepared)
    return {
        "loop_us": round(on_loop * scale, 2),
        "writer_us": round((everything - on_loop) * scale, 2),
        "deliveries_per_second": round(len(prepared) / (time.monotonic() - began)),
    }


async def main(count: int) -> None:
    limits = Limits(max_deliveries=2 * count)
    with tempfile.TemporaryDirectory() as folder:
        async with open_ledger(Path(folder), report=print, limits=limits) as ledger:
            results = {"empty": await run(ledger, prepare(count))}
            await run(ledger, prepare(count))
            results["full"] = await run(ledger, prepare(count))
        size = (Path(folder) / "history.db").stat().st_size
    for name, result in results.items():
        print(f"{name:6} {result}")
    print(json.dumps({"bench": "ledger", "count": count, "bytes_each": size // count, **results}))


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 50_000))
