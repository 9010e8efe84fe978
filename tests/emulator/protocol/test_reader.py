"""Bytes to requests: the same ones however the bytes arrive, and no two readings of any.

All of it holds where the compiled part reads plain heads, and where the parser reads every one.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from contextlib import aclosing
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triggerfish_storage.errors import StorageError
from triggerfish_storage.protocol import reader as reader_module
from triggerfish_storage.protocol.blocks import BLOCK_BYTES, Blocks
from triggerfish_storage.protocol.body import LANDED_BYTES, Body
from triggerfish_storage.protocol.operations import Link
from triggerfish_storage.protocol.reader import RequestReader

LONG = b"x" * 100_000
CHUNKED = b"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
STREAM = (
    b"GET /a?b=%20c HTTP/1.1\r\nHost: h\r\nx-ms-Meta-A:  v \r\nx-ms-meta-b: \xc3\xa9\r\n\r\n"
    b"PUT /b HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello"
    b"POST /c HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"5;x=y\r\nhello\r\n1\r\n!\r\n0\r\nx-ms-date: late\r\n\r\n"
    b"PUT /d HTTP/1.1\r\nUpgrade: h2c\r\nConnection: Upgrade\r\nContent-Length: 3\r\n\r\nabc"
    b"PUT /e HTTP/1.1\r\nContent-Length: 100000\r\n\r\n" + LONG + b"\r\n"
    b"MERGE http://h:1/f HTTP/1.1\r\n\r\n"
    b"DELETE /g HTTP/1.1\r\nConnection: close\r\n\r\nGET /never HTTP/1.1\r\n\r\n"
)
REQUESTS = [
    ("GET", "/a?b=%20c", b""),
    ("PUT", "/b", b"hello"),
    ("POST", "/c", b"hello!"),
    ("PUT", "/d", b"abc"),
    ("PUT", "/e", LONG),
    ("MERGE", "http://h:1/f", b""),
    ("DELETE", "/g", b""),
]


@pytest.fixture(scope="module", autouse=True, params=["compiled", "parser alone"])
def way(request: pytest.FixtureRequest) -> Iterator[None]:
    """How plain heads are read."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "parser alone":
            patch.setattr(reader_module, "read_head", None)
        elif reader_module.read_head is None:
            pytest.skip("no compiler was there when this was installed")
        yield


class Flow:
    """A connection that reads on anyway."""

    def wants_more(self, body: Body) -> None:
        pass


def reader_of(*pieces: bytes) -> RequestReader:
    reader = RequestReader(Flow(), Blocks(), link=Link())
    for piece in pieces:
        reader.feed(piece)
    return reader


def random_bytes(size: int) -> bytes:
    return random.Random(size).randbytes(size)


async def read(reader: RequestReader) -> list[tuple[str, str, bytes]]:
    return [
        (incoming.method, incoming.target, await incoming.body.read(10_000_000))
        for incoming, _ in reader.requests
    ]


@given(cuts=st.lists(st.integers(0, len(STREAM)), max_size=12))
async def test_requests_are_the_same_however_they_arrive(cuts: list[int]) -> None:
    marks = [0, *sorted(cuts), len(STREAM)]

    reader = reader_of(*(STREAM[start:end] for start, end in pairwise(marks)))

    assert await read(reader) == REQUESTS
    assert (reader.is_over, reader.problem) == (True, "")


async def test_requests_are_the_same_byte_by_byte() -> None:
    reader = reader_of(*(STREAM[at : at + 1] for at in range(len(STREAM))))

    assert await read(reader) == REQUESTS


def test_headers_are_by_lower_case_name_without_space_around_them() -> None:
    incoming, _ = reader_of(STREAM).requests[0]

    assert incoming.headers == {"host": "h", "x-ms-meta-a": "v", "x-ms-meta-b": "é"}


def test_metadata_is_as_sent() -> None:
    incoming, _ = reader_of(STREAM).requests[0]

    assert incoming.metadata == [(b"x-ms-Meta-A", b"v"), (b"x-ms-meta-b", b"\xc3\xa9")]


def test_values_of_a_repeated_header_are_joined() -> None:
    [(incoming, _)] = reader_of(b"GET / HTTP/1.1\r\nA: 1\r\nb: 2\r\na: 3\r\n\r\n").requests

    assert incoming.headers == {"a": "1,3", "b": "2"}


def test_what_stands_behind_the_last_chunk_is_no_header() -> None:
    chunked, _ = reader_of(STREAM).requests[2]

    assert chunked.headers == {"transfer-encoding": "chunked"}


@given(
    size=st.integers(LANDED_BYTES, 2 * BLOCK_BYTES + 1),
    early=st.integers(0, 100_000),
    step=st.integers(1_000, 3 * BLOCK_BYTES),
)
async def test_a_large_body_lands_in_blocks_and_not_a_byte_too_many(
    size: int, early: int, step: int
) -> None:
    content, behind = random_bytes(size), b"GET /next HTTP/1.1\r\n\r\n"
    head = b"PUT / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % size
    reader = reader_of(head + content[:early])
    rest = memoryview(content[early:] + behind)

    while rest:
        room = reader.room()
        if room is None:
            reader.feed(bytes(rest[:step]))
            rest = rest[step:]
        else:
            taken = min(len(room), step, len(rest))
            room[:taken] = rest[:taken]
            reader.landed(taken)
            rest = rest[taken:]

    assert await read(reader) == [("PUT", "/", content), ("GET", "/next", b"")]


