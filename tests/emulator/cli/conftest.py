"""``triggerfish storage`` as a process of its own."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

from triggerfish_storage.client import StorageClient, connect
from triggerfish_storage.connection_string import parse_connection_string

Launch = Callable[..., Awaitable[asyncio.subprocess.Process]]
Running = Callable[..., AbstractAsyncContextManager["Program"]]


class Program:
    """A running ``triggerfish storage``, once it has said where it is."""

    def __init__(self, process: asyncio.subprocess.Process, greeting: str) -> None:
        self.process = process
        self.greeting = greeting

    @property
    def connection_string(self) -> str:
        return next(line for line in self.greeting.splitlines() if "AccountKey=" in line)

    @asynccontextmanager
    async def client(self) -> AsyncIterator[StorageClient]:
        async with connect(parse_connection_string(self.connection_string)) as client:
            yield client

    async def end(self, name: signal.Signals) -> int:
        self.process.send_signal(name)
        async with asyncio.timeout(20):
            return await self.process.wait()


async def _launch(
    *arguments: str, env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> asyncio.subprocess.Process:
    kept = {n: v for n, v in os.environ.items() if not n.startswith(("TRIGGERFISH_", "AZURITE_"))}
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "triggerfish_storage",
        *arguments,
        env=kept | dict(env or {}),
        cwd=cwd,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


@asynccontextmanager
async def _running(
    *arguments: str, env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> AsyncIterator[Program]:
    process = await _launch(*arguments, env=env, cwd=cwd)
    assert process.stdout is not None
    try:
        greeting = ""
        async with asyncio.timeout(20):
            while "Ctrl-C" not in greeting:
                line = await process.stdout.readline()
                assert line, (greeting, await process.communicate())
                greeting += line.decode()
        yield Program(process, greeting)
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


@pytest.fixture
def launch() -> Launch:
    """Start ``triggerfish storage`` as a process, whatever becomes of it."""
    return _launch


@pytest.fixture
def running() -> Running:
    """Run ``triggerfish storage``, from when it has said where it is."""
    return _running
