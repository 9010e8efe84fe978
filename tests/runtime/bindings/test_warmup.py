"""What a warmup trigger gives its function (http-trigger.md, 10)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from triggerfish.bindings.warmup import WarmupTrigger

if TYPE_CHECKING:
    from conftest import Keep

NOW = datetime(2024, 1, 1, tzinfo=UTC)


async def test_a_warmup_trigger_runs_by_hand_and_again(keep: Keep) -> None:
    trigger = WarmupTrigger("warm")

    by_hand = await trigger.by_hand("ignored", now=NOW)
    again = trigger.again(keep("warmupTrigger", by_hand))

    assert (by_hand.function, by_hand.datum.value, by_hand.source) == ("warm", "{}", "warmup")
    assert again == by_hand._replace(
        reason="Replay of 'first'.", replay_of="first", binding_data=again.binding_data
    )
