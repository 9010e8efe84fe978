"""Runs functions for events: inputs, one run or several, outputs, and what the ledger keeps.

Knows no trigger and no storage service: bindings say what to fetch and what a value
changes, the generation runs user code, the account applies effects. What an invocation
did to the trigger's account is applied as one, with the completion of its trigger last
(design, decision 2). Behaviour: spec host-and-worker.md, sections 11, 16, 17 and 20.
"""

from __future__ import annotations

import asyncio
import random
import traceback
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from time import monotonic
from typing import Protocol

from triggerfish.bindings.http import response_value
from triggerfish.bindings.plan import Plan, Scope
from triggerfish.history.entries import End, Written
from triggerfish.model import (
    NOTHING,
    Datum,
    Delivery,
    Effect,
    Failure,
    FailureKind,
    InvocationRequest,
    InvocationResult,
    Log,
    LogLevel,
    LogLine,
    OnSuccess,
    Outcome,
    PutBlob,
    PutMessage,
    RetryContext,
    TriggerEvent,
    TriggerfishError,
)
from triggerfish.retry import delay_before
from triggerfish.storage.account import Account
from triggerfish_storage.clock import Clock

Run = Callable[[InvocationRequest], Awaitable[InvocationResult]]


class Ledger(Protocol):
    """The history, as the dispatcher sees it: never waits, never fails."""

    def began(self, delivery: Delivery) -> None:
        """Keep a delivery that is about to be given to its function."""
        ...

    def ended(self, delivery_id: str, end: End) -> None:
        """Keep how a delivery ended."""
        ...


@dataclass(slots=True)
class Dispatcher:
    """Gives invocations of one generation of the app to its workers.

    ``stopping`` ends the waits of retry policies: what failed is not tried again.
    ``outstanding`` is how many invocations run or wait for their next try, ``retrying`` how many
    of them wait; ``idle`` is set while there are none.
    """

    plans: Mapping[str, Plan]
    run: Run
    ledger: Ledger
    log: Log
    clock: Clock
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    outstanding: int = field(default=0, init=False)
    retrying: int = field(default=0, init=False)
    idle: asyncio.Event = field(default_factory=asyncio.Event, init=False)

    def __post_init__(self) -> None:
        self.idle.set()

    async def invoke(
        self,
        event: TriggerEvent,
        on_success: OnSuccess | None = None,
        *,
        invocation_id: str = "",
    ) -> Outcome:
        """Run the function for ``event``, retries included (``model.Invoke``)."""
        invocation = _Invocation(
            self, self.plans[event.function], event, invocation_id or new_id(), on_success
        )
        self.ledger.began(invocation.delivery())
        self.outstanding += 1
        self.idle.clear()
        started = monotonic()
        outcome: Outcome | None = None  # until the run comes to an end, whatever end that is
        try:
            outcome = await invocation.tried()
        finally:
            self.outstanding -= 1
            if not self.outstanding:
                self.idle.set()
            self.ledger.ended(invocation.id, invocation.end(outcome, monotonic() - started))
        return outcome


_INTERRUPTED = Failure(FailureKind.CRASH, "Interrupted", "The host was stopped.")


def new_id() -> str:
    """Return a new invocation id: a GUID, made faster than the standard library makes one."""
    digits = f"{random.getrandbits(128):032x}"
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"


