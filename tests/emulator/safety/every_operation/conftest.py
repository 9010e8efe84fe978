"""For every row of the operation tables a request as it should be, and an account to ask.

In process, so that thousands of requests take seconds; those in ``hostile`` go over the wire.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, Final
from urllib.parse import parse_qsl, quote

import pytest
from azure.storage.blob import generate_account_sas

from triggerfish_storage.account import StorageAccount
from triggerfish_storage.blobs.append_blobs import create_append_blob
from triggerfish_storage.blobs.model import Draft
from triggerfish_storage.blobs.operations import OPERATIONS as BLOB_OPERATIONS
from triggerfish_storage.blobs.page_blobs import create_page_blob
from triggerfish_storage.errors import StorageError
from triggerfish_storage.protocol.accounts import DEFAULT_ACCOUNT, DEFAULT_KEY, Accounts
from triggerfish_storage.protocol.auth import ServiceName, Signed, authorization, decode_key
from triggerfish_storage.protocol.dates import http_date
from triggerfish_storage.protocol.headers import by_name, metadata
from triggerfish_storage.protocol.operations import BytesBody, Call, Link, Operation, Reply
from triggerfish_storage.protocol.service import Service
from triggerfish_storage.protocol.steps import Endpoint, Incoming
from triggerfish_storage.queues.operations import OPERATIONS as QUEUE_OPERATIONS
from triggerfish_storage.server import open_account, services
from triggerfish_storage.tables.edm import Property
from triggerfish_storage.tables.entity import Keys
from triggerfish_storage.tables.operations import OPERATIONS as TABLE_OPERATIONS
from triggerfish_storage.tables.rows import insert
from triggerfish_storage.testing import START, ManualClock

ANSWER_SECONDS: Final = 10
KEY: Final = decode_key(DEFAULT_KEY)
BATCH: Final = "multipart/mixed; boundary=b"
COPIED: Final = "http://127.0.0.1:1/devstoreaccount1/data/block"  # where nobody listens
LEASE: Final = "11111111-2222-3333-4444-555555555555"
TAGGED: Final = Draft(tags={"a": "b"})
Key = tuple[ServiceName, int]  # a row of a service's table
TABLES: Final[Mapping[ServiceName, Sequence[Operation[Any]]]] = {
    "blob": BLOB_OPERATIONS,
    "queue": QUEUE_OPERATIONS,
    "table": TABLE_OPERATIONS,
}
ROWS: Final[Mapping[Key, Operation[Any]]] = {
    (service, number): row for service, rows in TABLES.items() for number, row in enumerate(rows)
}


@dataclass(frozen=True)
class Request:
    """A request before it is signed; the query is that of its operation, not of a SAS."""

    service: ServiceName
    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    def with_key(self) -> Incoming:
        """Sign with the account's key, unless a header says something else."""
        headers = self._sent_headers()
        signed = Signed(self.method, DEFAULT_ACCOUNT, self._path(), dict(self.query), headers)
        headers.setdefault("authorization", authorization(signed, KEY, service=self.service))
        return self._incoming(self.query, headers)

    def with_sas(self, changes: Mapping[str, str | None]) -> Incoming:
        """Sign by an account SAS that allows all; ``changes`` spoil it, None takes a field away."""
        token = generate_account_sas(
            DEFAULT_ACCOUNT,
            DEFAULT_KEY,
            resource_types="sco",  # type: ignore[arg-type]
            permission="rwdxylacuptfi",  # type: ignore[arg-type]
            expiry=START + timedelta(hours=1),
            services="bqt",  # type: ignore[arg-type]
        )
        fields: dict[str, str | None] = {**dict(parse_qsl(token)), **changes}
        given = {name: value for name, value in fields.items() if value is not None}
        return self._incoming({**self.query, **given}, self._sent_headers())

    def _sent_headers(self) -> dict[str, str]:
        return {
            "host": "127.0.0.1",
            "x-ms-date": http_date(START),
            "x-ms-version": "2021-12-02",
            "content-length": str(len(self.body)),
            **{name: value.strip() for name, value in self.headers.items()},
        }

    def _path(self) -> str:
        return quote(f"/{DEFAULT_ACCOUNT}{self.path}".encode(), safe="/%$'(),=:;@!*+-._~")

    def _incoming(self, query: Mapping[str, str], headers: Mapping[str, str]) -> Incoming:
        raw = "&".join(f"{quote(n, safe='$')}={quote(v, safe='')}" for n, v in query.items())
        target = self._path() + (f"?{raw}" if raw else "")
        sent = [(name.encode(), value.encode()) for name, value in headers.items()]
        body = BytesBody(self.body)
        named = by_name(sent)
        return Incoming(
            self.method, target, named, metadata(sent, named), body, Link(), keeps_alive=True
        )


