"""Payloads, outputs, lines and texts of any size come back, or say what is missing."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import pytest

from triggerfish.history.batch import INLINE_PAYLOAD, OUTPUTS_KEPT, Limits
from triggerfish.history.entries import Written
from triggerfish.history.ledger import LINES_KEPT, Ledger, open_ledger

if TYPE_CHECKING:
    from conftest import FindEntry, NewDelivery, NewEnd, NewLine

NOW = datetime(2024, 5, 6, 7, 8, 9, 123456, tzinfo=UTC)


async def test_lines_beyond_the_limit_are_counted(
    ledger: Ledger, delivery: NewDelivery, end: NewEnd, line: NewLine, entry: FindEntry
) -> None:
    ledger.began(delivery())
    for number in range(LINES_KEPT + 5):
        if number == LINES_KEPT // 2:
            await ledger.flush()
        ledger.logged(line(delivery().id, str(number)))
    ledger.ended(delivery().id, end())

    found = await entry(ledger, delivery().id)

    assert [one.message for one in found.lines] == [str(number) for number in range(LINES_KEPT)]
    assert found.lines_lost == 5


@pytest.mark.parametrize("size", [0, INLINE_PAYLOAD, INLINE_PAYLOAD + 1, 300_000])
async def test_payloads_of_any_size_come_back_exactly(
    ledger: Ledger, size: int, delivery: NewDelivery, entry: FindEntry
) -> None:
    payload = os.urandom(size)

    ledger.began(delivery(payload=payload))
    found = await entry(ledger, delivery().id)

    assert found.delivery.payload == payload
    assert found.summary.preview == payload[:120]


async def test_a_payload_beyond_the_limit_is_cut_and_says_so(
    tmp_path: Path, delivery: NewDelivery, entry: FindEntry
) -> None:
    limits = Limits(max_payload_bytes=10_000, cut_payload_bytes=3_000)
    async with open_ledger(tmp_path, report=print, limits=limits) as ledger:
        ledger.began(delivery(1, payload=b"x" * 10_000))
        ledger.began(delivery(2, payload=b"x" * 10_001))

        whole, cut = await entry(ledger, delivery(1).id), await entry(ledger, delivery(2).id)

    assert whole.payload_is_whole
    assert not cut.payload_is_whole
    assert (len(cut.delivery.payload), cut.summary.payload_size) == (3_000, 10_001)


async def test_large_outputs_keep_their_size_and_their_first_bytes(
    ledger: Ledger, delivery: NewDelivery, end: NewEnd, entry: FindEntry
) -> None:
    ledger.began(delivery())
    ledger.ended(delivery().id, end(outputs=(Written("out", "files/a", b"ab" * 50_000),)))

    [output] = (await entry(ledger, delivery().id)).outputs

    assert output.size_bytes == 100_000
    assert output.head == b"ab" * 512


async def test_outputs_beyond_the_limit_are_counted(
    ledger: Ledger, delivery: NewDelivery, end: NewEnd, entry: FindEntry
) -> None:
    written = tuple(Written("out", "parcels", b"%d" % n) for n in range(OUTPUTS_KEPT + 7))
    ledger.began(delivery())
    ledger.ended(delivery().id, end(outputs=written))

    found = await entry(ledger, delivery().id)

    assert [one.head for one in found.outputs] == [b"%d" % n for n in range(OUTPUTS_KEPT)]
    assert found.outputs_lost == 7


async def test_texts_that_no_row_can_hold_do_not_cost_the_entry(
    ledger: Ledger, delivery: NewDelivery, end: NewEnd, line: NewLine, entry: FindEntry
) -> None:
    odd = MappingProxyType({"a": 1})
    ledger.began(
        delivery(source="http://localhost/\udcff", metadata={"x": "\ud800", "y": NOW, "z": odd})
    )
    ledger.logged(line(delivery().id, "odd \ud800"))
    ledger.ended(delivery().id, end())

    found = await entry(ledger, delivery().id)

    assert found.delivery.source == "http://localhost/?"
    assert found.delivery.metadata == {"x": "\ud800", "y": str(NOW), "z": {"a": 1}}
    assert found.lines[0].message == "odd \ud800"
