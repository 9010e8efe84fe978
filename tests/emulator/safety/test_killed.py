"""Killed with SIGKILL at random moments under load: all that was acknowledged is there after it.

Every task owns one blob, entity or batch of them, or a queue's messages, and remembers two
things: what was acknowledged last, and what it has asked for since. After a kill, either may be
true, and nothing else. Most tasks send requests by hand, on connections of their own; one for
each service uses the official client.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import random
from base64 import b64encode
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote
from xml.etree import ElementTree

import aiohttp
import pytest
from azure.core.exceptions import ServiceRequestError, ServiceResponseError
from azure.data.tables.aio import TableServiceClient
from azure.storage.blob.aio import BlobServiceClient
from azure.storage.queue.aio import QueueServiceClient

if TYPE_CHECKING:
    from conftest import Client, Program, Run

KILLS: Final = int(os.environ.get("TRIGGERFISH_KILLS", "50"))
BLOBS: Final = 6
STAGED_BLOBS: Final = 3
ENTITIES: Final = 4
QUEUES: Final = 3
GONE: Final = ""  # the digest of what does not exist
JSON: Final = {"content-type": "application/json", "accept": "application/json;odata=nometadata"}
SIZES: Final = (0, 10, 5_000, 32_768, 32_769, 200_000, 2_500_000)
BATCH: Final = ("batch-1", "batch-2", "batch-3")  # the rows that change together
APPENDED: Final = "appended"  # the append blob
BY_CLIENT: Final = "by-client"  # the blob and the queue of the official clients
GONE_ERRORS: Final = (
    *(aiohttp.ClientError, ConnectionError),
    *(ServiceRequestError, ServiceResponseError),
)


class Memory:
    """What one key may hold: the value acknowledged last, and the one asked for since."""

    def __init__(self) -> None:
        self.acknowledged = GONE
        self.asked: str | None = None

    def allows(self, found: str) -> bool:
        return found == self.acknowledged or (self.asked is not None and found == self.asked)

    def settle(self, found: str) -> None:
        self.acknowledged, self.asked = found, None


class Load:
    """Concurrent clients, what they know, and how often they were answered."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        names = (BY_CLIENT, APPENDED, *(f"blob-{n}" for n in range(BLOBS)))
        self.blobs = {name: Memory() for name in names}
        self.appended, self.piece = b"", b""  # acknowledged, and asked for since
        self.staged = {f"staged/{n} é": Memory() for n in range(STAGED_BLOBS)}
        self.entities = {f"entity-{n}": Memory() for n in range(ENTITIES)}
        self.batch = Memory()
        self.messages: dict[str, Memory] = {}
        self.answers = 0
        self.kill_at = 0

    async def run(self, client: Client, program: Program) -> None:
        """Work until the process is gone; it is killed at a random answer."""
        self.answers, self.kill_at = 0, self.chance.randrange(1, 250)
        steps = [
            *((self._write_blob, client, f"blob-{number}") for number in range(BLOBS)),
            (self._append, client),
            *((self._write_blocks, client, name) for name in self.staged),
            *((self._write_entity, client, name) for name in self.entities),
            *((self._use_queue, client, f"queue-{number}") for number in range(QUEUES)),
        ]
        text = program.connection_string
        async with (
            BlobServiceClient.from_connection_string(
                text, retry_total=0, max_single_put_size=100_000, max_block_size=60_000
            ) as blobs,
            QueueServiceClient.from_connection_string(text, retry_total=0) as queues,
            TableServiceClient.from_connection_string(text, retry_total=0) as tables,
            asyncio.TaskGroup() as group,
        ):
            steps += [
                (self._upload, blobs),
                (self._send_and_take, queues),
                (self._write_batch, tables),
            ]
            for step, *arguments in steps:
                group.create_task(self._until_gone(program, step, *arguments))

    async def _until_gone(self, program: Program, step: Any, *arguments: Any) -> None:
        with suppress(*GONE_ERRORS):
            while True:
                await step(*arguments)
                self.answers += 1
                if self.answers == self.kill_at:
                    program.kill()

    async def _change(
        self, memory: Memory, value: str, client: Client, *request: Any, ok: int
    ) -> None:
        memory.asked = value
        answer = await client.send(*request)
        assert answer.status == ok, answer
        memory.settle(value)

    async def _write_blob(self, client: Client, name: str) -> None:
        memory, path = self.blobs[name], f"/data/{name}"
        if memory.acknowledged != GONE and self.chance.random() < 0.25:
            await self._change(memory, GONE, client, "blob", "DELETE", path, ok=202)
            return
        data = self.chance.randbytes(self.chance.choice(SIZES))
        headers = {"x-ms-blob-type": "BlockBlob"}
        await self._change(memory, digest(data), client, "blob", "PUT", path, data, headers, ok=201)

    async def _append(self, client: Client) -> None:
        """Add to an append blob, whose bytes are all that was ever acknowledged, in order."""
        memory, path = self.blobs[APPENDED], f"/data/{APPENDED}"
        if memory.acknowledged == GONE:
            headers = {"x-ms-blob-type": "AppendBlob"}
            request = ("blob", "PUT", path, b"", headers)
            await self._change(memory, digest(b""), client, *request, ok=201)
            return
        if memory.acknowledged != digest(self.appended):
            self.appended += self.piece  # it was done, and then the program was killed
        self.piece = self.chance.randbytes(self.chance.choice((*(100,) * 9, 33_000)))
        after = digest(self.appended + self.piece)
        request = ("blob", "PUT", f"{path}?comp=appendblock", self.piece)
        await self._change(memory, after, client, *request, ok=201)
        self.appended += self.piece

    async def _write_blocks(self, client: Client, name: str) -> None:
        memory, path = self.staged[name], "/data/" + quote(name)
        blocks = [self.chance.randbytes(self.chance.choice((1_000, 1_200_000))) for _ in range(3)]
        ids = [b64encode(b"%d" % number).decode() for number in range(len(blocks))]
        for block_id, block in zip(ids, blocks, strict=True):
            answer = await client.send(
                "blob", "PUT", f"{path}?comp=block&blockid={quote(block_id, safe='')}", block
            )
            assert answer.status == 201, answer
        names = "".join(f"<Latest>{block_id}</Latest>" for block_id in ids)
        document = f"<BlockList>{names}</BlockList>".encode()
        request = ("blob", "PUT", f"{path}?comp=blocklist", document)
        await self._change(memory, digest(b"".join(blocks)), client, *request, ok=201)

    async def _write_entity(self, client: Client, name: str) -> None:
        memory, path = self.entities[name], f"/people(PartitionKey='p',RowKey='{name}')"
        if memory.acknowledged != GONE and self.chance.random() < 0.25:
            headers = {**JSON, "if-match": "*"}
            await self._change(memory, GONE, client, "table", "DELETE", path, b"", headers, ok=204)
            return
        value = self.chance.randbytes(20).hex()
        body = json.dumps({"PartitionKey": "p", "RowKey": name, "Value": value}).encode()
        await self._change(memory, value, client, "table", "PUT", path, body, JSON, ok=204)

    async def _use_queue(self, client: Client, queue: str) -> None:
        """Put a message, and in one of three cases delete it again."""
        text = f"{queue} {self.chance.randbytes(self.chance.choice((8, 8, 2_000))).hex()}"
        memory = self.messages[text] = Memory()
        body = f"<QueueMessage><MessageText>{text}</MessageText></QueueMessage>".encode()
        memory.asked = text
        answer = await client.send("queue", "POST", f"/{queue}/messages", body)
        assert answer.status == 201, answer
        memory.settle(text)
        if self.chance.random() < 0.33:
            message = ElementTree.fromstring(answer.body.decode("utf-8-sig"))[0]
            receipt = quote(message.findtext("PopReceipt", ""), safe="")
            path = f"/{queue}/messages/{message.findtext('MessageId')}?popreceipt={receipt}"
            await self._change(memory, GONE, client, "queue", "DELETE", path, ok=204)

    async def _upload(self, client: BlobServiceClient) -> None:
        """Write a blob as the official client does: large ones by blocks."""
        memory = self.blobs[BY_CLIENT]
        data = self.chance.randbytes(self.chance.choice(SIZES))
        memory.asked = digest(data)
        blob = client.get_blob_client("data", BY_CLIENT)
        await blob.upload_blob(data, overwrite=True, length=len(data))
        memory.settle(digest(data))

    async def _send_and_take(self, client: QueueServiceClient) -> None:
        """Put a message, take one, change it, and delete it."""
        queue = client.get_queue_client(BY_CLIENT)
        text = f"{BY_CLIENT} {self.chance.randbytes(8).hex()}"
        memory = self.messages[text] = Memory()
        memory.asked = text
        await queue.send_message(text)
        memory.settle(text)
        async for message in queue.receive_messages(max_messages=1, visibility_timeout=1):
            changed = await queue.update_message(message, visibility_timeout=1)
            memory = self.messages[changed.content]
            memory.asked = GONE
            await queue.delete_message(changed)
            memory.settle(GONE)

    async def _write_batch(self, client: TableServiceClient) -> None:
        """Change several entities in one transaction."""
        value = self.chance.randbytes(20).hex()
        self.batch.asked = value
        changes = [
            ("upsert", {"PartitionKey": "b", "RowKey": row, "Value": value}) for row in BATCH
        ]
        await client.get_table_client("people").submit_transaction(changes)
        self.batch.settle(value)


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def queue_names() -> list[str]:
    return [BY_CLIENT, *(f"queue-{number}" for number in range(QUEUES))]


