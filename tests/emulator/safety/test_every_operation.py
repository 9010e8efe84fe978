"""Every row of the operation tables, asked as a client would and then with things wrong.

A request is made for each row, signed with the key or by a SAS, so that it reaches the row's
handler; what is mutated is its query, headers, body, method and signature. Whatever comes of
it is a documented answer: never an internal error, never a wait. In process, so that thousands
of requests take seconds; ``test_hostile_requests`` sends its own over the wire.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, Final
from urllib.parse import parse_qsl, quote

import pytest
from azure.storage.blob import generate_account_sas
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from triggerfish_storage.account import StorageAccount
from triggerfish_storage.blobs.append_blobs import create_append_blob
from triggerfish_storage.blobs.model import Draft
from triggerfish_storage.blobs.operations import OPERATIONS as BLOB_OPERATIONS
from triggerfish_storage.blobs.page_blobs import create_page_blob
from triggerfish_storage.errors import StorageError
from triggerfish_storage.protocol.accounts import DEFAULT_ACCOUNT, DEFAULT_KEY, Accounts
from triggerfish_storage.protocol.auth import ServiceName, Signed, authorization, decode_key
from triggerfish_storage.protocol.dates import http_date
from triggerfish_storage.protocol.operations import BytesBody, Call, Operation, Reply
from triggerfish_storage.protocol.service import Service
from triggerfish_storage.protocol.steps import Endpoint, Incoming
from triggerfish_storage.queues.operations import OPERATIONS as QUEUE_OPERATIONS
from triggerfish_storage.server import open_account, services
from triggerfish_storage.tables.edm import Property
from triggerfish_storage.tables.entity import Keys
from triggerfish_storage.tables.operations import OPERATIONS as TABLE_OPERATIONS
from triggerfish_storage.tables.rows import insert
from triggerfish_storage.testing import START, ManualClock

EXAMPLES: Final = int(os.environ.get("TRIGGERFISH_FUZZ", "20"))
ANSWER_SECONDS: Final = 10
NOT_IMPLEMENTED: Final = {501}  # a documented answer, not a bug
KEY: Final = decode_key(DEFAULT_KEY)
BATCH: Final = "multipart/mixed; boundary=b"
COPIED: Final = "http://127.0.0.1:1/devstoreaccount1/data/block"  # where nobody listens
TAGGED: Final = Draft(tags={"a": "b"})
TABLES: Final[Mapping[ServiceName, Sequence[Operation[Any]]]] = {
    "blob": BLOB_OPERATIONS,
    "queue": QUEUE_OPERATIONS,
    "table": TABLE_OPERATIONS,
}
ROWS: Final[Mapping[tuple[ServiceName, int], Operation[Any]]] = {
    (service, number): row for service, rows in TABLES.items() for number, row in enumerate(rows)
}
LEASE: Final = "11111111-2222-3333-4444-555555555555"


@dataclass(frozen=True)
class Request:
    """A request before it is signed; the query is that of its operation, not of a SAS."""

    service: ServiceName
    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


# --- a request as it should be ----------------------------------------------------------------

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


def proper(service: ServiceName, row: Operation[Any]) -> Request:
    """Return a request that reaches a row's handler, and mostly does what it says."""
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


# --- what goes wrong --------------------------------------------------------------------------

