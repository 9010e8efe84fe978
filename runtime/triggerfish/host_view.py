"""What the web server and the admin API see of the host: its state, and what may be asked of it.

Translates only; the lifecycle decides and the ledger remembers.
Behaviour: spec http-trigger.md, section 10.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Final

from triggerfish.bindings.plan import BY_HAND, Plan
from triggerfish.config.host_options import HttpOptions
from triggerfish.dispatcher import new_id
from triggerfish.history import queries
from triggerfish.http.routes import Routes
from triggerfish.http.view import DrainState, DrainStatus, HostState, NotServed, Replayed
from triggerfish.lifecycle import Lifecycle, Request
from triggerfish.model import (
    Delivery,
    Function,
    FunctionError,
    LogLevel,
    LogLine,
    OnSuccess,
    Outcome,
    TriggerEvent,
    TriggerfishError,
)
from triggerfish.surroundings import Surroundings
from triggerfish.watching import OFFLINE_FILE

_NOT_RUNNING: Final = "The function host is not running."


class Host:
    """Implements ``http.view.HostView`` for the current state of the app."""

    def __init__(self, lifecycle: Lifecycle, around: Surroundings) -> None:
        self._lifecycle = lifecycle
        self._around = around
        self._started = time.monotonic()

    # --- what it shows ------------------------------------------------------------------------

    @property
    def state(self) -> HostState:
        return self._lifecycle.state

    @property
    def id(self) -> str:
        return self._around.host_id

    @property
    def uptime_ms(self) -> int:
        return round((time.monotonic() - self._started) * 1000)

    @property
    def errors(self) -> Sequence[str]:
        error = self._lifecycle.error or self._lifecycle.edit_error
        return () if error is None else (str(error),)

    @property
    def extension_bundle(self) -> Mapping[str, str]:
        current = self._lifecycle.current
        if current is None or not current.config.extension_bundle_id:
            return {}
        config = current.config
        return {"id": config.extension_bundle_id, "version": config.extension_bundle_version}

    @property
    def functions(self) -> Sequence[Function]:
        current = self._lifecycle.current
        return () if current is None else current.functions

    @property
    def function_errors(self) -> Sequence[FunctionError]:
        current = self._lifecycle.current
        return () if current is None else current.errors

    @property
    def routes(self) -> Routes:
        current = self._lifecycle.current
        return Routes() if current is None else current.routes

    @property
    def http_options(self) -> HttpOptions:
        current = self._lifecycle.current
        return (self._around.config.host if current is None else current.config).http

    @property
    def offline_page(self) -> str:
        try:
            page = self._around.config.folder / OFFLINE_FILE
            return page.read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""

    @property
    def drain_status(self) -> DrainStatus:
        if not self._lifecycle.is_drained:
            return DrainStatus(DrainState.DISABLED)
        outstanding, retrying = self._lifecycle.outstanding, self._lifecycle.retrying
        return DrainStatus(
            DrainState.IN_PROGRESS if outstanding else DrainState.COMPLETED,
            outstanding_invocations=outstanding - retrying,
            outstanding_retries=retrying,
        )

    async def started(self) -> None:
        await self._lifecycle.decided.wait()

    async def workers_answer(self) -> bool:
        current = self._lifecycle.current
        return current is not None and await current.workers_answer()

    # --- what it runs -------------------------------------------------------------------------

    async def invoke(self, event: TriggerEvent, on_success: OnSuccess | None = None) -> Outcome:
        current = self._lifecycle.current
        if current is None:
            raise NotServed(_NOT_RUNNING)
        if event.function not in current.plans:
            raise NotServed(f"There is no function '{event.function}' any more.")
        return await current.serving.dispatcher.invoke(event, on_success)

    async def run_by_hand(self, function: str, text: str) -> None:
        plan = self._plan(function)
        if isinstance(plan, str):
            self._say_failed(function, plan)
            return
        self._lifecycle.start(self._run_by_hand(plan, text))

    async def _run_by_hand(self, plan: Plan, text: str) -> None:
        try:
            event = await plan.trigger.by_hand(text, now=self._around.clock.now())
        except TriggerfishError as error:
            self._say_failed(plan.function.name, str(error))
            self._around.ledger.refused(self._asked_by_hand(plan, text), str(error))
            return
        try:
            await self.invoke(event)
        except NotServed as error:
            self._say_failed(plan.function.name, str(error))

    def _asked_by_hand(self, plan: Plan, text: str) -> Delivery:
        """Return what the ledger keeps of an input that no event can be made of."""
        return Delivery(
            id=new_id(),
            function=plan.function.name,
            trigger=plan.kind,
            source="",
            payload=text.encode(errors="replace"),
            metadata={},
            attempt=1,
            reason=BY_HAND,
            at=self._around.clock.now(),
        )

    async def replay(self, ids: Sequence[str], *, dry: bool) -> Sequence[Replayed]:
        return [await self._replay(one, dry=dry) for one in ids]

    async def _replay(self, wanted: str, *, dry: bool) -> Replayed:
        try:
            entry = await self._around.ledger.read(
                lambda reader: queries.entry(reader, queries.identify(reader, wanted))
            )
        except TriggerfishError as error:
            return Replayed(wanted, "", error=str(error))
        delivery, name = entry.delivery, entry.delivery.function
        if not entry.payload_is_whole:
            return Replayed(delivery.id, name, error="Its payload was too large to be kept.")
        plan = self._plan(name)
        if isinstance(plan, str):
            return Replayed(delivery.id, name, error=plan)
        try:
            event = plan.trigger.again(delivery)
        except TriggerfishError as error:
            return Replayed(delivery.id, name, error=str(error))
        if dry:
            return Replayed(delivery.id, name)
        current = self._lifecycle.current
        if current is None:
            return Replayed(delivery.id, name, error=_NOT_RUNNING)
        as_new = new_id()
        self._lifecycle.start(current.serving.dispatcher.invoke(event, invocation_id=as_new))
        return Replayed(delivery.id, name, new_invocation_id=as_new)

    def _plan(self, function: str) -> Plan | str:
        """Return a function's plan, or why it has none."""
        current = self._lifecycle.current
        if current is None:
            return _NOT_RUNNING
        for name, plan in current.plans.items():
            if name.lower() == function.lower():
                return plan
        for error in current.errors:
            if error.function.lower() == function.lower():
                return error.message
        return f"There is no function '{function}'."

    def _say_failed(self, function: str, reason: str) -> None:
        line = f"Executed 'Functions.{function}' (Failed): {reason}"
        self._around.log(LogLine(LogLevel.ERROR, f"Function.{function}", line, function=function))

    # --- what it may be asked for -------------------------------------------------------------

    async def restart(self) -> None:
        self._lifecycle.ask(Request.RELOAD)

    async def drain(self) -> None:
        self._lifecycle.ask(Request.DRAIN)

    async def resume(self) -> None:
        await self.restart()

    async def set_offline(self, offline: bool) -> None:
        self._lifecycle.ask(Request.OFFLINE if offline else Request.RELOAD)
