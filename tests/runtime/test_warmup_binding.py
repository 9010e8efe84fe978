"""What a warmup trigger gives its function (http-trigger.md, 10)."""

from __future__ import annotations

from datetime import UTC, datetime

from triggerfish.bindings.warmup import WarmupTrigger
from triggerfish.model import Delivery

NOW = datetime(2024, 1, 1, tzinfo=UTC)


async def test_a_warmup_trigger_runs_by_hand_and_again() -> None:
    trigger = WarmupTrigger("warm")

    by_hand = await trigger.by_hand("ignored", now=NOW)
    again = trigger.again(
        Delivery(
            id="i1",
            function="warm",
            trigger="warmupTrigger",
            source=by_hand.source,
            payload=by_hand.payload,
            metadata=by_hand.record,
            attempt=1,
            reason=by_hand.reason,
            at=NOW,
        )
    )

    assert (by_hand.function, by_hand.datum.value, by_hand.source) == ("warm", "{}", "warmup")
    assert again == by_hand._replace(
        reason="Replay of 'i1'.", replay_of="i1", binding_data=again.binding_data
    )