TEXTS: Final = st.one_of(
    st.sampled_from(
        [
            *("", "0", "1", "-1", "32", "512", "5001", "4294967296", "9" * 19, "9" * 400, "1e9"),
            *("true", "false", "*", '"0x1"', 'W/"a"', "acquire", "break", "all", "include", "Hot"),
            *("bytes=0-511", "bytes=0-", "bytes=-5", "bytes=5-1", "bytes=0-1,3-4", "bytes=a-b"),
            *(f"bytes=0-{2**63}", f"bytes={2**63}-{2**64}", "bytes=", "YQ==", "YQ", "====", "%"),
            *("AAAAAAAAAAAAAAAAAAAAAA==", "Wed, 01 May 2024 12:00:00 GMT", "2024-05-01T12:00:00Z"),
            *("Wed, 99 May 99999 99:99:99 GMT", "9999-12-31T23:59:59.9999999Z", "0000-00-00"),
            *("a=b", "a = 'b'", "\"a\" > '1' AND", "PartitionKey eq 'p'", "(" * 500, "not " * 900),
            *("a eq datetime'9999-12-31T23:59:59-14:00'", "x lt 1e999", "x eq X'f'", "' or 1=1"),
            *("http://[", "http://127.0.0.1:1/devstoreaccount1/data/block", "file:///etc/passwd"),
            *("../../..", "1!4!YQ--", "1!0!", "2024-05-01T12:00:00.0000000Z", "x" * 5000, "{}"),
            *("WyJhIiwgMWU0MDBd", "WzEsIDJd", "MDE=", LEASE, "update", "clear", "max", "increment"),
            *(BATCH, "application/json;odata=fullmetadata", "%%", "a/b", "snapshots,deleted", "é"),
            *("Thu, 01 Jan 1970 00:00:00 GMT", "Mon, 31 Dec 9999 23:59:59 GMT", "NeverExpire"),
            "XSM/1.0; properties=crc64",
        ]
    ),
    st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=30),
    st.integers(-(2**70), 2**70).map(str),
)
PARAMETERS: Final = (
    *("comp", "restype", "prefix", "delimiter", "marker", "maxresults", "include", "snapshot"),
    *("versionid", "prevsnapshot", "blockid", "blocklisttype", "where", "timeout", "copyid"),
    *("numofmessages", "visibilitytimeout", "messagettl", "popreceipt", "peekonly"),
    *("$filter", "$select", "$top", "$format", "nextpartitionkey", "nextrowkey", "nexttablename"),
)
SIGNATURE: Final = (
    *("sv", "ss", "srt", "sp", "se", "st", "spr", "sip", "sig", "si", "sr", "tn", "spk", "epk"),
    *("skoid", "sktid", "skt", "ske", "sks", "skv", "sdd", "saoid", "ses", "sduoid", "srh", "srq"),
)
# Not the length, which the transport has checked; test_hostile_requests sends wrong ones.
HEADERS: Final = (
    *("range", "x-ms-range", "if-match", "if-none-match", "if-modified-since", "x-ms-if-tags"),
    *("if-unmodified-since", "x-ms-lease-id", "x-ms-lease-action", "x-ms-lease-duration"),
    *("x-ms-lease-break-period", "x-ms-proposed-lease-id", "x-ms-meta-a", "x-ms-meta-"),
    *("x-ms-tags", "x-ms-access-tier", "x-ms-blob-type", "x-ms-blob-content-length"),
    *("x-ms-blob-sequence-number", "x-ms-sequence-number-action", "content-md5"),
    *("x-ms-page-write", "x-ms-delete-snapshots", "x-ms-content-crc64", "x-ms-copy-source"),
    *("x-ms-source-range", "x-ms-source-content-md5", "x-ms-legal-hold", "content-type"),
    *("x-ms-blob-condition-appendpos", "x-ms-blob-condition-maxsize", "x-ms-version", "x-ms-date"),
    *("x-ms-range-get-content-md5", "x-ms-range-get-content-crc64", "x-ms-blob-public-access"),
    *("x-ms-immutability-policy-until-date", "x-ms-immutability-policy-mode", "x-http-method"),
    *("x-ms-encryption-key", "x-ms-encryption-scope", "prefer", "accept", "origin", "host"),
    *("access-control-request-method", "x-ms-client-request-id", "x-ms-blob-content-md5"),
    *("x-ms-if-sequence-number-le", "x-ms-requires-sync", "x-ms-rehydrate-priority", "date"),
    *("x-ms-source-if-match", "x-ms-copy-source-authorization", "x-ms-expiry-option"),
    *("authorization", "content-encoding", "x-ms-blob-content-type", "dataserviceversion"),
    *("x-ms-structured-body", "x-ms-structured-content-length", "x-ms-source-content-crc64"),
    *("x-ms-access-tier-if-modified-since", "x-ms-blob-if-match", "x-ms-blob-if-modified-since"),
)
PLACES: Final = ("data", "orders", "people", "block", "append", "page", "'p'", "'r'", "/", "1")
BODIES: Final = (
    *(body for body in _BODIES.values()),
    *(b"", b"[" * 50_000, b'{"a":' * 5_000, b"<a>" * 20_000, bytes(512), b"\xef\xbb\xbf{}"),
    b'{"PartitionKey":"p","RowKey":"s","At@odata.type":"Edm.DateTime","At":"99999"}',
    b'{"PartitionKey":"p","RowKey":"s","A@odata.type":{},"A":[1]}',
    b'{"PartitionKey":"p","RowKey":"\\ud800","A":1e999}',
    b"<!DOCTYPE a [<!ENTITY b 'c'><!ENTITY d '&b;&b;&b;&b;'>]><BlockList>&d;</BlockList>",
    b"<?xml version='1.0' encoding='utf-16'?><BlockList/>",
    b"<?xml version='1.0' encoding='no-such'?><BlockList/>",
)


@st.composite
def mutated(draw: Any, request: Request) -> Request:
    """Return the request with a few things wrong, or none."""
    query, headers = dict(request.query), dict(request.headers)
    path, body, method = request.path, request.body, request.method
    for _ in range(draw(st.sampled_from([0, 1, 1, 2, 3]))):
        match draw(
            st.sampled_from(["query", "query", "header", "header", "body", "path", "other"])
        ):
            case "query":
                name = draw(st.sampled_from([*query, *PARAMETERS]))
                query[name] = draw(TEXTS)
            case "header":
                name = draw(st.sampled_from([*headers, *HEADERS]))
                headers[name] = draw(TEXTS)
            case "body":
                body = draw(spoilt(body))
            case "path":
                path = path.replace(draw(st.sampled_from(PLACES)), draw(TEXTS), 1)
            case "method":
                method = draw(st.sampled_from(["GET", "PUT", "POST", "DELETE", "PATCH", "OPTIONS"]))
    return replace(request, method=method, path=path, query=query, headers=headers, body=body)


