"""Makes the listeners of an app: which one watches each trigger, with what host.json says of it.

Translates only; what a listener does is its module's.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence

from triggerfish.bindings.blob import BlobTrigger
from triggerfish.bindings.plan import Plan
from triggerfish.bindings.queue import QueueTrigger
from triggerfish.bindings.timer import TimerTrigger
from triggerfish.config.host_options import HostConfig
from triggerfish.dispatcher import Dispatcher
from triggerfish.listeners.blob import BlobListener
from triggerfish.listeners.consume import Pace
from triggerfish.listeners.locks import LockTerms
from triggerfish.listeners.queue import QueueListener
from triggerfish.listeners.schedule_monitor import ScheduleMonitor
from triggerfish.listeners.timer import TimerListener
from triggerfish.serving import Listener, NamedListener
from triggerfish.surroundings import Surroundings


def listeners_of(
    plans: Iterable[Plan],
    dispatcher: Dispatcher,
    around: Surroundings,
    host: HostConfig,
    in_error: Collection[str],
) -> Iterator[NamedListener]:
    """Make the listeners of all plans that are not disabled: one for all blob triggers together.

    ``in_error`` are the functions that are declared and cannot run until they are mended.
    """
    blobs: list[BlobTrigger] = []
    for plan in plans:
        name, trigger = plan.function.name, plan.trigger
        if plan.function.disabled:
            continue
        match trigger:
            case QueueTrigger():
                listener = _queue_listener(trigger, dispatcher, around, host)
                yield NamedListener(f"queue '{trigger.queue}' ({name})", listener)
            case BlobTrigger():
                blobs.append(trigger)
            case TimerTrigger():
                listener = _timer_listener(trigger, dispatcher, around, host)
                yield NamedListener(f"timer ({name})", listener)
    if blobs:
        names = ", ".join(trigger.function for trigger in blobs)
        listener = _blob_listener(blobs, dispatcher, around, host, in_error)
        yield NamedListener(f"blobs ({names})", listener)


def _queue_listener(
    trigger: QueueTrigger, dispatcher: Dispatcher, around: Surroundings, host: HostConfig
) -> Listener:
    options = host.queues
    return QueueListener(
        trigger=trigger,
        pace=Pace(options.batch_size, options.new_batch_threshold, options.max_polling_interval),
        visibility_timeout=options.visibility_timeout,
        max_dequeue_count=options.max_dequeue_count,
        invoke=dispatcher.invoke,
        ledger=around.ledger,
        clock=around.clock,
        log=around.log,
    )


def _timer_listener(
    trigger: TimerTrigger, dispatcher: Dispatcher, around: Surroundings, host: HostConfig
) -> Listener:
    return TimerListener(
        trigger=trigger,
        monitor=ScheduleMonitor(around.host_account.blobs, around.host_id, around.zone, around.log),
        locks=around.locks,
        terms=_terms(host),
        zone=around.zone,
        invoke=dispatcher.invoke,
        clock=around.clock,
        log=around.log,
    )


def _blob_listener(
    triggers: Sequence[BlobTrigger],
    dispatcher: Dispatcher,
    around: Surroundings,
    host: HostConfig,
    in_error: Collection[str],
) -> Listener:
    options = host.blobs
    pace = Pace(options.batch_size, options.new_batch_threshold, host.queues.max_polling_interval)
    return BlobListener(
        triggers=triggers,
        receipts=around.receipts,
        pace=pace,
        poison_threshold=options.poison_blob_threshold,
        invoke=dispatcher.invoke,
        ledger=around.ledger,
        clock=around.clock,
        log=around.log,
        locks=around.locks,
        terms=_terms(host),
        in_error=in_error,
    )


def _terms(host: HostConfig) -> LockTerms:
    """Return how the locks of listeners are held, by host.json's ``singleton``."""
    singleton = host.singleton
    return LockTerms(
        singleton.listener_lock_period,
        renew_every=singleton.listener_lock_period / 2,
        retry_every=singleton.listener_lock_recovery_interval,
    )
