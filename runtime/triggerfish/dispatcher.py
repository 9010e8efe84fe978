"""Runs functions for events: inputs, one run or several, outputs, and what the ledger keeps.

Knows no trigger and no storage service: bindings say what to fetch and what a value
changes, the generation runs user code, the account applies effects. What an invocation
did to the trigger's account is applied as one, with the completion of its trigger last
(design, decision 2). Behaviour: spec host-and-worker.md, sections 11, 16, 17 and 20.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
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
    LogLevel,
    LogLine,
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
OnSuccess = Callable[[], Sequence[Effect]]


class Ledger(Protocol):
    """The history, as the dispatcher sees it: never waits, never fails."""

    def began(self, delivery: Delivery) -> None: ...

    def ended(self, delivery_id: str, end: End) -> None: ...


@dataclass(slots=True)
class Dispatcher:
    """Gives invocations of one generation of the app to its workers."""

    plans: Mapping[str, Plan]
    run: Run
    ledger: Ledger
    log: Callable[[LogLine], None]
    clock: Clock
    in_flight: int = 0

    async def invoke(
        self,
        event: TriggerEvent,
        on_success: OnSuccess | None = None,
        *,
        invocation_id: str = "",
    ) -> Outcome:
        """Run the function for ``event``, retries included (``model.Invoke``)."""
        self.in_flight += 1
        try:
            return await self._deliver(event, on_success, invocation_id or str(uuid.uuid4()))
        finally:
            self.in_flight -= 1

    async def _deliver(
        self, event: TriggerEvent, on_success: OnSuccess | None, invocation_id: str
    ) -> Outcome:
        plan = self.plans[event.function]
        delivery = _delivery(plan, event, invocation_id, self.clock)
        self.ledger.began(delivery)
        started = time.monotonic()
        attempt = _Attempt(self, plan, event, delivery.id, on_success)
        tries = 0
        try:
            outcome = await attempt.once()
            while outcome.failure is not None and (again := attempt.retry(tries, outcome.failure)):
                tries += 1
                await self.clock.sleep(again)
                outcome = await attempt.once(retry=tries, failure=outcome.failure)
        except BaseException:
            # Cancelled (the host stops): without an end it shows as interrupted.
            self.ledger.ended(
                delivery.id,
                End(
                    failure=Failure(FailureKind.CRASH, "Interrupted", "The host was stopped."),
                    interrupted=True,
                    duration_seconds=time.monotonic() - started,
                    finished_at=self.clock.now(),
                    tries=tries + 1,
                ),
            )
            raise
        self.ledger.ended(
            delivery.id,
            End(
                failure=outcome.failure,
                duration_seconds=time.monotonic() - started,
                finished_at=self.clock.now(),
                tries=tries + 1,
                outputs=attempt.written,
            ),
        )
        return outcome


class _Attempt:
    """One delivery on its way: the same invocation id for every try (section 17)."""

    __slots__ = ("_event", "_host", "_id", "_on_success", "_plan", "written")

    def __init__(
        self,
        host: Dispatcher,
        plan: Plan,
        event: TriggerEvent,
        invocation_id: str,
        on_success: OnSuccess | None,
    ) -> None:
        self._host = host
        self._plan = plan
        self._event = event
        self._id = invocation_id
        self._on_success = on_success
        self.written: tuple[Written, ...] = ()

    def retry(self, tries: int, failure: Failure) -> float | None:
        """Return the seconds to wait before the next try, None where there is none."""
        policy = self._plan.retry
        if policy is None:
            return None
        if policy.max_retry_count != -1 and tries >= policy.max_retry_count:
            self._log(
                LogLevel.ERROR,
                f"Function '{self._plan.function.name}' failed after {tries} retries.",
            )
            return None
        delay = delay_before(tries + 1, policy).total_seconds()
        self._log(
            LogLevel.DEBUG,
            f"Waiting for '{delay:.3f}' s before retrying function execution. Next attempt: "
            f"'{tries + 1}'. Max retry count: '{policy.max_retry_count}'",
        )
        return max(delay, 0.001)

    async def once(self, *, retry: int = 0, failure: Failure | None = None) -> Outcome:
        """Fetch, run and write once; never raises for what user code or storage does."""
        function, event = self._plan.function, self._event
        self._log(
            LogLevel.INFORMATION,
            f"Executing 'Functions.{function.name}' (Reason='{event.reason}', Id={self._id})",
        )
        if event.details:
            self._log(LogLevel.INFORMATION, f"Trigger Details: {event.details}")
        started = time.monotonic()
        try:
            result = await self._run(retry, failure)
            response = await self._write(result) if result.failure is None else NOTHING
            failed = result.failure
        except TriggerfishError as error:
            response, failed = NOTHING, Failure(FailureKind.BINDING, "BindingError", str(error))
        self._log_end(failed, started)
        return Outcome(self._id, failed, response)

    async def _run(self, retry: int, failure: Failure | None) -> InvocationResult:
        plan, event = self._plan, self._event
        if event.problem:
            raise TriggerfishError(event.problem)
        inputs = {plan.function.trigger.name: event.datum}
        if plan.inputs:
            scope = self._scope()
            for binding in plan.inputs:
                inputs[binding.name] = await binding.fetch(scope)
        maximum = plan.retry.max_retry_count if plan.retry else 0
        return await self._host.run(
            InvocationRequest(
                id=self._id,
                function=plan.function.name,
                inputs=inputs,
                metadata=event.metadata,
                trace_parent=event.trace_parent,
                trace_state=event.trace_state,
                retry=RetryContext(retry, maximum, failure) if plan.retry else None,
            )
        )

    async def _write(self, result: InvocationResult) -> Datum:
        """Apply the outputs and the trigger's completion; return the http output's value."""
        by_account: list[tuple[Account, list[Effect]]] = []
        written: list[Written] = []
        if self._plan.outputs and result.outputs:
            scope = self._scope()
            for output in self._plan.outputs:
                value = result.outputs.get(output.name, NOTHING)
                if value.kind == "none":
                    continue
                effects = output.effects(value, scope)
                _effects_of(output.account, by_account).extend(effects)
                written.extend(_written(output.name, effect) for effect in effects)
        await self._apply(by_account)
        self.written = tuple(written)
        return response_value(self._plan.http_output, result.outputs)

    async def _apply(self, by_account: list[tuple[Account, list[Effect]]]) -> None:
        account = self._plan.trigger.completes_in
        if self._on_success is not None and account is not None:
            _effects_of(account, by_account).extend(self._on_success())
            # The completion comes last of all, whatever accounts the outputs went to.
            by_account.sort(key=lambda pair: pair[0] is account)
        for target, effects in by_account:
            await target.apply(effects)

    def _scope(self) -> Scope:
        return Scope(
            invocation_id=self._id,
            function=self._plan.function.name,
            now=self._host.clock.now(),
            data=self._event.binding_data,
        )

    def _log_end(self, failure: Failure | None, started: float) -> None:
        name, duration = self._plan.function.name, round((time.monotonic() - started) * 1000)
        outcome = "Succeeded" if failure is None else "Failed"
        line = f"Executed 'Functions.{name}' ({outcome}, Id={self._id}, Duration={duration}ms)"
        if failure is None:
            self._log(LogLevel.INFORMATION, line)
            return
        self._log(LogLevel.ERROR, line)
        self._log(
            LogLevel.ERROR,
            f"Exception while executing function: Functions.{name}. Result: Failure\n"
            f"Exception: {failure.type}: {failure.message}\nStack: {failure.traceback}".rstrip(),
        )

    def _log(self, level: LogLevel, message: str) -> None:
        name = self._plan.function.name
        self._host.log(LogLine(level, f"Function.{name}", message, self._id, name))


def _delivery(plan: Plan, event: TriggerEvent, invocation_id: str, clock: Clock) -> Delivery:
    return Delivery(
        id=invocation_id,
        function=event.function,
        trigger=plan.function.trigger.type,
        source=event.source,
        payload=event.payload,
        metadata=event.record,
        attempt=event.attempt,
        reason=event.reason,
        at=clock.now(),
        replay_of=event.replay_of,
    )


def _effects_of(account: Account, by_account: list[tuple[Account, list[Effect]]]) -> list[Effect]:
    for known, effects in by_account:
        if known is account:
            return effects
    by_account.append((account, []))
    return by_account[-1][1]


def _written(binding: str, effect: Effect) -> Written:
    match effect:
        case PutBlob():
            return Written(binding, f"{effect.container}/{effect.blob}", effect.content)
        case PutMessage():
            return Written(binding, effect.queue, effect.text.encode())
        case _:
            raise TypeError(f"no output has the effect {type(effect).__name__}")