async def test_memory_that_was_lent_is_used_again_and_its_reader_sees_no_more_of_it() -> None:
    blocks = Blocks()
    reader = RequestReader(Flow(), blocks, link=Link())
    reader.feed(b"PUT / HTTP/1.1\r\nContent-Length: 200000\r\n\r\n")
    room = reader.room()
    assert room is not None
    room[:] = LONG * 2
    reader.landed(200_000)
    _, body = reader.requests[0]

    pieces = body.chunks()
    lent = await anext(pieces)
    assert lent == LONG * 2
    assert await anext(pieces, None) is None

    assert blocks.take() is room.obj
    with pytest.raises(ValueError, match="released"):
        bytes(lent)


async def test_memory_is_not_used_again_while_a_reader_that_was_cancelled_may_look_at_it() -> None:
    blocks = Blocks()
    reader = RequestReader(Flow(), blocks, link=Link())
    reader.feed(b"PUT / HTTP/1.1\r\nContent-Length: 100000\r\n\r\n")
    reader.feed(LONG)
    _, body = reader.requests[0]

    async with aclosing(body.chunks()) as pieces:
        lent = await anext(pieces)

    assert lent == LONG
    assert blocks.take() is not lent.obj


async def test_what_nobody_reads_is_received_in_large_pieces_all_the_same() -> None:
    size = 2 * BLOCK_BYTES
    reader = reader_of(b"PUT / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % size)
    _, body = reader.requests[0]
    room = reader.room()
    assert room is not None
    reader.landed(len(room) - 1)

    async with asyncio.TaskGroup() as group:
        dropped = group.create_task(body.drop(within=10))
        await asyncio.sleep(0)
        left = reader.room()
        assert left is not None
        assert len(left) == BLOCK_BYTES
        reader.landed(len(left))
        reader.landed(1)

    assert dropped.result()


@pytest.mark.parametrize(
    "head",
    [
        b"PUT / HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
        b"PUT / HTTP/1.1\r\nContent-Length: 3, 3\r\n\r\nabc",
        b"PUT / HTTP/1.1\r\nContent-Length: +3\r\n\r\nabc",
        b"PUT / HTTP/1.1\r\nContent-Length: 18446744073709551616\r\n\r\n",
        b"PUT / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
        b"PUT / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        b"PUT / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"PUT / HTTP/1.1\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        b"PUT / HTTP/1.1\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        b"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
        CHUNKED.replace(b"\r\n\r\n", b"\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n", 1),
        b"GET / HTTP/1.1\nHost: h\n\n",
        b"GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n",
        b"GET / HTTP/1.1\r\nA: b\x00c\r\n\r\n",
        b"GET /\r\n\r\n",
        b"GET / HTTP/2.0\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET / HTTP/1.1\r\n: a\r\n\r\n",
    ],
)
async def test_what_could_be_read_in_two_ways_is_no_request(head: bytes) -> None:
    good = b"GET /good HTTP/1.1\r\n\r\n"

    reader = reader_of(good + head + good)

    assert await read(reader) == [("GET", "/good", b"")]
    assert reader.problem
    assert reader.is_over


async def test_a_chunk_that_is_none_fails_its_body() -> None:
    reader = reader_of(
        b"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\na\r\n", b"nonsense\r\n"
    )
    incoming, body = reader.requests[0]

    with pytest.raises(StorageError, match="InvalidInput"):
        await body.read(100)
    assert not incoming.keeps_alive


async def test_a_body_that_ends_too_early_fails() -> None:
    reader = reader_of(b"PUT / HTTP/1.1\r\nContent-Length: 3\r\n\r\nab")
    _, body = reader.requests[0]

    reader.end()

    with pytest.raises(StorageError, match="announced length"):
        await body.read(100)


def head_of(size: int) -> bytes:
    start, end = b"GET / HTTP/1.1\r\nHost: h\r\nX: ", b"\r\n\r\n"
    return start + b"x" * (size - len(start) - len(end)) + end


@pytest.mark.parametrize("step", [1000, 10_000_000])
def test_a_head_has_a_limit_however_it_arrives(step: int) -> None:
    limit = reader_module.HEAD_LIMIT_BYTES
    for size, is_taken in ((limit - 100, True), (limit + 100, False), (limit * 5, False)):
        data = head_of(size)
        reader = reader_of(*(data[at : at + step] for at in range(0, len(data), step)))
        assert bool(reader.requests) is is_taken
        assert bool(reader.problem) is not is_taken


def test_a_head_has_so_many_headers_and_no_more() -> None:
    limit = reader_module.HEADERS_LIMIT
    for count, is_taken in ((limit, True), (limit + 1, False)):
        reader = reader_of(b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * count + b"\r\n")
        assert bool(reader.requests) is is_taken


@pytest.mark.parametrize("start", [b"0\r\nX: ", b"1;"])
async def test_what_stands_between_chunks_has_a_limit(start: bytes) -> None:
    reader = reader_of(b"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n" + start)
    for _ in range(reader_module.HEAD_LIMIT_BYTES // 1000 + 2):
        reader.feed(b"x" * 1000)
    _, body = reader.requests[0]

    with pytest.raises(StorageError, match="InvalidInput"):
        await body.read(100)
