"""Loads one state of the app: configuration, workers, plans and listeners, ready to serve.

Everything that an edit may change is read here, anew for every load; what lives as long as
the host comes in ``Surroundings``.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import tzinfo
from typing import Final

from triggerfish.bindings.blob import BlobTrigger
from triggerfish.bindings.plan import Plan
from triggerfish.bindings.queue import QueueTrigger
from triggerfish.bindings.registry import Services, bind
from triggerfish.bindings.timer import TimerTrigger
from triggerfish.config.app_config import AppConfig
from triggerfish.config.host_json import load_host_config
from triggerfish.config.host_options import HostConfig
from triggerfish.declarations import is_selected
from triggerfish.discovery import discover
from triggerfish.dispatcher import Dispatcher
from triggerfish.history.ledger import Ledger
from triggerfish.lifecycle import Served
from triggerfish.listeners.blob import BlobListener
from triggerfish.listeners.blob_receipts import Receipts
from triggerfish.listeners.consume import Log, Pace
from triggerfish.listeners.locks import Locks, LockTerms
from triggerfish.listeners.queue import QueueListener
from triggerfish.listeners.schedule_monitor import ScheduleMonitor
from triggerfish.listeners.timer import TimerListener
from triggerfish.model import Function, FunctionError, LogLevel, LogLine, TriggerfishError
from triggerfish.pool.app import AppToLoad
from triggerfish.pool.generation import Generation, start_generation
from triggerfish.pool.options import PoolOptions
from triggerfish.pool.spare import Spare
from triggerfish.serving import GRACE, Listener, NamedListener, Serving
from triggerfish.storage.account import Account
from triggerfish.storage.choose import Accounts
from triggerfish.validation import Validated, is_disabled, validate
from triggerfish_storage.clock import Clock

# The real host gives up after three crashes; a message that kills its worker has five tries
# before it is poison, and it must not take the host with it (docs/design/crashes.md).
_CRASH_LIMIT: Final = 50
_WITHOUT_ACCOUNT: Final = ("http", "httpTrigger", "timerTrigger", "warmupTrigger")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What lives as long as the host and every state of the app works with."""

    config: AppConfig
    pool: PoolOptions
    spare: Spare | None
    accounts: Accounts
    host_account: Account
    host_id: str
    ledger: Ledger
    receipts: Receipts
    locks: Locks
    zone: tzinfo
    clock: Clock
    log: Log


@asynccontextmanager
async def open_app(around: Surroundings) -> AsyncIterator[Served]:
    """Load the app as it is on disk now, and drain its workers in the end.

    Raises ``ConfigError`` or ``AppLoadError`` where nothing can run until a file is edited.
    """
    config, log = around.config, around.log
    host = load_host_config(config.folder, config.settings)
    only = config.functions or host.functions
    layout = discover(
        config.folder, script=config.app.script_file, settings=config.settings, only=only
    )
    for note in (*host.notices, *layout.notes):
        log(note)
    app = AppToLoad(config.folder, layout.script, layout.functions)
    options = _pool_options(around, host)
    async with start_generation(app, options, log, spare=around.spare) as generation:
        validated = validate(
            generation.functions,
            settings=config.settings,
            route_prefix=host.http.route_prefix,
            script=layout.script,
            only=only,
        )
        plans, unbound = await _bind_all(validated.functions, around, host)
        for text in (*_unknown(only, generation, layout.errors), *_odd_retries(plans.values())):
            log(LogLine(LogLevel.WARNING, "Host.Startup", text))
        dispatcher = Dispatcher(plans, generation.invoke, around.ledger, log, around.clock)
        errors = (
            *layout.errors,
            *(error for error in generation.errors if is_selected(error.function, only)),
            *validated.errors,
            *unbound,
        )
        in_error = frozenset(error.function for error in errors)
        listeners = tuple(_listeners(plans.values(), dispatcher, around, host, in_error))
        failing = _in_error(generation, plans, config, only)
        yield Served(
            config=host,
            functions=_all_functions(generation, validated, only),
            errors=errors,
            routes=validated.routes.without({error.function for error in unbound}).beside(
                failing, prefix=host.http.route_prefix
            ),
            plans=plans,
            serving=Serving(dispatcher, listeners, generation.broken, around.clock, log),
            workers_answer=generation.answers,
        )
        await generation.drain(GRACE)


def _pool_options(around: Surroundings, host: HostConfig) -> PoolOptions:
    return replace(
        around.pool,
        function_timeout=host.function_timeout,
        load_timeout=host.metadata_provider_timeout,
        crash_limit=_CRASH_LIMIT,
    )


def _all_functions(
    generation: Generation, validated: Validated, only: Collection[str]
) -> Sequence[Function]:
    """Return what was indexed, with settings put in where a function can run."""
    ready = {function.name: function for function in validated.functions}
    indexed = (*generation.functions, *generation.unloaded)
    return tuple(ready.get(f.name, f) for f in indexed if is_selected(f.name, only))


def _in_error(
    generation: Generation, plans: Mapping[str, Plan], config: AppConfig, only: Collection[str]
) -> Iterator[Function]:
    """Go through what is declared and cannot run: requests for it are told so."""
    for function in (*generation.functions, *generation.unloaded):
        if function.name not in plans and is_selected(function.name, only):
            yield replace(
                function, disabled=function.disabled or is_disabled(function.name, config.settings)
            )


def _unknown(
    only: Collection[str], generation: Generation, errors: Iterable[FunctionError]
) -> Iterator[str]:
    """Tell of the names that were asked for and that no function has."""
    names = {function.name.lower() for function in generation.functions}
    names |= {error.function.lower() for error in (*generation.errors, *errors)}
    for name in only:
        if name.lower() not in names:
            yield (
                f"There is no function '{name}', which --functions or the key functions of "
                "host.json asks for."
            )


def _odd_retries(plans: Iterable[Plan]) -> Iterator[str]:
    """Tell of retry policies that Azure only documents for others (host-and-worker.md, 17)."""
    for plan in plans:
        if plan.retry is not None and plan.kind != "timerTrigger":
            yield (
                f"Soon retries will not be supported for function '{plan.function.name}': Azure "
                f"documents them for other triggers than {plan.kind}."
            )


async def _bind_all(
    functions: Iterable[Function], around: Surroundings, host: HostConfig
) -> tuple[dict[str, Plan], list[FunctionError]]:
    plans: dict[str, Plan] = {}
    errors: list[FunctionError] = []
    for function in functions:
        try:
            plans[function.name] = bind(function, await _services(function, around, host))
        except TriggerfishError as error:
            errors.append(FunctionError(function.name, str(error)))
    return plans, errors


async def _services(function: Function, around: Surroundings, host: HostConfig) -> Services:
    """Open the accounts that a function's bindings name."""
    accounts = {
        binding.connection: await around.accounts.of(binding.connection)
        for binding in function.bindings
        if binding.type not in _WITHOUT_ACCOUNT
    }
    return Services(
        account_of=accounts.__getitem__,
        host_account=around.host_account,
        message_encoding=host.queues.message_encoding,
        retry=host.retry,
    )


def _listeners(
    plans: Iterable[Plan],
    dispatcher: Dispatcher,
    around: Surroundings,
    host: HostConfig,
    in_error: Collection[str],
) -> Iterator[NamedListener]:
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