@st.composite
def spoilt(draw: Any, body: bytes) -> bytes:
    """A body that belongs somewhere else, or this one with bytes that don't."""
    data = bytearray(draw(st.sampled_from([body, body, *BODIES])))
    for _ in range(draw(st.sampled_from([0, 1, 3]))):
        if data:
            data[draw(st.integers(0, len(data) - 1))] = draw(st.integers(0, 255))
    return bytes(data)


# --- signing ----------------------------------------------------------------------------------


def with_key(request: Request) -> Incoming:
    headers = sent_headers(request)
    path = target_path(request)
    signed = Signed(request.method, DEFAULT_ACCOUNT, path, dict(request.query), headers)
    headers.setdefault("authorization", authorization(signed, KEY, service=request.service))
    return incoming(request, request.query, headers)


def with_sas(request: Request, changes: Mapping[str, str | None]) -> Incoming:
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
    return incoming(request, {**request.query, **given}, sent_headers(request))


def sent_headers(request: Request) -> dict[str, str]:
    return {
        "host": "127.0.0.1",
        "x-ms-date": http_date(START),
        "x-ms-version": "2021-12-02",
        "content-length": str(len(request.body)),
        **{name: value.strip() for name, value in request.headers.items()},
    }


def target_path(request: Request) -> str:
    return quote(f"/{DEFAULT_ACCOUNT}{request.path}".encode(), safe="/%$'(),=:;@!*+-._~")


def incoming(request: Request, query: Mapping[str, str], headers: Mapping[str, str]) -> Incoming:
    raw = "&".join(f"{quote(n, safe='$')}={quote(v, safe='')}" for n, v in query.items())
    target = target_path(request) + (f"?{raw}" if raw else "")
    fields = [(name.encode(), value.encode()) for name, value in headers.items()]
    body = BytesBody(request.body)
    return Incoming(request.method, target, fields, body, "http", "127.0.0.1", keeps_alive=True)


# --- the account under test -------------------------------------------------------------------


class Asked:
    """The endpoints of an account, and which rows' handlers were reached."""

    def __init__(self, account: StorageAccount) -> None:
        self.account = account
        self.reached: set[tuple[ServiceName, int]] = set()
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

    async def send(self, request: Request, sent: Incoming) -> int:
        """Return the status, once the whole answer was read."""
        async with asyncio.timeout(ANSWER_SECONDS):
            answer = await self.endpoints[request.service].answer(sent)
            if not isinstance(answer.reply.body, bytes):
                async for _ in answer.reply.body:
                    pass
        return answer.reply.status

    async def restore(self) -> None:
        """Make what requests are about, where one before has taken it away or locked it up."""
        account, now = self.account, self.account.clock.now()
        making: list[Awaitable[object]] = [
            account.queues.create("orders"),
            account.tables.create("people"),
            account.database.write(add_entity),
        ]
        for container in ("data", "$root"):
            page, append = (account.blobs.at(container, name) for name in ("page", "append"))
            making += [
                account.blobs.create_container(container, now=now),
                account.blobs.put(container, "block", b"x" * 600, TAGGED, now=now),
                account.blobs.write(creating(create_append_blob, append, TAGGED)),
                account.blobs.write(creating(create_page_blob, page, 1024, 0, TAGGED)),
            ]
        for made in making:
            with suppress(StorageError):
                await made


def creating(rule: Callable[..., object], *arguments: object) -> Callable[[Any], object]:
    return lambda tx: rule(tx, *arguments, now=START)


def add_entity(tx: sqlite3.Connection) -> None:
    insert(
        tx, DEFAULT_ACCOUNT, "people", Keys("p", "r"), {"A": Property("Edm.Int32", 1)}, now=START
    )


@pytest.fixture
async def asked() -> AsyncIterator[Asked]:
    async with open_account(None, clock=ManualClock()) as account:
        yield Asked(account)


async def test_every_row_is_reached_by_a_proper_request(asked: Asked) -> None:
    for (service, number), row in ROWS.items():
        await asked.restore()
        request = proper(service, row)

        status = await asked.send(request, with_key(request))

        assert (service, number) in asked.reached, (row, status)
        assert status < 500 or status in NOT_IMPLEMENTED, (row, status)


@pytest.mark.slow
@pytest.mark.timeout(120 + EXAMPLES)
@pytest.mark.parametrize("key", ROWS, ids=lambda key: f"{key[0]}-{key[1]}-{ROWS[key].name}")
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
async def test_a_request_with_things_wrong_gets_a_documented_answer(
    asked: Asked, key: tuple[ServiceName, int], data: st.DataObject
) -> None:
    request = data.draw(mutated(proper(key[0], ROWS[key])))
    await asked.restore()
    if data.draw(st.sampled_from(["key", "key", "sas"])) == "key":
        sent = with_key(request)
    else:
        spoils = st.dictionaries(st.sampled_from(SIGNATURE), st.none() | TEXTS, max_size=2)
        sent = with_sas(request, data.draw(spoils))

    status = await asked.send(request, sent)

    assert status < 500 or status in NOT_IMPLEMENTED, sent
