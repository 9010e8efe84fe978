"""What the host does with what it is asked for over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

from triggerfish.bindings.plan import BY_HAND, BindingFailure, Plan
from triggerfish.host_view import Host
from triggerfish.model import Binding, Delivery, Function, LogLine, TriggerEvent

NOW = datetime(2024, 5, 6, tzinfo=UTC)


class NoSuchBlob:
    """A trigger that can make no event of any input."""

    completes_in = None

    async def by_hand(self, text: str, *, now: datetime) -> TriggerEvent:
        raise BindingFailure(f"There is no blob '{text}'.")


async def test_an_input_that_makes_no_event_is_in_the_history_as_refused() -> None:
    refused: list[tuple[Delivery, str]] = []
    lines: list[LogLine] = []
    function = Function("F", (Binding("blob", "blobTrigger", "in"),), "app", "function_app.py")
    plan = Plan(function, NoSuchBlob(), (), (), None)  # type: ignore[arg-type]
    async with asyncio.TaskGroup() as group:

        def start(work: Coroutine[Any, Any, object]) -> None:
            group.create_task(work)

        lifecycle: Any = SimpleNamespace(
            current=SimpleNamespace(plans={"F": plan}, errors=()), start=start
        )
        around: Any = SimpleNamespace(
            clock=SimpleNamespace(now=lambda: NOW),
            ledger=SimpleNamespace(refused=lambda *told: refused.append(told)),
            log=lines.append,
        )
        await Host(lifecycle, around).run_by_hand("f", "drop/none")

    [(delivery, reason)] = refused
    assert reason == "There is no blob 'drop/none'."
    assert (delivery.function, delivery.payload, delivery.reason) == ("F", b"drop/none", BY_HAND)
    assert reason in lines[0].message