class _Invocation:
    """One delivery on its way: the same invocation id for every try (section 17)."""

    __slots__ = (
        "_category",
        "_dispatcher",
        "_event",
        "_name",
        "_on_success",
        "_plan",
        "id",
        "tries",
        "written",
    )

    def __init__(
        self,
        dispatcher: Dispatcher,
        plan: Plan,
        event: TriggerEvent,
        invocation_id: str,
        on_success: OnSuccess | None,
    ) -> None:
        self._dispatcher = dispatcher
        self._plan = plan
        self._event = event
        self._on_success = on_success
        self._name = plan.function.name
        self._category = f"Function.{self._name}"
        self.id = invocation_id
        self.tries = 0
        self.written: tuple[Written, ...] = ()

    def delivery(self) -> Delivery:
        """Return what the ledger keeps of the event."""
        event = self._event
        return Delivery(
            id=self.id,
            function=event.function,
            trigger=self._plan.kind,
            source=event.source,
            payload=event.payload,
            metadata=event.record,
            attempt=event.attempt,
            reason=event.reason,
            at=self._dispatcher.clock.now(),
            replay_of=event.replay_of,
        )

    def end(self, outcome: Outcome | None, duration_seconds: float) -> End:
        """Return what the ledger keeps of the end; ``outcome`` is None where it was cut short."""
        return End(
            failure=_INTERRUPTED if outcome is None else outcome.failure,
            duration_seconds=duration_seconds,
            tries=self.tries,
            outputs=self.written,
            interrupted=outcome is None,
        )

    async def tried(self) -> Outcome:
        """Run as often as the retry policy wants; return how the last run ended."""
        outcome = await self._once()
        while outcome.failure is not None and await self._may_retry():
            outcome = await self._once(outcome.failure)
        return outcome

    async def _may_retry(self) -> bool:
        """Wait as the retry policy says; return False where there is no further try."""
        policy, retries = self._plan.retry, self.tries - 1
        if policy is None:
            return False
        if policy.max_retry_count != -1 and retries >= policy.max_retry_count:
            self._log(LogLevel.ERROR, f"Function '{self._name}' failed after {retries} retries.")
            return False
        delay = delay_before(retries + 1, policy).total_seconds()
        self._log(
            LogLevel.DEBUG,
            f"Waiting for '{delay:.3f}' s before retrying function execution. Next attempt: "
            f"'{retries + 1}'. Max retry count: '{policy.max_retry_count}'",
        )
        dispatcher = self._dispatcher
        dispatcher.retrying += 1
        try:
            return not await dispatcher.clock.wait(dispatcher.stopping, within=max(delay, 0.001))
        finally:
            dispatcher.retrying -= 1

    async def _once(self, previous: Failure | None = None) -> Outcome:
        """Fetch, run and write once; never raises for what user code or storage does."""
        event = self._event
        self.tries += 1
        self._log(
            LogLevel.INFORMATION,
            f"Executing 'Functions.{self._name}' (Reason='{event.reason}', Id={self.id})",
        )
        if event.details:
            self._log(LogLevel.INFORMATION, f"Trigger Details: {event.details}")
        started = monotonic()
        response = NOTHING
        try:
            result = await self._run(previous)
            failure = result.failure
            if failure is None:
                response = await self._write(result)
        except TriggerfishError as error:
            failure = Failure(FailureKind.BINDING, "BindingError", str(error))
        except Exception as error:  # a fault of ours must not be mistaken for a success
            text = "".join(traceback.format_exception(error))
            failure = Failure(FailureKind.BINDING, type(error).__name__, str(error), text)
        self._log_end(failure, started)
        return Outcome(self.id, failure, response)

    async def _run(self, previous: Failure | None) -> InvocationResult:
        plan, event = self._plan, self._event
        if event.problem:
            raise TriggerfishError(event.problem)
        inputs = {plan.parameter: event.datum}
        if plan.inputs:
            scope = self._scope()
            for binding in plan.inputs:
                inputs[binding.name] = await binding.fetch(scope)
        return await self._dispatcher.run(
            InvocationRequest(
                id=self.id,
                function=self._name,
                inputs=inputs,
                metadata=event.metadata,
                trace_parent=event.trace_parent,
                trace_state=event.trace_state,
                retry=self._retry_context(previous),
            )
        )

    def _retry_context(self, previous: Failure | None) -> RetryContext | None:
        policy = self._plan.retry
        if policy is None:
            return None
        return RetryContext(self.tries - 1, policy.max_retry_count, previous)

    async def _write(self, result: InvocationResult) -> Datum:
        """Apply the outputs and the trigger's completion; return the http output's value."""
        plan = self._plan
        by_account: dict[Account, list[Effect]] = {}
        written: list[Written] = []
        if plan.outputs and result.outputs:
            scope = self._scope()
            for output in plan.outputs:
                value = result.outputs.get(output.name, NOTHING)
                if value.kind != "none":
                    effects = output.effects(value, scope)
                    by_account.setdefault(output.account, []).extend(effects)
                    written.extend([_written(output.name, effect) for effect in effects])
        completes_in = plan.trigger.completes_in
        if self._on_success is not None and completes_in is not None:
            # The completion comes last of all, whatever accounts the outputs went to.
            own = by_account.pop(completes_in, [])
            by_account[completes_in] = [*own, *await self._on_success()]
        for account, effects in by_account.items():
            await account.apply(effects)
        self.written = tuple(written)
        return response_value(plan.http_output, result.outputs) if plan.answers else NOTHING

    def _scope(self) -> Scope:
        return Scope(
            invocation_id=self.id,
            function=self._name,
            now=self._dispatcher.clock.now(),
            data=self._event.binding_data,
        )

    def _log_end(self, failure: Failure | None, started: float) -> None:
        outcome = "Succeeded" if failure is None else "Failed"
        duration = round((monotonic() - started) * 1000)
        line = f"Executed 'Functions.{self._name}' ({outcome}, Id={self.id}, Duration={duration}ms)"
        if failure is None:
            self._log(LogLevel.INFORMATION, line)
            return
        self._log(LogLevel.ERROR, line)
        stack = f"\nStack: {failure.traceback}" if failure.traceback else ""
        self._log(
            LogLevel.ERROR,
            f"Exception while executing function: Functions.{self._name}. Result: Failure\n"
            f"Exception: {failure}{stack}".rstrip(),
        )

    def _log(self, level: LogLevel, message: str) -> None:
        self._dispatcher.log(LogLine(level, self._category, message, self.id, self._name))


def _written(binding: str, effect: Effect) -> Written:
    match effect:
        case PutMessage():
            return Written(binding, effect.queue, effect.text.encode())
        case PutBlob():
            return Written(binding, f"{effect.container}/{effect.blob}", effect.content)
        case _:
            raise TypeError(f"no output has the effect {type(effect).__name__}")
