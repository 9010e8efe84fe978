"""Requests made of any operation and any values: never a 500, always a documented answer."""

import asyncio
import base64
import sqlite3
from collections.abc import Sequence
from datetime import datetime
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from triggerfish_storage.blobs import access
from triggerfish_storage.blobs.append_blobs import create_append_blob
from triggerfish_storage.blobs.blocks import put_block
from triggerfish_storage.blobs.model import Draft
from triggerfish_storage.blobs.operations import OPERATIONS
from triggerfish_storage.blobs.page_blobs import create_page_blob
from triggerfish_storage.blobs.store import BlobStore
from triggerfish_storage.changes import Changes
from triggerfish_storage.contents import Contents
from triggerfish_storage.database import open_database
from triggerfish_storage.protocol.accounts import DEFAULT_ACCOUNT, DEFAULT_KEY, Accounts
from triggerfish_storage.protocol.auth import Signed, authorization
from triggerfish_storage.protocol.operations import BytesBody
from triggerfish_storage.protocol.service import Service
from triggerfish_storage.protocol.steps import Endpoint, Incoming
from triggerfish_storage.testing import ManualClock

LEASE = "11111111-2222-3333-4444-555555555555"
TEXTS = st.one_of(
    st.sampled_from(
        [
            *("", "0", "1", "-1", "15", "512", "1024", "99999999999999999999", "true", "false"),
            *("*", '"0x1"', "acquire", "release", "update", "clear", "include", "all", "Hot"),
            *("bytes=0-511", "bytes=0-", "bytes=5-1", "Wed, 01 May 2024 12:00:00 GMT", "today"),
            *("2024-05-01T12:00:00.0000000Z", "a=b", "a = 'b'", LEASE, "Archive", "BlockBlob"),
            *("MDE=", "http://127.0.0.1:1/x", "http://[", "Locked", "page", "append", "snapshots"),
        ]
    ),
    st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=12),
)
NAMES = st.integers(0, 9).flatmap(
    lambda dice: (
        st.text(max_size=8)
        if dice == 0
        else st.sampled_from(["block", "append", "page", "staged", "missing"])
    )
)
CONTAINERS = st.sampled_from(["data"] * 8 + ["missing", "Bad--Name"])
HEADERS = (
    *("x-ms-range", "range", "if-match", "if-none-match", "if-modified-since", "x-ms-if-tags"),
    *("x-ms-lease-id", "x-ms-lease-action", "x-ms-lease-duration", "x-ms-lease-break-period"),
    *("x-ms-proposed-lease-id", "x-ms-meta-a", "x-ms-meta-", "x-ms-tags", "x-ms-access-tier"),
    *("x-ms-blob-type", "x-ms-blob-content-length", "x-ms-blob-sequence-number", "x-ms-version"),
    *("x-ms-sequence-number-action", "x-ms-page-write", "x-ms-delete-snapshots", "content-md5"),
    *("x-ms-content-crc64", "x-ms-copy-source", "x-ms-source-range", "x-ms-legal-hold"),
    *("x-ms-immutability-policy-until-date", "x-ms-immutability-policy-mode", "content-type"),
    *("x-ms-blob-condition-appendpos", "x-ms-blob-public-access", "x-ms-range-get-content-md5"),
    *("x-ms-blob-content-md5", "x-ms-if-sequence-number-le", "x-ms-requires-sync"),
)
PARAMETERS = (
    *("prefix", "delimiter", "marker", "maxresults", "include", "snapshot", "prevsnapshot"),
    *("blockid", "blocklisttype", "where", "deletetype", "timeout", "copyid"),
)
BODIES = st.one_of(
    st.sampled_from(
        [
            *(b"", b"x" * 512, b"<BlockList><Latest>MDE=</Latest></BlockList>", b"<"),
            b"<Tags><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tags>",
            b"<StorageServiceProperties><Cors/></StorageServiceProperties>",
            b"<SignedIdentifiers/>",
            b"--b\r\n\r\nDELETE /devstoreaccount1/data/block HTTP/1.1\r\n\r\n\r\n--b--",
        ]
    ),
    st.binary(max_size=40),
)


