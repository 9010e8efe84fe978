"""Contents of blobs on their way up and down: piece by piece, whatever their size.

A file is replaced once all of a blob is there: what is cut off leaves it as it was.
"""

from __future__ import annotations

import secrets
import shutil
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final

from triggerfish.cli.blob_paths import BlobPath
from triggerfish.model import TriggerfishError
from triggerfish_storage.client import StorageClient
from triggerfish_storage.signed_requests import Stream
from triggerfish_storage.transfer.tally import Advance

PIECE_BYTES: Final = 1024 * 1024
BLOCK_BYTES: Final = 8 * 1024 * 1024
BLOCKS: Final = 50_000  # that a blob can have


async def upload(
    client: StorageClient,
    to: BlobPath,
    content: BinaryIO,
    *,
    size_bytes: int,
    content_type: str,
    advance: Advance,
) -> None:
    """Write a block blob: in one request, or from more than one piece by blocks.

    ``size_bytes`` is about what is to be expected; 0 where nobody knows.
    """
    block_bytes = max(BLOCK_BYTES, -(-size_bytes // BLOCKS))
    piece = content.read(block_bytes)  # on the loop's thread, which nobody else waits for
    if len(piece) < block_bytes:
        await client.put_blob(to.container, to.name, piece, content_type=content_type)
        advance(len(piece))
        return
    blocks: list[str] = []
    while piece:
        blocks.append(b64encode(f"{len(blocks):06}".encode()).decode())
        await client.put_block(to.container, to.name, blocks[-1], piece)
        advance(len(piece))
        piece = content.read(block_bytes)
    await client.put_block_list(to.container, to.name, blocks, content_type=content_type)


async def download(content: Stream, output: BinaryIO, advance: Advance) -> int:
    """Write a content to ``output``; return how many bytes it has."""
    size_bytes = 0
    while piece := await content.read(PIECE_BYTES):
        output.write(piece)
        advance(len(piece))
        size_bytes += len(piece)
    return size_bytes


@contextmanager
def replacing(file: Path) -> Iterator[BinaryIO]:
    """Give what is to become ``file`` once it is whole. Raises ``TriggerfishError``."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        if file.exists() and not file.is_file():  # a device or a pipe, which stays what it is
            with file.open("wb") as opened:
                yield opened
        else:
            with _beside(file.resolve()) as opened:
                yield opened
    except OSError as error:
        raise TriggerfishError(f"{file}: cannot be written ({error.strerror}).") from error


@contextmanager
def _beside(file: Path) -> Iterator[BinaryIO]:
    unfinished = file.with_name(f".{file.name}.{secrets.token_hex(4)}.partial")
    try:
        with unfinished.open("xb") as opened:
            yield opened
        if file.exists():
            shutil.copymode(file, unfinished)
        unfinished.replace(file)
    finally:
        unfinished.unlink(missing_ok=True)
