"""Loads one state of the app: configuration, workers and plans, ready to serve.

Everything that an edit may change is read here, anew for every load; what lives as long as
the host comes in ``Surroundings``.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Final

from triggerfish.bindings.plan import Plan
from triggerfish.bindings.registry import Services, bind
from triggerfish.config.app_config import AppConfig
from triggerfish.config.host_json import load_host_config
from triggerfish.config.host_options import HostConfig
from triggerfish.declarations import is_selected
from triggerfish.discovery import AppLayout, discover
from triggerfish.dispatcher import Dispatcher
from triggerfish.lifecycle import Served
from triggerfish.listening import listeners_of
from triggerfish.model import Function, FunctionError, LogLevel, LogLine, TriggerfishError
from triggerfish.pool.app import AppToLoad
from triggerfish.pool.generation import Generation, start_generation
from triggerfish.pool.options import PoolOptions
from triggerfish.serving import GRACE, Serving
from triggerfish.surroundings import Surroundings
from triggerfish.validation import Validated, is_disabled, validate

# The real host gives up after three crashes; a message that kills its worker has five tries
# before it is poison, and it must not take the host with it (docs/design/crashes.md).
_CRASH_LIMIT: Final = 50
_WITHOUT_ACCOUNT: Final = ("http", "httpTrigger", "timerTrigger", "warmupTrigger")


@asynccontextmanager
async def open_app(around: Surroundings) -> AsyncIterator[Served]:
    """Load the app as it is on disk now, and drain its workers in the end.

    Raises ``ConfigError`` or ``AppLoadError`` where nothing can run until a file is edited.
    """
    config = around.config
    host = load_host_config(config.folder, config.settings)
    only = config.functions or host.functions
    layout = discover(
        config.folder, script=config.app.script_file, settings=config.settings, only=only
    )
    for note in (*host.notices, *layout.notes):
        around.log(note)
    app = AppToLoad(config.folder, layout.script, layout.functions)
    options = _pool_options(around, host)
    async with start_generation(app, options, around.log, spare=around.spare) as generation:
        served = await _make_ready(generation, layout, around, host, only)
        yield served
        # What still runs has had its time; what nobody waits for any more has it now.
        await generation.drain(timedelta() if served.serving.outstanding else GRACE)


async def _make_ready(
    generation: Generation,
    layout: AppLayout,
    around: Surroundings,
    host: HostConfig,
    only: Collection[str],
) -> Served:
    """Return what has been loaded, ready to be served, and tell what is odd about it."""
    prefix = host.http.route_prefix
    validated = validate(
        generation.functions,
        settings=around.config.settings,
        route_prefix=prefix,
        script=layout.script,
        only=only,
    )
    plans, unbound = await _bind_all(validated.functions, around, host)
    for text in (*_unknown(only, generation, layout.errors), *_odd_retries(plans.values())):
        around.log(LogLine(LogLevel.WARNING, "Host.Startup", text))
    not_loaded = (error for error in generation.errors if is_selected(error.function, only))
    errors = (*layout.errors, *not_loaded, *validated.errors, *unbound)
    in_error = frozenset(error.function for error in errors)
    dispatcher = Dispatcher(plans, generation.invoke, around.ledger, around.log, around.clock)
    listeners = tuple(listeners_of(plans.values(), dispatcher, around, host, in_error))
    failing = _in_error(generation, plans, around.config, only)
    return Served(
        config=host,
        functions=_all_functions(generation, validated, only),
        errors=errors,
        routes=validated.routes.without({error.function for error in unbound}).beside(
            failing, prefix=prefix
        ),
        plans=plans,
        serving=Serving(dispatcher, listeners, generation.broken, around.clock, around.log),
        workers_answer=generation.answers,
    )


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
