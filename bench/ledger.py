"""What the history costs for each delivery: on the event loop's thread, and in the writer.

Shows processor time for a delivery. Aim: at most 15 µs on either thread; full is the ledger at its
cap, where each new delivery also pushes an old one out.

    python bench/ledger.py [--deliveries 50000]
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import tempfile
import time
import uuid
from datetime import UTC, datetime
from pathlib import Path

import results

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


async def measure(count: int) -> tuple[dict[str, dict[str, float]], int]:
    """Return what the ledger costs when empty and full, and the bytes that it keeps of each."""
    limits = Limits(max_deliveries=2 * count)
    with tempfile.TemporaryDirectory() as folder:
        async with open_ledger(Path(folder), report=print, limits=limits) as ledger:
            found = {"empty": await run(ledger, prepare(count))}
            await run(ledger, prepare(count))
            found["full"] = await run(ledger, prepare(count))
        size = (Path(folder) / "history.db").stat().st_size
    return found, size // count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--deliveries", type=int, default=50_000)
    results.add_option(parser)
    options = parser.parse_args()
    found, bytes_each = asyncio.run(measure(options.deliveries))
    rows = [(name, *map(results.number, figures.values())) for name, figures in found.items()]
    print(results.table(("ledger", "µs on the loop", "µs in the writer", "a second"), rows))
    count = {"deliveries": options.deliveries, "bytes_each": bytes_each}
    results.write("ledger", {**count, **found}, options.json)


if __name__ == "__main__":
    main()
