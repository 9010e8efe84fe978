"""Asks who answers on a port before anything is entrusted to it.

Plain sockets: one unsigned request, whose answer any storage service marks as its own, even
where it refuses it. Over TLS certificates are not looked at: nothing secret is sent.
"""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass
from typing import Final

from triggerfish_storage.addresses import reachable

_PATIENCE_SECONDS: Final = 3.0
_HEAD_LIMIT_BYTES: Final = 64 * 1024
_MARK: Final = "x-ms-request-id"  # on every answer of the service, refusals included


@dataclass(frozen=True, slots=True)
class Answer:
    """What a port said: ``server`` is what it calls itself, ``problem`` ends a sentence."""

    is_storage: bool
    server: str = ""
    problem: str = ""


async def ask(address: str, port: int, account: str, *, scheme: str = "http") -> Answer:
    """Return who answers on a port; never raises for what it finds there.

    ``address`` is what a server listens on, that of all included.
    """
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            head = await _exchange(
                address, port, account, _unverified() if scheme == "https" else None
            )
    except TimeoutError:
        return Answer(False, problem="it accepts connections but says nothing")
    except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
        if isinstance(error, ConnectionRefusedError):
            return Answer(False, problem="nothing answers there")
        return Answer(False, problem="what answers there does not speak HTTP")
    return _read(head)


def _unverified() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


async def _exchange(address: str, port: int, account: str, tls: ssl.SSLContext | None) -> str:
    host = reachable(address)
    reader, writer = await asyncio.open_connection(
        host.strip("[]"), port, limit=_HEAD_LIMIT_BYTES, ssl=tls
    )
    try:
        request = f"GET /{account}?comp=list HTTP/1.1\r\nHost: {host}:{port}\r\n"
        writer.write(f"{request}Connection: close\r\n\r\n".encode("ascii"))
        return (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    finally:
        writer.close()


def _read(head: str) -> Answer:
    status, *lines = head.split("\r\n")
    if not status.startswith("HTTP/"):
        return Answer(False, problem="what answers there does not speak HTTP")
    headers = {}
    for line in lines:
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    server = headers.get("server", "")
    if _MARK in headers:
        return Answer(True, server)
    named = f" (it calls itself '{server}')" if server else ""
    return Answer(False, server, f"what answers there is no storage service{named}")