_BLOBS: Final = {"Append": "append", "Page": "page", "Incremental": "page", "Undelete": "gone"}
_QUERY: Final = {
    "PutBlock": {"blockid": "MDE="},
    "PutBlockFromURL": {"blockid": "MDE="},
    "FindBlobsByTags": {"where": "a = 'b'"},
    "FindBlobsByTagsInContainer": {"where": "a = 'b'"},
    "ListBlobs": {"include": "metadata,snapshots,tags", "delimiter": "/"},
    "UpdateMessage": {"visibilitytimeout": "0", "popreceipt": "0000000000000001"},
    "DeleteMessage": {"popreceipt": "0000000000000001"},
    "QueryEntities": {"$filter": "PartitionKey eq 'p' and A gt 1", "$select": "A", "$top": "5"},
}
_LEASE: Final = {"x-ms-lease-action": "acquire", "x-ms-lease-duration": "15"}
_HEADERS: Final = {
    "LeaseContainer": _LEASE,
    "LeaseBlob": _LEASE,
    "SetBlobTier": {"x-ms-access-tier": "Hot"},
    "SetBlobLegalHold": {"x-ms-legal-hold": "false"},
    "SetBlobImmutabilityPolicy": {
        "x-ms-immutability-policy-until-date": "Wed, 01 May 2024 12:00:01 GMT"
    },
    "PutPage": {"x-ms-page-write": "update", "x-ms-range": "bytes=0-511"},
    "PutPageFromURL": {"x-ms-range": "bytes=0-511", "x-ms-source-range": "bytes=0-511"},
    "AbortCopyBlob": {"x-ms-copy-action": "abort"},
    "IncrementalCopyBlob": {"x-ms-copy-source": f"{COPIED}?snapshot=2024-05-01T12:00:00.0000000Z"},
    "BlobBatch": {"content-type": BATCH},
    "EntityGroupTransaction": {"content-type": BATCH},
}
_BODIES: Final = {
    "PutMessage": b"<QueueMessage><MessageText>hello</MessageText></QueueMessage>",
    "PutBlockList": b"<BlockList><Latest>MDE=</Latest></BlockList>",
    "SetBlobTags": b"<Tags><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tags>",
    "Properties": b"<StorageServiceProperties><Cors /></StorageServiceProperties>",
    "ACL": (
        b"<SignedIdentifiers><SignedIdentifier><Id>a</Id><AccessPolicy><Permission>r</Permission>"
        b"</AccessPolicy></SignedIdentifier></SignedIdentifiers>"
    ),
    "GetUserDelegationKey": (
        b"<KeyInfo><Start>2024-05-01T12:00:00Z</Start><Expiry>2024-05-02T12:00:00Z</Expiry>"
        b"</KeyInfo>"
    ),
    "PutPage": bytes(512),
    "CreateTable": b'{"TableName":"another"}',
    "InsertEntity": b'{"PartitionKey":"p","RowKey":"new","A":1}',
    "Entity": b'{"A":1,"B@odata.type":"Edm.Int64","B":"5"}',
    "BlobBatch": (
        b"--b\r\nContent-Type: application/http\r\nContent-ID: 0\r\n\r\n"
        b"DELETE /devstoreaccount1/data/block HTTP/1.1\r\n\r\n\r\n--b--\r\n"
    ),
    "EntityGroupTransaction": (
        b"--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n--c\r\n"
        b"Content-Type: application/http\r\n\r\n"
        b"PUT /people(PartitionKey='p',RowKey='r') HTTP/1.1\r\n\r\n{}\r\n--c--\r\n--b--"
    ),
    "AppendBlock": b"more",
    "PutBlob": b"content",
}


