"""Blobs far larger than the program may grow: in and out, by blocks and as one stream.

256 MiB by default; ``TRIGGERFISH_LARGE_BLOB_MIB=2048`` for the size that people ask about.
"""

from __future__ import annotations

import hashlib
import os
import random
from base64 import b64encode
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import pytest

if TYPE_CHECKING:
    from conftest import Client, Run

MEBIBYTE: Final = 1024 * 1024
SIZE_MIB: Final = int(os.environ.get("TRIGGERFISH_LARGE_BLOB_MIB", "256"))
BLOCK_MIB: Final = 16
MEMORY_LIMIT_BYTES: Final = 200 * MEBIBYTE

pytestmark = [pytest.mark.slow, pytest.mark.timeout(60 + SIZE_MIB)]


class Source:
    """The same pseudo-random bytes again and again, none of which lie in memory for long."""

    def __init__(self, first_mib: int, mebibytes: int) -> None:
        self.pieces = range(first_mib, first_mib + mebibytes)

    async def stream(self) -> AsyncIterator[bytes]:
        for number in self.pieces:
            yield piece(number)


def piece(number: int) -> bytes:
    return random.Random(number).randbytes(4096) * (MEBIBYTE // 4096)


def expected() -> str:
    digest = hashlib.sha256()
    for number in range(SIZE_MIB):
        digest.update(piece(number))
    return digest.hexdigest()


async def put(client: Client, path: str, source: Source, headers: dict[str, str]) -> None:
    length = {"content-length": str(len(source.pieces) * MEBIBYTE)}
    answer = await client.send("blob", "PUT", path, source.stream(), headers | length)
    assert answer.status == 201, answer


async def put_as_one_stream(client: Client) -> None:
    await put(client, "/data/large", Source(0, SIZE_MIB), {"x-ms-blob-type": "BlockBlob"})


async def put_by_blocks(client: Client) -> None:
    latest = ""
    for first in range(0, SIZE_MIB, BLOCK_MIB):
        block = b64encode(b"%08d" % first).decode()
        path = f"/data/large?comp=block&blockid={quote(block, safe='')}"
        await put(client, path, Source(first, min(BLOCK_MIB, SIZE_MIB - first)), {})
        latest += f"<Latest>{block}</Latest>"
    document = f"<BlockList>{latest}</BlockList>".encode()
    answer = await client.send("blob", "PUT", "/data/large?comp=blocklist", document)
    assert answer.status == 201, answer


async def received(client: Client) -> str:
    """Read the blob as one stream; return the digest of what came."""
    digest = hashlib.sha256()
    async with client.ask("blob", "GET", "/data/large") as response:
        assert response.status == 200
        assert int(response.headers["content-length"]) == SIZE_MIB * MEBIBYTE
        async for part in response.content.iter_chunked(MEBIBYTE):
            digest.update(part)
    return digest.hexdigest()


async def received_by_ranges(client: Client) -> str:
    """Read the blob in ranges that end within blocks; return the digest of what came."""
    digest = hashlib.sha256()
    step = 7 * MEBIBYTE + 13
    for start in range(0, SIZE_MIB * MEBIBYTE, step):
        headers = {"x-ms-range": f"bytes={start}-{start + step - 1}"}
        answer = await client.send("blob", "GET", "/data/large", b"", headers)
        assert answer.status == 206, answer.headers
        digest.update(answer.body)
    return digest.hexdigest()


@pytest.mark.parametrize("write", [put_as_one_stream, put_by_blocks])
async def test_a_large_blob_goes_in_and_out_in_little_memory(
    tmp_path: Path, run: Run, write: Any
) -> None:
    async with run(tmp_path / "data") as program, program.client() as client:
        await client.send("blob", "PUT", "/data?restype=container")
        await write(client)
        whole = expected()

        assert await received(client) == whole
        assert await received_by_ranges(client) == whole
        assert program.memory_bytes() < MEMORY_LIMIT_BYTES

        assert (await client.send("blob", "DELETE", "/data/large")).status == 202
    async with run(tmp_path / "data") as program:
        await program.check_files()
        assert program.content_files() == set()
