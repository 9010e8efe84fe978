"""What the ledger keeps of an event, for triggers that give it again."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from triggerfish.model import Delivery, TriggerEvent

Keep = Callable[[str, TriggerEvent], Delivery]


@pytest.fixture
def keep() -> Keep:
    """Make the delivery ``first`` of an event of this type of trigger."""

    def kept(trigger: str, event: TriggerEvent) -> Delivery:
        return Delivery(
            id="first",
            function=event.function,
            trigger=trigger,
            source=event.source,
            payload=event.payload,
            metadata=json.loads(json.dumps(dict(event.record))),
            attempt=event.attempt,
            reason=event.reason,
            at=datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC),
        )

    return kept
