"""Limits of running and waiting requests."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from triggerfish.config.host_options import HttpOptions
from triggerfish.http.limits import RequestLimits

if TYPE_CHECKING:
    from conftest import FakeHost, Start


async def settled() -> None:
    """Let every task go on as far as it can."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_without_limits_everybody_enters() -> None:
    limits = RequestLimits()

    assert all([await limits.enter(outstanding=None, concurrent=None) for _ in range(100)])


async def test_waiting_requests_enter_in_order() -> None:
    limits, entered = RequestLimits(), []

    async def request(number: int) -> None:
        assert await limits.enter(outstanding=None, concurrent=2)
        entered.append(number)

    async with asyncio.TaskGroup() as group:
        for number in range(5):
            group.create_task(request(number))
        await settled()
        assert entered == [0, 1]
        limits.leave()
        await settled()
        assert entered == [0, 1, 2]
        limits.leave()
        limits.leave()
    assert entered == [0, 1, 2, 3, 4]


async def test_running_and_waiting_requests_count_as_outstanding() -> None:
    limits = RequestLimits()
    assert await limits.enter(outstanding=2, concurrent=1)
    waiting = asyncio.create_task(limits.enter(outstanding=2, concurrent=1))
    await settled()

    assert not await limits.enter(outstanding=2, concurrent=1)
    limits.leave()
    assert await waiting
    limits.leave()
    assert await limits.enter(outstanding=1, concurrent=1)


@pytest.mark.parametrize("handed_over", [False, True])
async def test_a_cancelled_request_keeps_no_place(handed_over: bool) -> None:
    limits = RequestLimits()
    assert await limits.enter(outstanding=None, concurrent=1)
    cancelled = asyncio.create_task(limits.enter(outstanding=None, concurrent=1))
    following = asyncio.create_task(limits.enter(outstanding=None, concurrent=1))
    await settled()

    if handed_over:
        limits.leave()
        cancelled.cancel()
    else:
        cancelled.cancel()
        await settled()
        limits.leave()

    assert await following
    assert cancelled.cancelled()
    limits.leave()
    assert await limits.enter(outstanding=1, concurrent=1)


async def test_requests_beyond_the_outstanding_limit_are_refused(
    start: Start, new_host: type[FakeHost]
) -> None:
    hold = asyncio.Event()
    site = await start(new_host(http_options=HttpOptions("api", 1, None, {}), hold=hold))
    first = asyncio.create_task(site.ask("GET /api/all"))
    await site.host.busy.wait()

    refused = [(await site.ask(f"GET {path}"))[:2] for path in ("/api/all", "/admin/host/ping")]
    hold.set()

    assert refused == [(429, b"")] * 2
    assert (await first)[0] == 200
    assert (await site.ask("GET /admin/host/ping"))[0] == 200
    assert [line.message for line in site.lines] == [
        "Http request queue limit of 1 has been exceeded."
    ] * 2


async def test_requests_beyond_the_concurrent_limit_wait_for_their_turn(
    start: Start, new_host: type[FakeHost]
) -> None:
    hold = asyncio.Event()
    site = await start(new_host(http_options=HttpOptions("api", None, 1, {}), hold=hold))
    asking = [asyncio.create_task(site.ask("GET /api/all")) for _ in range(3)]
    await site.host.busy.wait()
    assert len(site.host.events) == 1

    hold.set()

    assert [status for status, _, _ in await asyncio.gather(*asking)] == [200] * 3
    assert len(site.host.events) == 3