def _proper(service: ServiceName, row: Operation[Any]) -> Request:
    blob = next((name for word, name in _BLOBS.items() if word in row.name), "block")
    keys = "'people'" if row.path.startswith("/Tables") else "PartitionKey='p',RowKey='r'"
    creates = row.name in ("CreateContainer", "CreateQueue")
    path = row.path
    for variable, value in (
        ("{container}", "fresh" if creates else "data"),
        ("{queue}", "fresh" if creates else "orders"),
        *(("{blob...}", blob), ("{blob}", blob), ("{table}", "people"), ("{keys}", keys)),
        ("{message}", "00000000-0000-0000-0000-000000000001"),
    ):
        path = path.replace(variable, value)
    starred = {"copyid": LEASE, "x-ms-copy-source": COPIED}
    query = {name: starred.get(name, value) for name, value in row.query.items()}
    headers = {name: starred.get(name, value) for name, value in row.headers.items()}
    body = next((body for word, body in _BODIES.items() if word in row.name), b"")
    if row.headers.get("x-ms-blob-type") == "PageBlob":
        headers["x-ms-blob-content-length"] = "1024"
    if row.headers.get("x-ms-blob-type") in ("PageBlob", "AppendBlob") or "FromURL" in row.name:
        body = b""
    if row.method in ("GET", "HEAD"):
        body = b""
    return Request(
        service,
        row.method,
        path,
        query | _QUERY.get(row.name, {}),
        headers | _HEADERS.get(row.name, {}),
        body,
    )


class Asked:
    """The endpoints of an account, and which rows' handlers were reached."""

    def __init__(self, account: StorageAccount) -> None:
        self.account = account
        self.reached: set[Key] = set()
        self.endpoints = {
            name: Endpoint(self._watched(service), Accounts(), account.clock, accepts_bearer=True)
            for name, service in services(account).items()
        }

    def _watched(self, service: Service[Any]) -> Service[Any]:
        rows = [
            replace(row, handler=self._watching(service.name, number, row))
            for number, row in enumerate(service.operations)
        ]
        return replace(service, operations=rows)

    def _watching(self, service: ServiceName, number: int, row: Operation[Any]) -> Any:
        async def handler(call: Call, store: Any) -> Reply:
            self.reached.add((service, number))
            return await row.handler(call, store)

        return handler

    async def send(self, service: ServiceName, sent: Incoming) -> int:
        """Return the status, once the whole answer was read."""
        async with asyncio.timeout(ANSWER_SECONDS):
            _, reply = await self.endpoints[service].answer(sent)
            if not isinstance(reply.body, bytes):
                async for _ in reply.body:
                    pass
        return reply.status

    async def restore(self) -> None:
        """Make what requests are about, where one before has taken it away or locked it up."""
        account, now = self.account, self.account.clock.now()
        making: list[Awaitable[object]] = [
            account.queues.create("orders"),
            account.tables.create("people"),
            account.database.write(_add_entity),
        ]
        for container in ("data", "$root"):
            page, append = (account.blobs.at(container, name) for name in ("page", "append"))
            making += [
                account.blobs.create_container(container, now=now),
                account.blobs.put(container, "block", b"x" * 600, TAGGED, now=now),
                account.blobs.write(_creating(create_append_blob, append, TAGGED)),
                account.blobs.write(_creating(create_page_blob, page, 1024, 0, TAGGED)),
            ]
        for made in making:
            with suppress(StorageError):
                await made


def _creating(rule: Callable[..., object], *arguments: object) -> Callable[[Any], object]:
    return lambda tx: rule(tx, *arguments, now=START)


def _add_entity(tx: sqlite3.Connection) -> None:
    insert(
        tx, DEFAULT_ACCOUNT, "people", Keys("p", "r"), {"A": Property("Edm.Int32", 1)}, now=START
    )


@pytest.fixture
def rows() -> Mapping[Key, Operation[Any]]:
    """Every row of the operation tables."""
    return ROWS


@pytest.fixture(params=ROWS, ids=lambda key: f"{key[0]}-{key[1]}-{ROWS[key].name}")
def key(request: pytest.FixtureRequest) -> Any:
    """One row after the other."""
    return request.param


@pytest.fixture
def proper() -> Callable[[Key], Request]:
    """Return a request that reaches a row's handler, and mostly does what it says."""
    return lambda key: _proper(key[0], ROWS[key])


@pytest.fixture
async def asked() -> AsyncIterator[Asked]:
    async with open_account(None, clock=ManualClock()) as account:
        yield Asked(account)