@st.composite
def requests(draw):
    row = draw(st.sampled_from(OPERATIONS))
    path = row.path
    path = path.replace("{container}", draw(CONTAINERS))
    for variable in ("{blob...}", "{blob}"):
        if variable in path:
            path = path.replace(variable, quote(draw(NAMES).encode("utf-8", "replace"), safe="/"))
    query = {name: draw(TEXTS) if value == "*" else value for name, value in row.query.items()}
    query |= draw(st.dictionaries(st.sampled_from(PARAMETERS), TEXTS, max_size=1))
    headers = {n: draw(TEXTS) if v == "*" else v for n, v in row.headers.items()}
    headers |= draw(st.dictionaries(st.sampled_from(HEADERS), TEXTS, max_size=2))
    return row.method, path, query, headers, draw(BODIES)


def incoming(method: str, path: str, query, headers, body: bytes) -> Incoming:
    parameters = "&".join(f"{name}={quote(value, safe='')}" for name, value in query.items())
    sent = {"host": "here", "x-ms-date": "Wed, 01 May 2024 12:00:00 GMT", **headers}
    sent["content-length"] = str(len(body))
    raw = [(name.encode(), value.strip().encode()) for name, value in sent.items()]
    seen = {name: value.strip() for name, value in sent.items()}
    signed = Signed(method, DEFAULT_ACCOUNT, f"/{DEFAULT_ACCOUNT}{path}", query, seen)
    key = base64.b64decode(DEFAULT_KEY)
    raw.append((b"authorization", authorization(signed, key, service="blob").encode()))
    target = f"/{DEFAULT_ACCOUNT}{path}" + (f"?{parameters}" if parameters else "")
    return Incoming(method, target, raw, BytesBody(body), "http", "127.0.0.1", keeps_alive=True)


async def fill(store: BlobStore, now: datetime) -> None:
    await store.create_container("data", now=now)
    await store.put("data", "block", b"x" * 600, Draft(tags={"a": "b"}), now=now)
    staged = await store.prepare(b"staged")

    def rest(tx: sqlite3.Connection) -> None:
        create_append_blob(tx, store.at("data", "append"), Draft(), now=now)
        create_page_blob(tx, store.at("data", "page"), 1024, 0, Draft(), now=now)
        for name in ("staged", "block"):
            put_block(tx, store.at("data", name), "MDE=", staged, now=now)

    await store.write(rest)


async def answers(calls: Sequence[Incoming]) -> list[tuple[int, bytes]]:
    with TemporaryDirectory() as name:
        folder, clock = Path(name), ManualClock()
        migrations = files("triggerfish_storage") / "migrations"
        async with open_database(folder / "storage.db", migrations) as database:
            store = BlobStore(database, Contents(folder / "contents"), Changes())
            await fill(store, clock.now())
            service = Service(
                name="blob",
                operations=OPERATIONS,
                store=lambda account: store,
                resource=access.container_of,
                policies=access.stored_policies,
                public=access.is_public,
            )
            endpoint = Endpoint(service, Accounts(), clock)
            found = []
            for call in calls:
                answer = await endpoint.answer(call)
                body = answer.reply.body
                if not isinstance(body, bytes):
                    body = b"".join([piece async for piece in body])
                found.append((answer.reply.status, body))
            return found


def check(calls) -> None:
    for (method, path, query, headers, body), (status, _) in zip(
        calls, asyncio.run(answers([incoming(*call) for call in calls])), strict=True
    ):
        described = (method, path, query, headers, body)
        assert status < 500 or status == 501, described
        if query.get("comp") != "userdelegationkey":  # which is for tokens only
            assert status != 403, described  # the signature is good


FUZZING = {
    "deadline": None,
    "suppress_health_check": list(HealthCheck),
}


@settings(max_examples=10, **FUZZING)
@given(st.lists(requests(), min_size=5, max_size=15))
def test_no_request_is_a_bug(calls):
    check(calls)


@pytest.mark.slow
@pytest.mark.timeout(300)
@settings(max_examples=1000, **FUZZING)
@given(st.lists(requests(), min_size=5, max_size=15))
def test_no_request_is_a_bug_for_long(calls):
    check(calls)
