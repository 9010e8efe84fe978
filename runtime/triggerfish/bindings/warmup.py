"""Warmup trigger: runs when it is asked for, which nothing on one machine does by itself.

Behaviour: spec http-trigger.md, section 10.
https://learn.microsoft.com/azure/azure-functions/functions-bindings-warmup
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from triggerfish.bindings.plan import BY_HAND
from triggerfish.expressions import BindingData
from triggerfish.model import Datum, Delivery, TriggerEvent


@dataclass(frozen=True, slots=True)
class WarmupTrigger:
    """A warmupTrigger; ``POST /admin/warmup`` fires it."""

    function: str

    @property
    def completes_in(self) -> None:
        return None

    async def by_hand(self, text: str, *, now: datetime) -> TriggerEvent:
        return self._event(BY_HAND)

    def again(self, delivery: Delivery) -> TriggerEvent:
        return self._event(f"Replay of '{delivery.id}'.", replay_of=delivery.id)

    def _event(self, reason: str, *, replay_of: str = "") -> TriggerEvent:
        return TriggerEvent(
            function=self.function,
            datum=Datum("json", "{}"),
            metadata={},
            binding_data=BindingData({}),
            payload=b"",
            source="warmup",
            reason=reason,
            replay_of=replay_of,
        )
