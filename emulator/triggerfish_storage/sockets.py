"""The socket behind an address that stands for all of this machine's."""

from __future__ import annotations

import socket
from typing import Final

_ALL: Final = "::"


def both_families(address: str, port: int) -> socket.socket | None:
    """Return a socket that takes IPv4 and IPv6, for ``::``; None for any other address.

    asyncio would let ``::`` take IPv6 alone. Also None where the system knows one family only;
    raises OSError where the port cannot be had.
    """
    if address != _ALL or not socket.has_dualstack_ipv6():
        return None
    return socket.create_server((address, port), family=socket.AF_INET6, dualstack_ipv6=True)
