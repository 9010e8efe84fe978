"""Runs functions for blobs: one scan for each container, one internal queue for all.

Behaviour: spec blob-trigger.md, sections 3.5, 5 and 11.
"""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from triggerfish.bindings.blob import BlobTrigger
from triggerfish.bindings.queue import NotBase64, decode_text, encode_body
from triggerfish.listeners.blob_receipts import Receipts, function_id, internal_queue
from triggerfish.listeners.blob_scan import ContainerScan
from triggerfish.listeners.consume import Consumer, Held, Log, Pace
from triggerfish.listeners.queue import Ledger
from triggerfish.model import (
    DeleteMessage,
    Invoke,
    LogLevel,
    LogLine,
    PutMessage,
    ReleaseMessage,
)
from triggerfish.storage.account import Blob
from triggerfish_storage.clock import Clock

POISON_QUEUE: Final = "webjobs-blobtrigger-poison"


@dataclass(frozen=True, slots=True)
class BlobListener:
    """Watches the containers of all blobTriggers of the host."""

    triggers: Sequence[BlobTrigger]
    receipts: Receipts
    pace: Pace
    poison_threshold: int
    invoke: Invoke
    ledger: Ledger
    clock: Clock
    log: Log

    async def listen(self, stopping: asyncio.Event) -> None:
        """Run until ``stopping``; return once every blob taken is settled."""
        account, queue = self.receipts.account, internal_queue(self.receipts.host_id)
        await account.queues.create(queue)
        scans = self._scans()
        settle = _Settle(self, queue, scans)
        consumer = Consumer(
            account=account,
            queue=queue,
            name=", ".join(trigger.function for trigger in self.triggers),
            pace=self.pace,
            handle=settle.settle,
            clock=self.clock,
            log=self.log,
        )
        async with asyncio.TaskGroup() as group:
            group.create_task(consumer.run(stopping))
            for scan in scans.values():
                group.create_task(scan.run(stopping))

    def _scans(self) -> dict[tuple[int, str], ContainerScan]:
        by_container: dict[tuple[int, str], list[BlobTrigger]] = defaultdict(list)
        for trigger in self.triggers:
            by_container[_place(trigger)].append(trigger)
        return {
            place: ContainerScan(
                account=triggers[0].account,
                container=triggers[0].pattern.container,
                triggers=triggers,
                receipts=self.receipts,
                clock=self.clock,
                log=self.log,
            )
            for place, triggers in by_container.items()
        }


def _place(trigger: BlobTrigger) -> tuple[int, str]:
    return id(trigger.account), trigger.pattern.container


class _Settle:
    """What becomes of one message of the internal queue (section 5.1)."""

    def __init__(
        self, listener: BlobListener, queue: str, scans: dict[tuple[int, str], ContainerScan]
    ) -> None:
        self._listener = listener
        self._queue = queue
        self._scans = scans
        self._by_id = {function_id(trigger.function): trigger for trigger in listener.triggers}

    async def settle(self, held: Held) -> None:
        document = _parse(held.message.text)
        if document is None:
            self._say(LogLevel.WARNING, f"Message '{held.message.id}' is no blob notice: deleted.")
            await self._drop(held)
            return
        trigger = self._by_id.get(str(document.get("FunctionId")))
        if trigger is None:
            self._say(
                LogLevel.INFORMATION,
                f"Blob '{document.get('BlobName')}' was queued for "
                f"'{document.get('FunctionId')}', which this host does not run: dropped.",
            )
            await self._drop(held)
            return
        name = str(document["BlobName"])
        blob = await trigger.account.blobs.get(str(document["ContainerName"]), name)
        if blob is None:
            await self._drop(held)
        elif blob.properties.etag != document.get("ETag"):
            self._scans[_place(trigger)].look_again(name)
            await self._drop(held)
        else:
            await self._run(held, trigger, blob)

    async def _run(self, held: Held, trigger: BlobTrigger, blob: Blob) -> None:
        message, properties = held.message, blob.properties
        details = (
            f"MessageId: {message.id}, DequeueCount: {message.dequeue_count}, "
            f"InsertedOn: {message.inserted_at.isoformat(timespec='milliseconds')}, "
            f"BlobCreated: {properties.created_at.isoformat(timespec='milliseconds')}, "
            f"BlobLastModified: {properties.modified_at.isoformat(timespec='milliseconds')}"
        )
        event = trigger.event(blob, attempt=message.dequeue_count, details=details)
        outcome = await self._listener.invoke(event, lambda: (self._completion(held),))
        if outcome.succeeded:
            return
        if message.dequeue_count >= self._listener.poison_threshold:
            await self._to_poison(held, trigger)
            self._listener.ledger.poisoned(outcome.invocation_id, self._limit_reached())
        else:
            release = ReleaseMessage(self._queue, message.id, held.pop_receipt)
            await self._listener.receipts.account.apply([release])

    async def _to_poison(self, held: Held, trigger: BlobTrigger) -> None:
        text = encode_body(decode_text(held.message.text, "base64"), "base64")
        self._say(
            LogLevel.WARNING,
            f"{self._limit_reached()} Moving message '{held.message.id}' to queue "
            f"'{POISON_QUEUE}'.",
        )
        await trigger.account.apply([PutMessage(POISON_QUEUE, text)])
        await self._drop(held)

    async def _drop(self, held: Held) -> None:
        await self._listener.receipts.account.apply([self._completion(held)])

    def _completion(self, held: Held) -> DeleteMessage:
        return DeleteMessage(self._queue, held.message.id, held.pop_receipt)

    def _limit_reached(self) -> str:
        return f"Message has reached MaxDequeueCount of {self._listener.poison_threshold}."

    def _say(self, level: LogLevel, message: str) -> None:
        self._listener.log(LogLine(level, "Host.Triggers.Blob", message))


def _parse(text: str) -> dict[str, Any] | None:
    try:
        document = json.loads(decode_text(text, "base64"))
    except (NotBase64, ValueError):
        return None
    known = isinstance(document, dict) and {"BlobName", "ContainerName"} <= document.keys()
    return document if known else None
