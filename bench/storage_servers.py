"""Storage accounts over HTTP, ours and Azurite, and handlers that do nothing: on free ports.

Used by the other files of this folder; measures nothing itself.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import bare_handler
import peers
from programs import free_ports, listens, program, triggerfish, until

from triggerfish_storage.protocol.auth import ServiceName

Ports = Mapping[ServiceName, int]


@dataclass(frozen=True)
class Server:
    """A program that serves an account."""

    ports: Ports
    process_id: int


def start_us(stack: contextlib.ExitStack, data: Path) -> Server:
    """Serve a data folder until the stack ends."""
    ports = _free_ports()
    options = [word for name, port in ports.items() for word in (f"--{name}-port", str(port))]
    command = triggerfish("storage", "--silent", "--data", data, *options)
    return _serving(stack, command, data.with_suffix(".log"), ports)


def start_azurite(stack: contextlib.ExitStack, data: Path, installed: Path) -> Server:
    """Serve a data folder by Azurite; raises ``peers.Absent`` where that is not installed."""
    ports = _free_ports()
    options = [word for name, port in ports.items() for word in (f"--{name}Port", str(port))]
    command: list[str | Path] = [peers.azurite(installed), "--silent", "--disableTelemetry"]
    command += ["--skipApiVersionCheck", "--location", data, *options]
    return _serving(stack, command, data.with_suffix(".log"), ports)


def start_bare_handler(stack: contextlib.ExitStack, folder: Path, kind: str) -> int:
    """Serve a handler that does nothing; return its port."""
    [port] = free_ports(1)
    log = folder / f"bare-{kind}.log"
    command: list[str | Path] = [sys.executable, bare_handler.__file__, kind, str(port)]
    process = stack.enter_context(program(command, log=log))
    until(lambda: listens(port), within=30, what="bare handler", process=process, log=log)
    return port


def _free_ports() -> Ports:
    blob, queue, table = free_ports(3)
    return {"blob": blob, "queue": queue, "table": table}


def _serving(
    stack: contextlib.ExitStack, command: list[str | Path], log: Path, ports: Ports
) -> Server:
    process = stack.enter_context(program(command, log=log))
    for service, port in ports.items():
        until(
            lambda port=port: listens(port),  # type: ignore[misc]
            within=60,
            what=f"{service} service",
            process=process,
            log=log,
        )
    return Server(ports, process.pid)
