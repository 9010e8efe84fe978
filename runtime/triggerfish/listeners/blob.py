"""Runs functions for blobs: one scan for each container, one internal queue for all.

Behaviour: spec blob-trigger.md, sections 3.5, 5 and 11.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from triggerfish.bindings.blob import BlobTrigger
from triggerfish.listeners.blob_notices import Notice, function_id, internal_queue, read_notice
from triggerfish.listeners.blob_receipts import Receipts
from triggerfish.listeners.blob_scan import ContainerScan
from triggerfish.listeners.consume import Consumer, Pace
from triggerfish.listeners.holding import Held
from triggerfish.listeners.locks import Locks, LockTerms
from triggerfish.listeners.queue import QUEUE_PROCESSOR, Ledger
from triggerfish.model import (
    DeleteMessage,
    Delivery,
    Effect,
    Invoke,
    Log,
    LogLevel,
    LogLine,
    PutMessage,
    ReleaseMessage,
)
from triggerfish.storage.account import (
    AccountError,
    Blob,
    Conflict,
    Message,
    NotFound,
    Unavailable,
)
from triggerfish_storage.clock import Clock

POISON_QUEUE: Final = "webjobs-blobtrigger-poison"
_LOCK: Final = "WebJobs.Internal.Blobs.Listener"


@dataclass(frozen=True, slots=True)
class BlobListener:
    """Watches the containers of all blobTriggers of the host.

    ``in_error`` are the functions that are declared and cannot run until they are mended.
    """

    triggers: Sequence[BlobTrigger]
    receipts: Receipts
    pace: Pace
    poison_threshold: int
    invoke: Invoke
    ledger: Ledger
    clock: Clock
    log: Log
    locks: Locks
    terms: LockTerms
    in_error: Collection[str] = ()

    async def listen(self, stopping: asyncio.Event) -> None:
        """Run until ``stopping``; return once every blob taken is settled."""
        account, queue = self.receipts.account, internal_queue(self.receipts.host_id)
        await account.queues.create(queue)
        scans = self._scans()
        consumer = Consumer(
            account=account,
            queue=queue,
            name=", ".join(trigger.function for trigger in self.triggers),
            pace=self.pace,
            handle=_Notices(self, scans).settle,
            clock=self.clock,
            log=self.log,
        )
        async with asyncio.TaskGroup() as group:
            group.create_task(consumer.run(stopping))
            group.create_task(self._scan(scans.values(), stopping))

    async def _scan(self, scans: Iterable[ContainerScan], stopping: asyncio.Event) -> None:
        """Scan all containers, unless another host of this id does (section 3.5)."""
        # Where it cannot be had, scanning costs more, but receipts still make it exact.
        lock = self.locks.hold(_LOCK, stopping, self.terms, required=False)
        async with lock as held, asyncio.TaskGroup() as group:
            for scan in scans if held else ():
                group.create_task(scan.run(stopping))

    def _scans(self) -> dict[_Place, ContainerScan]:
        by_place: dict[_Place, list[BlobTrigger]] = defaultdict(list)
        for trigger in self.triggers:
            by_place[_place(trigger)].append(trigger)
        return {
            (account, container): ContainerScan(
                account=triggers[0].account,
                container=container,
                triggers=triggers,
                receipts=self.receipts,
                clock=self.clock,
                log=self.log,
            )
            for (account, container), triggers in by_place.items()
        }


_Place = tuple[int, str]  # which account, which container


def _place(trigger: BlobTrigger) -> _Place:
    return id(trigger.account), trigger.pattern.container_name


class _Notices:
    """The messages of the internal queue, and what becomes of each (section 5.1)."""

    def __init__(self, listener: BlobListener, scans: Mapping[_Place, ContainerScan]) -> None:
        self._listener = listener
        self._host = listener.receipts.account
        self._queue = internal_queue(listener.receipts.host_id)
        self._scans = scans
        self._by_id = {function_id(trigger.function): trigger for trigger in listener.triggers}
        self._in_error = {function_id(function): function for function in listener.in_error}

    async def settle(self, held: Held) -> None:
        notice = read_notice(held.message.text)
        if notice is None:
            self._warn(f"Message '{held.message.id}' is no notice of a blob. It was deleted.")
            await self._drop(held)
            return
        trigger = self._by_id.get(notice.function_id)
        if trigger is None:
            await self._pass_over(held, notice)
            return
        try:
            blob = await trigger.account.blobs.get(notice.container, notice.name)
        except Unavailable:
            raise
        except AccountError as error:  # archived, for example, or encrypted with a client's key
            self._warn(f"Function '{trigger.function}' is not run: {error}")
            await self._give_back(held, trigger)
            return
        if blob is None:
            self._say(LogLevel.DEBUG, f"Blob '{notice.container}/{notice.name}' is gone.")
            await self._drop(held)
        elif blob.properties.etag != notice.etag:
            self._scans[_place(trigger)].look_again(notice.name)
            await self._drop(held)
        elif held.message.dequeue_count > self._listener.poison_threshold:
            await self._refuse(held, trigger, blob)
        else:
            await self._run(held, trigger, blob)

    async def _pass_over(self, held: Held, notice: Notice) -> None:
        """Drop a notice for a function that does not run, but an edit must not cost it."""
        blob, broken = f"{notice.container}/{notice.name}", self._in_error.get(notice.function_id)
        if broken is None:
            self._say(
                LogLevel.INFORMATION,
                f"Blob '{blob}' was queued for '{notice.function_id}', which this host does not "
                "run. It was dropped.",
            )
        else:
            await self._listener.receipts.forget(broken, notice)
            self._say(
                LogLevel.WARNING,
                f"Blob '{blob}' waits: function '{broken}' is in error. It runs once that is "
                "mended.",
            )
        await self._drop(held)

    async def _run(self, held: Held, trigger: BlobTrigger, blob: Blob) -> None:
        message = held.message
        event = trigger.event(blob, attempt=message.dequeue_count, details=_details(message, blob))

        async def completion() -> Sequence[Effect]:
            return (await self._completion(held),)

        outcome = await self._listener.invoke(event, completion)
        if not outcome.succeeded and await self._give_back(held, trigger):
            self._listener.ledger.poisoned(outcome.invocation_id, self._limit_reached())

    async def _give_back(self, held: Held, trigger: BlobTrigger) -> bool:
        """Release a notice whose try failed; return whether it went to the poison queue."""
        message = held.message
        if message.dequeue_count >= self._listener.poison_threshold:
            await self._to_poison(held, trigger)
            return True
        release = ReleaseMessage(self._queue, message.id, await held.last_receipt())
        await self._host.apply([release])
        return False

    async def _refuse(self, held: Held, trigger: BlobTrigger, blob: Blob) -> None:
        """Keep a blob away from the function."""
        message = held.message
        event = trigger.event(blob, attempt=message.dequeue_count, details="")
        delivery = Delivery(
            id=f"refused-{message.id}-{message.dequeue_count}",
            function=trigger.function,
            trigger="blobTrigger",
            source=event.source,
            payload=event.payload,
            metadata=event.record,
            attempt=event.attempt,
            reason=event.reason,
            at=self._listener.clock.now(),
        )
        self._listener.ledger.refused(delivery, self._limit_reached())
        await self._to_poison(held, trigger)

    async def _to_poison(self, held: Held, trigger: BlobTrigger) -> None:
        self._warn(
            f"{self._limit_reached()} Moving message '{held.message.id}' to queue '{POISON_QUEUE}'."
        )
        copy = PutMessage(POISON_QUEUE, held.message.text)
        if trigger.account is self._host:
            await self._host.apply([copy, await self._completion(held)])
            return
        try:
            await trigger.account.apply([copy])
        except (NotFound, Conflict, Unavailable):
            raise
        except AccountError:  # it has no queue service that we may write to
            await self._host.apply([copy])
        await self._drop(held)

    async def _drop(self, held: Held) -> None:
        await self._host.apply([await self._completion(held)])

    async def _completion(self, held: Held) -> DeleteMessage:
        return DeleteMessage(self._queue, held.message.id, await held.last_receipt())

    def _limit_reached(self) -> str:
        return f"Message has reached MaxDequeueCount of {self._listener.poison_threshold}."

    def _say(self, level: LogLevel, message: str) -> None:
        self._listener.log(LogLine(level, "Host.Triggers.Blob", message))

    def _warn(self, message: str) -> None:
        self._listener.log(LogLine(LogLevel.WARNING, QUEUE_PROCESSOR, message))


def _details(message: Message, blob: Blob) -> str:
    instants = {
        "InsertedOn": message.inserted_at,
        "BlobCreated": blob.properties.created_at,
        "BlobLastModified": blob.properties.modified_at,
    }
    texts = [f"{name}: {at.isoformat(timespec='milliseconds')}" for name, at in instants.items()]
    return ", ".join([f"MessageId: {message.id}", f"DequeueCount: {message.dequeue_count}", *texts])