async def prepare(client: Client) -> None:
    answers = [
        await client.send("blob", "PUT", "/data?restype=container"),
        *[await client.send("queue", "PUT", f"/{queue}") for queue in queue_names()],
        await client.send("table", "POST", "/Tables", b'{"TableName":"people"}', JSON),
    ]
    assert {answer.status for answer in answers} == {201}


async def check_blobs(client: Client, load: Load) -> None:
    listing = await client.send("blob", "GET", "/data?restype=container&comp=list")
    root = ElementTree.fromstring(listing.body.decode("utf-8-sig"))
    listed = {element.text for element in root.iter("Name")}
    expected = set()
    for name, memory in {**load.blobs, **load.staged}.items():
        answer = await client.send("blob", "GET", "/data/" + quote(name))
        assert answer.status in (200, 404), answer
        found = digest(answer.body) if answer.status == 200 else GONE
        assert memory.allows(found), name
        memory.settle(found)
        expected |= {name} if found != GONE else set()
    assert listed == expected


async def check_entities(client: Client, load: Load) -> None:
    answer = await client.send("table", "GET", "/people()", b"", JSON)
    found = {row["RowKey"]: row["Value"] for row in json.loads(answer.body)["value"]}
    assert found.keys() <= {*load.entities, *BATCH}
    [together] = {found.get(row, GONE) for row in BATCH}
    assert load.batch.allows(together)
    load.batch.settle(together)
    for name, memory in load.entities.items():
        assert memory.allows(found.get(name, GONE)), name
        memory.settle(found.get(name, GONE))


