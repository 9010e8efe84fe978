"""Answers that come piece by piece: out of files, in chunks, or broken off."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from triggerfish_storage.content_files import Reading, Stretch
from triggerfish_storage.protocol.operations import Reply
from triggerfish_storage.protocol.steps import Incoming

if TYPE_CHECKING:
    from conftest import Serving

LARGE = bytes(range(256)) * 32_768  # 8 MiB: more than sockets hold


async def pieces_of(data: bytes, size: int = 300_000) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


def written(folder: Path, data: bytes) -> Path:
    file = folder / "content"
    file.write_bytes(data)
    return file


def reading(*stretches: bytes | Stretch) -> Reading:
    async def give() -> Any:
        for stretch in stretches:
            yield stretch

    return Reading(give())


async def test_an_answer_of_unknown_length_comes_in_chunks(serving: Serving) -> None:
    async def answer(incoming: Incoming) -> Reply:
        return Reply(200, pieces_of(b"hello world", 4))

    async with serving(answer) as server:
        received = await server.talk(server.last("/"))

    assert received.endswith(b"4\r\nhell\r\n4\r\no wo\r\n3\r\nrld\r\n0\r\n\r\n")


async def test_what_lies_in_files_comes_in_order_with_the_rest(
    serving_either: Serving, tmp_path: Path
) -> None:
    file = written(tmp_path, LARGE)

    async def answer(incoming: Incoming) -> Reply:
        if incoming.target != "/file":
            return Reply(200, incoming.target.encode())
        body = reading(b"begin", Stretch(file, 0, len(LARGE)), b"", Stretch(file, 7, 3), b"end")
        return Reply(200, body, length=len(LARGE) + 11)

    async with serving_either(answer) as server:
        received = await server.talk(
            server.get("/one"),
            server.get("/file"),
            server.get("/two"),
            server.get("/file"),
            server.last("/last"),
        )

    expected = b"begin" + LARGE + LARGE[7:10] + b"end"
    assert received.bodies == [b"/one", expected, b"/two", expected, b"/last"]


async def test_a_file_that_lost_its_end_breaks_the_answer_off(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, serving: Serving
) -> None:
    file = written(tmp_path, b"short")

    async def answer(incoming: Incoming) -> Reply:
        return Reply(200, reading(Stretch(file, 0, 1000)), length=1000)

    async with serving(answer) as server:
        received = await server.talk(server.get("/"))

    assert received.startswith(b"HTTP/1.1 200")
    assert "broke off" in caplog.text


async def test_an_answer_that_breaks_off_is_never_taken_for_a_whole_one(
    caplog: pytest.LogCaptureFixture, serving: Serving
) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"part"
        raise ZeroDivisionError

    async def answer(incoming: Incoming) -> Reply:
        return Reply(200, broken())

    async with serving(answer) as server:
        received = await server.talk(server.get("/"))

    assert received.endswith(b"4\r\npart\r\n")
    assert "broke off" in caplog.text


async def test_a_stream_waits_for_its_client_and_ends_with_it(
    caplog: pytest.LogCaptureFixture, serving: Serving
) -> None:
    given, closed = 0, asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        nonlocal given
        try:
            while True:
                given += 1
                yield bytes(1_000_000)
        finally:
            closed.set()

    async def answer(incoming: Incoming) -> Reply:
        return Reply(200, endless())

    async with serving(answer) as server:
        async with server.connected(limit=1000) as (reader, writer):
            writer.write(server.get("/"))
            await reader.readline()
            before = -1
            while before != given:  # until it stands still
                before = given
                assert (await server.talk(b"nonsense\r\n\r\n")).startswith(b"HTTP/1.1 400")
        async with asyncio.timeout(20):
            await closed.wait()

    assert given < 50
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]
