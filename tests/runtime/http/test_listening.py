"""Where the server listens, and how it stops."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

import aiohttp
import pytest

from triggerfish.http.server import AddressError, serve

if TYPE_CHECKING:
    from conftest import FakeHost, Site


async def test_a_port_in_use_is_named(site: Site, new_host: type[FakeHost]) -> None:
    with pytest.raises(AddressError, match=f"Port {site.port} is unavailable.*--port"):
        async with serve(new_host(), address="127.0.0.1", port=site.port, log=site.lines.append):
            pass


async def test_an_address_of_another_machine_is_named(new_host: type[FakeHost]) -> None:
    with pytest.raises(AddressError, match=r"Cannot listen on 192\.0\.2\.1:0 .*--address"):
        async with serve(new_host(), address="192.0.2.1", port=0, log=lambda _line: None):
            pass


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="the system has one family only")
async def test_the_address_of_all_takes_both_families(new_host: type[FakeHost]) -> None:
    async with serve(new_host(), address="::", port=0, log=lambda _line: None) as port:
        for host in ("127.0.0.1", "[::1]"):
            async with (
                aiohttp.ClientSession(f"http://{host}:{port}") as session,
                session.get("/api/all") as response,
            ):
                assert response.status == 200
        with pytest.raises(AddressError, match=f"Port {port} is unavailable"):
            async with serve(new_host(), address="::", port=port, log=lambda _line: None):
                pass


async def test_what_is_being_answered_is_finished_when_the_server_stops(
    new_host: type[FakeHost],
) -> None:
    host = new_host(hold=asyncio.Event())
    serving = serve(host, address="127.0.0.1", port=0, log=lambda _line: None)
    async with asyncio.TaskGroup() as group:
        port = await serving.__aenter__()
        async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
            asking = group.create_task(session.get("/api/all"))
            await host.busy.wait()
            stopping = group.create_task(serving.__aexit__(None, None, None))
            assert host.hold is not None
            host.hold.set()
            async with await asking as response:
                assert await response.text() == "hello"
            await stopping