async def check_messages(client: Client, load: Load) -> None:
    """Drain the queues; what is cleared at the end must not come back after the next kill."""
    found: list[str] = []
    for queue in queue_names():
        path = f"/{queue}/messages"
        answer = await client.send("queue", "GET", f"/{queue}?comp=metadata")
        left = int(answer.headers["x-ms-approximate-messages-count"])
        while left:  # one that was taken shows again within a second
            taken = f"{path}?numofmessages=32&visibilitytimeout=3600"
            answer = await client.send("queue", "GET", taken)
            root = ElementTree.fromstring(answer.body.decode("utf-8-sig"))
            texts = [element.text or "" for element in root.iter("MessageText")]
            found += texts
            left -= len(texts)
        assert (await client.send("queue", "DELETE", path)).status == 204
    assert len(found) == len(set(found))
    assert set(found) <= load.messages.keys()
    for text, memory in load.messages.items():
        assert memory.allows(text if text in found else GONE), text
        memory.settle(GONE)


@pytest.mark.slow
@pytest.mark.timeout(60 + 20 * KILLS)
async def test_nothing_acknowledged_is_lost_however_often_it_is_killed(
    tmp_path: Path, run: Run
) -> None:
    folder, load = tmp_path / "data", Load(seed=random.randrange(2**32))
    async with run(folder) as program, program.client() as client:
        await prepare(client)

    answered = 0
    for number in range(KILLS + 1):
        async with run(folder) as program, program.client() as client:
            await program.check_files()
            await check_blobs(client, load)
            await check_entities(client, load)
            await check_messages(client, load)
            if number < KILLS:
                await load.run(client, program)
                answered += load.answers

    assert answered > KILLS  # there was a load to be killed under
    assert "Traceback" not in (tmp_path / "log.txt").read_text(encoding="utf-8")
