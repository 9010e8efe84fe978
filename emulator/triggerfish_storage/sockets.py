"""What sockets have to be told that asyncio does not tell them."""

from __future__ import annotations

import socket
from asyncio.trsock import TransportSocket
from contextlib import suppress
from typing import Final

_ALL: Final = "::"
_CONGESTION: Final = getattr(socket, "TCP_CONGESTION", None)
_UNPACED: Final = b"reno"  # which every kernel has, and lets everybody use


def both_families(address: str, port: int) -> socket.socket | None:
    """Return a socket that takes IPv4 and IPv6, for ``::``; None for any other address.

    asyncio would let ``::`` take IPv6 alone. Also None where the system knows one family only;
    raises OSError where the port cannot be had.
    """
    if address != _ALL or not socket.has_dualstack_ipv6():
        return None
    return socket.create_server((address, port), family=socket.AF_INET6, dualstack_ipv6=True)


def send_unpaced(unconnected: socket.socket | TransportSocket) -> None:
    """Have what connections of a socket send go as fast as it is read, if they are local.

    Where BBR is what a system uses for all connections, it holds back by timers what it takes to
    be too much for the network; on the loopback there is none, and 1 MiB takes twice as long.
    A connection that has begun with it goes on like that: to be called for a socket that is not
    connected, or listens, and is bound.
    """
    address = str(unconnected.getsockname()[0])
    if _CONGESTION is not None and (address == "::1" or address.startswith("127.")):
        with suppress(OSError):  # a kernel of its own kind
            unconnected.setsockopt(socket.IPPROTO_TCP, _CONGESTION, _UNPACED)
