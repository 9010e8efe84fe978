"""A disk that fills: what cannot be kept is refused, what was acknowledged stays readable."""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

import pytest

if TYPE_CHECKING:
    from conftest import Client, Run

ANYWHERE: Final = ("--blob-port", "0", "--queue-port", "0", "--table-port", "0")
MEBIBYTE: Final = 1024 * 1024
BLOCKS: Final = b"<BlockList><Latest>MQ==</Latest><Latest>Mg==</Latest></BlockList>"
JSON: Final = {"content-type": "application/json", "accept": "application/json;odata=nometadata"}
BLOCK_BLOB: Final = {"x-ms-blob-type": "BlockBlob"}
TEXT: Final = b"<QueueMessage><MessageText>%b</MessageText></QueueMessage>"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 16 MiB, where this user may mount one."""
    if not sys.platform.startswith("linux") or os.geteuid() != 0:
        pytest.skip("only root may mount a small file system")
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(folder)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no file system can be mounted here: {error}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def fill(disk: Path) -> Path:
    """Use up what is left of the disk, as another program would."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (MEBIBYTE, 4096, 1):
            try:
                while file.write(bytes(size)) == size:
                    pass
            except OSError:
                continue
    return filler


class Account:
    """What was acknowledged, and what is asked of it."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.blobs: dict[str, str] = {}
        self.entities: set[str] = set()
        self.messages = 0

    async def prepare(self) -> None:
        answers = [
            await self.client.send("blob", "PUT", "/data?restype=container"),
            await self.client.send("queue", "PUT", "/orders"),
            await self.client.send("table", "POST", "/Tables", b'{"TableName":"people"}', JSON),
        ]
        assert {answer.status for answer in answers} == {201}

    async def put_blob(self, name: str, size: int) -> int:
        data = os.urandom(size)
        answer = await self.client.send("blob", "PUT", f"/data/{name}", data, BLOCK_BLOB)
        return self._noted(answer.status, answer.body, lambda: self._keep(name, data))

    async def put_blocks(self, name: str, size: int) -> int:
        """Stage a blob's halves and commit them; what is staged for it otherwise is forgotten."""
        data = os.urandom(size)
        for block, part in (("MQ==", data[: size // 2]), ("Mg==", data[size // 2 :])):
            path = f"/data/{name}?comp=block&blockid={quote(block, safe='')}"
            answer = await self.client.send("blob", "PUT", path, part)
            if answer.status != 201:
                return self._noted(answer.status, answer.body, None)
        answer = await self.client.send("blob", "PUT", f"/data/{name}?comp=blocklist", BLOCKS)
        return self._noted(answer.status, answer.body, lambda: self._keep(name, data))

    async def put_message(self, size: int) -> int:
        body = TEXT % (b"x" * size)
        answer = await self.client.send("queue", "POST", "/orders/messages", body)
        return self._noted(answer.status, answer.body, self._count)

    async def put_entity(self, key: str, size: int) -> int:
        body = b'{"Value":"%b"}' % (b"x" * size)
        path = f"/people(PartitionKey='p',RowKey='{key}')"
        answer = await self.client.send("table", "PUT", path, body, JSON)
        return self._noted(answer.status, answer.body, lambda: self.entities.add(key))

    def _keep(self, name: str, data: bytes) -> None:
        self.blobs[name] = hashlib.sha256(data).hexdigest()

    def _count(self) -> None:
        self.messages += 1

    def _noted(self, status: int, body: bytes, note: Callable[[], object] | None) -> int:
        assert b"Traceback" not in body
        if status < 300:
            assert note is not None
            note()
        else:
            assert status == 503, (status, body)
            assert b"ServerBusy" in body
        return status

    async def check(self) -> None:
        """Everything acknowledged is there."""
        for name, digest in self.blobs.items():
            answer = await self.client.send("blob", "GET", f"/data/{name}")
            assert (answer.status, hashlib.sha256(answer.body).hexdigest()) == (200, digest), name
        for key in self.entities:
            path = f"/people(PartitionKey='p',RowKey='{key}')"
            assert (await self.client.send("table", "GET", path, b"", JSON)).status == 200, key
        answer = await self.client.send("queue", "GET", "/orders?comp=metadata")
        assert answer.headers["x-ms-approximate-messages-count"] == str(self.messages)
        answer = await self.client.send("queue", "GET", "/orders/messages?peekonly=true")
        assert answer.status == 200

    async def write_until_refused(self, size: int) -> None:
        """Write blobs, messages and entities until each kind has been refused."""
        refused: set[str] = set()
        for number in range(3_000):
            if await self.put_blob(f"{size}-{number}", size) == 503:
                refused.add("blob")
            if await self.put_message(min(size, 40_000)) == 503:
                refused.add("message")
            if await self.put_entity(f"{size}-{number}", min(size, 30_000)) == 503:
                refused.add("entity")
            if await self.put_blocks(f"blocks-{number}", size) == 503:
                refused.add("blocks")
            if len(refused) == 4:
                return
        raise AssertionError(f"only refused: {refused}")

    async def write_all(self, name: str, size: int) -> None:
        """Write one of each kind, and all of it is taken."""
        statuses = [
            await self.put_blob(name, size),
            await self.put_message(min(size, 40_000)),
            await self.put_entity(name, min(size, 30_000)),
            await self.put_blocks(f"blocks-{name}", size),
        ]
        assert statuses == [201, 201, 204, 201]


def check_log(path: Path) -> None:
    """Refusals are lines of their own that say what and why, and no traceback is among them."""
    lines = path.read_text(encoding="utf-8").splitlines()
    assert lines
    stamped = re.compile(r"[\d-]+ [\d:,]+ (ERROR|WARNING) .*(full|No space left)")
    assert [line for line in lines if not stamped.match(line)] == []


async def test_a_disk_that_others_fill_refuses_writes_until_there_is_space(
    tmp_path: Path, small_disk: Path, run: Run
) -> None:
    async with run(small_disk / "data") as program, program.client() as client:
        account = Account(client)
        await account.prepare()
        await account.write_all("before", 200_000)
        filler = fill(small_disk)

        await account.write_until_refused(200_000)
        await account.check()

        filler.unlink()
        await account.write_all("after", 200_000)
        await account.check()
    check_log(tmp_path / "log.txt")


@pytest.mark.parametrize("size", [1_000, 30_000, 300_000, 2_000_000])
async def test_an_account_that_fills_its_disk_loses_nothing_acknowledged(
    tmp_path: Path, small_disk: Path, run: Run, size: int
) -> None:
    reserve = small_disk / "reserve"
    reserve.write_bytes(bytes(6 * MEBIBYTE))
    async with run(small_disk / "data") as program, program.client() as client:
        account = Account(client)
        await account.prepare()

        await account.write_until_refused(size)
        await account.check()
        await program.check_files()

        reserve.unlink()
        await account.write_all("after", size)
        await account.check()
    check_log(tmp_path / "log.txt")

    async with run(small_disk / "data") as program, program.client() as client:
        account.client = client
        await account.check()


async def test_what_is_deleted_is_room_at_once(small_disk: Path, run: Run) -> None:
    async with run(small_disk / "data") as program, program.client() as client:
        account = Account(client)
        await account.prepare()
        for number in range(6):
            assert await account.put_blob(f"{number}", MEBIBYTE) == 201
        filler = fill(small_disk)
        os.truncate(filler, filler.stat().st_size - 200_000)

        for name in list(account.blobs):
            assert (await client.send("blob", "DELETE", f"/data/{name}")).status == 202
            del account.blobs[name]
        statuses = {await account.put_message(40_000) for _ in range(10)}
        statuses.add(await account.put_blob("large", 3 * MEBIBYTE))

        assert statuses == {201}
        await account.check()


@pytest.mark.parametrize("left_bytes", [0, 20_000, 60_000])
async def test_a_first_start_on_a_full_disk_says_so_and_the_next_one_succeeds(
    small_disk: Path, run: Run, left_bytes: int
) -> None:
    filler = fill(small_disk)
    os.truncate(filler, filler.stat().st_size - left_bytes)
    command = (sys.executable, "-m", "triggerfish_storage", *ANYWHERE)
    process = await asyncio.create_subprocess_exec(
        *command, "--data", str(small_disk / "data"), stderr=asyncio.subprocess.PIPE
    )
    _, said = await process.communicate()

    assert process.returncode == 1
    assert re.search(rb"full|No space left", said)
    assert len(said.splitlines()) == 1
    assert b"another folder" in said

    filler.unlink()
    async with run(small_disk / "data") as program, program.client() as client:
        account = Account(client)
        await account.prepare()
        await account.write_all("after", 200_000)
        await account.check()


async def test_a_program_killed_on_a_full_disk_starts_again_with_all_of_it(
    tmp_path: Path, small_disk: Path, run: Run
) -> None:
    async with run(small_disk / "data") as program, program.client() as client:
        account = Account(client)
        await account.prepare()
        await account.write_until_refused(100_000)
        program.kill()

    for _ in range(2):
        async with run(small_disk / "data") as program, program.client() as client:
            account.client = client
            await account.check()
    check_log(tmp_path / "log.txt")
