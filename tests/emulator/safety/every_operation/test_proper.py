"""A request as it should be reaches the handler of every row of the operation tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from triggerfish_storage.protocol.operations import Operation

if TYPE_CHECKING:
    from conftest import Asked, Key, Request

NOT_IMPLEMENTED: Final = {501}  # a documented answer, not a bug


async def test_every_row_is_reached_by_a_proper_request(
    asked: Asked, rows: Mapping[Key, Operation[Any]], proper: Callable[[Key], Request]
) -> None:
    for key, row in rows.items():
        await asked.restore()

        status = await asked.send(key[0], proper(key).with_key())

        assert key in asked.reached, (row, status)
        assert status < 500 or status in NOT_IMPLEMENTED, (row, status)
