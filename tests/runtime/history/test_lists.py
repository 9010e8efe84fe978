"""Lists of deliveries: which, in which order, from where on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from triggerfish.history import queries
from triggerfish.history.ledger import Ledger
from triggerfish.history.queries import Filter
from triggerfish.model import Failure, FailureKind

if TYPE_CHECKING:
    from conftest import Happen, NewDelivery

NOW = datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)
BROKEN = Failure(FailureKind.USER, "ValueError", "no such customer")


async def numbers(ledger: Ledger, **which: object) -> list[int]:
    """Return which of the deliveries of ``delivery(n)`` a filter finds."""
    asked = Filter(**which)  # type: ignore[arg-type]
    found = await ledger.read(lambda reader: queries.find(reader, asked))
    return [int(one.id[:8], 16) for one in found]


async def test_a_list_is_newest_first_and_goes_on_where_it_ended(
    ledger: Ledger, delivery: NewDelivery, happen: Happen
) -> None:
    for number in range(7):
        happen(ledger, delivery(number))

    first = await ledger.read(lambda reader: queries.find(reader, Filter(limit=3)))
    after = first[-1].number

    assert [int(one.id[:8], 16) for one in first] == [6, 5, 4]
    assert await numbers(ledger, before=after, limit=3) == [3, 2, 1]
    assert await numbers(ledger, after=after) == [6, 5]
    pages = await ledger.read(lambda reader: list(queries.pages(reader, Filter(limit=2))))
    assert len(pages) == 7


@pytest.mark.parametrize(
    ("which", "expected"),
    [
        ({}, [6, 5, 4, 3, 2, 1]),
        ({"function": "bill"}, [2]),
        ({"function": "nobody"}, []),
        ({"status": "succeeded"}, [2, 1]),
        ({"status": "running"}, [6]),
        ({"status": "failed"}, [5, 4, 3]),
        ({"status": "poisoned"}, [4]),
        ({"status": "refused"}, [5]),
        ({"status": "interrupted"}, []),
        ({"source": "invoices"}, [2]),
        ({"text": '"order": 3'}, [3]),
        ({"text": "no such"}, [4, 3]),
        ({"text": "needle"}, [1]),
        ({"text": "100%"}, []),
        ({"since": NOW + timedelta(seconds=4)}, [6, 5, 4]),
        ({"until": NOW + timedelta(seconds=4)}, [3, 2, 1]),
        ({"since": NOW + timedelta(seconds=2), "until": NOW + timedelta(seconds=4)}, [3, 2]),
        ({"status": "failed", "function": "ship", "limit": 1}, [5]),
    ],
    ids=str,
)
async def test_a_list_shows_what_was_asked_for(
    ledger: Ledger,
    which: dict[str, object],
    expected: list[int],
    delivery: NewDelivery,
    happen: Happen,
) -> None:
    happen(ledger, delivery(1, payload=b"hay" * 10_000 + b"needle"))
    happen(ledger, delivery(2, function="bill", source="invoices"))
    happen(ledger, delivery(3), BROKEN)
    happen(ledger, delivery(4), BROKEN)
    ledger.poisoned(delivery(4).id, "Message has reached MaxDequeueCount of 5.")
    ledger.refused(delivery(5), "The text is not valid base64.")
    ledger.began(delivery(6))

    assert await numbers(ledger, **which) == expected


async def test_instants_are_found_among_thousands(
    ledger: Ledger, delivery: NewDelivery, happen: Happen
) -> None:
    for number in range(1000):
        happen(ledger, delivery(number))

    since, until = NOW + timedelta(seconds=500), NOW + timedelta(seconds=503)

    assert await numbers(ledger, since=since, until=until) == [502, 501, 500]


async def test_a_clock_that_was_moved_ahead_hides_nothing_after_it(
    ledger: Ledger, delivery: NewDelivery, happen: Happen
) -> None:
    for number in range(200):
        ahead = timedelta(days=365) if 50 <= number < 60 else timedelta()
        at = NOW + timedelta(seconds=number) + ahead
        happen(ledger, delivery(number, at=at))

    assert len(await numbers(ledger, since=NOW + timedelta(seconds=150), limit=1000)) >= 50


async def test_functions_are_listed_by_name(
    ledger: Ledger, delivery: NewDelivery, happen: Happen
) -> None:
    assert await ledger.read(queries.functions) == []
    for number, function in enumerate(("ship", "bill", "ship", "alert")):
        happen(ledger, delivery(number, function=function))

    assert await ledger.read(queries.functions) == ["alert", "bill", "ship"]
