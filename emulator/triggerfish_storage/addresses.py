"""Addresses that servers listen on, as their clients on the same machine take them. Pure."""

from __future__ import annotations

from typing import Final

LOOPBACK: Final = "127.0.0.1"
_ALL: Final = ("", "0.0.0.0", "::")  # noqa: S104 - compared, not bound


def reachable(address: str) -> str:
    """Return the host of a URL that reaches what listens on ``address``, brackets included."""
    if address in _ALL:
        return LOOPBACK
    return f"[{address}]" if ":" in address else address
