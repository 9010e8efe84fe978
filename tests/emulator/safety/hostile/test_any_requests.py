"""Requests of the operation tables, then spoilt, to all three services of a running program.

Each is answered at once with a documented error (or done, where it happens to make sense); nothing
of it is logged as a bug, and the program's memory stays within a bound.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from triggerfish_storage.blobs.operations import OPERATIONS as BLOB_OPERATIONS
from triggerfish_storage.queues.operations import OPERATIONS as QUEUE_OPERATIONS
from triggerfish_storage.signed_requests import Request
from triggerfish_storage.tables.operations import OPERATIONS as TABLE_OPERATIONS

if TYPE_CHECKING:
    from conftest import Target

EXAMPLES: Final = int(os.environ.get("TRIGGERFISH_FUZZ", "60"))
OPERATIONS: Final = [
    *(("blob", row) for row in BLOB_OPERATIONS),
    *(("queue", row) for row in QUEUE_OPERATIONS),
    *(("table", row) for row in TABLE_OPERATIONS),
]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120 + 2 * EXAMPLES)]
NAMES: Final = {
    "{container}": ["data", "data", "data", "missing", "$root", "A--", "..", "%2e%2e%2fetc"],
    "{queue}": ["orders", "orders", "orders", "missing", "-", "..%2f..%2fetc", "é"],
    "{message}": ["00000000-0000-0000-0000-000000000001", "x", "%00", "é"],
    "{table}": ["people", "people", "people", "missing", "Tables", "1", "$metadata", "%27"],
    "{keys}": [
        "PartitionKey='p',RowKey='r'",
        "PartitionKey='p',RowKey=''''",
        "'people'",
        "PartitionKey='%2F..%2F',RowKey='%00'",
        "PartitionKey='",
        "",
    ],
    "{blob...}": ["block", "append", "page", "../../etc/passwd", "%2e%2e/%2e%2e/x", "a%00b"],
    "{blob}": ["block", "append", "page", "%2e%2e%5c..%5cx", "%ff%fe", "x" * 2000],
}
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
            *("multipart/mixed; boundary=b", "application/json;odata=fullmetadata", "%%", "a/b"),
        ]
    ),
    st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), max_size=30),
    st.integers(-(2**70), 2**70).map(str),
)
PARAMETERS: Final = (
    *("comp", "restype", "prefix", "delimiter", "marker", "maxresults", "include", "snapshot"),
    *("versionid", "prevsnapshot", "blockid", "blocklisttype", "where", "timeout", "copyid"),
    *("numofmessages", "visibilitytimeout", "messagettl", "popreceipt", "peekonly", "sv", "sig"),
    *("$filter", "$select", "$top", "$format", "nextpartitionkey", "nextrowkey", "nexttablename"),
)
HEADERS: Final = (
    *("range", "x-ms-range", "if-match", "if-none-match", "if-modified-since", "x-ms-if-tags"),
    *("x-ms-lease-id", "x-ms-lease-action", "x-ms-lease-duration", "x-ms-lease-break-period"),
    *("x-ms-proposed-lease-id", "x-ms-meta-a", "x-ms-meta-", "x-ms-tags", "x-ms-access-tier"),
    *("x-ms-blob-type", "x-ms-blob-content-length", "x-ms-blob-sequence-number", "content-md5"),
    *("x-ms-page-write", "x-ms-delete-snapshots", "x-ms-content-crc64", "x-ms-copy-source"),
    *("x-ms-source-range", "x-ms-legal-hold", "x-ms-blob-condition-appendpos", "content-type"),
    *("x-ms-blob-condition-maxsize", "x-ms-range-get-content-md5", "x-ms-version", "x-ms-date"),
    *("x-ms-immutability-policy-until-date", "x-ms-encryption-key", "x-http-method", "prefer"),
    *("accept", "origin", "access-control-request-method", "x-ms-client-request-id", "expect"),
    *("accept-encoding", "content-encoding", "transfer-encoding", "upgrade", "host", "cookie"),
)
DOCUMENTS: Final = [
    b"<QueueMessage><MessageText>hello</MessageText></QueueMessage>",
    b"<BlockList><Latest>YQ==</Latest><Committed>YQ==</Committed></BlockList>",
    (
        b"<SignedIdentifiers><SignedIdentifier><Id>a</Id><AccessPolicy><Expiry>x</Expiry>"
        b"<Permission>zz</Permission></AccessPolicy></SignedIdentifier></SignedIdentifiers>"
    ),
    (
        b"<StorageServiceProperties><Cors><CorsRule><AllowedOrigins>*</AllowedOrigins>"
        b"<MaxAgeInSeconds>x</MaxAgeInSeconds></CorsRule></Cors></StorageServiceProperties>"
    ),
    b"<Tags><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tags>",
    b"<KeyInfo><Start>2024-05-01T12:00:00Z</Start><Expiry>x</Expiry></KeyInfo>",
    b'{"PartitionKey":"p","RowKey":"r","Age":1,"Id@odata.type":"Edm.Int64","Id":"5"}',
    b'{"PartitionKey":"p","RowKey":"s","At@odata.type":"Edm.DateTime","At":"99999"}',
    b'{"TableName":"people"}',
    b'{"a":' * 2000,
    b"[" * 100_000,
    b"<a>" * 20_000,
    (
        b"--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n--c\r\n"
        b"Content-Type: application/http\r\n\r\n"
        b"PUT /people(PartitionKey='p',RowKey='r') HTTP/1.1\r\n"
        b"\r\n{}\r\n--c--\r\n--b--"
    ),
    (
        b"--b\r\nContent-Type: application/http\r\n\r\nDELETE /devstoreaccount1/data/x HTTP/1.1\r\n"
        b"\r\n\r\n--b--\r\n"
    ),
    bytes(512),
    b"",
]


@st.composite
def bodies(draw: Any) -> bytes:
    """A document that belongs somewhere, now and then with bytes that don't."""
    body = bytearray(draw(st.sampled_from(DOCUMENTS)))
    for _ in range(draw(st.sampled_from([0, 0, 1, 3]))):
        if body:
            body[draw(st.integers(0, len(body) - 1))] = draw(st.integers(0, 255))
    return bytes(body)


@st.composite
def requests(draw: Any) -> tuple[Request, int | None]:
    """A request for some operation, with some things wrong, and the length it announces."""
    service, row = draw(st.sampled_from(OPERATIONS))
    path = row.path
    for variable, names in NAMES.items():
        path = path.replace(variable, draw(st.sampled_from(names)))
    query = {name: draw(TEXTS) if value == "*" else value for name, value in row.query.items()}
    query |= draw(st.dictionaries(st.sampled_from(PARAMETERS), TEXTS, max_size=1))
    headers = {name: draw(TEXTS) if value == "*" else value for name, value in row.headers.items()}
    headers |= draw(st.dictionaries(st.sampled_from(HEADERS), TEXTS, max_size=2))
    methods = [row.method] * 40 + ["GET", "PUT", "POST", "DELETE", "OPTIONS", "TRACE", "x"]
    body = draw(bodies())
    wrong = draw(st.sampled_from([None] * 30 + [len(body) + 1, max(0, len(body) - 1)]))
    method = draw(st.sampled_from(methods))
    return Request(service, method, path, query, body, headers), wrong


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(sent=st.lists(requests(), min_size=10, max_size=30))
async def test_no_request_is_a_bug_hangs_or_fills_the_memory(
    target: Target, sent: list[tuple[Request, int | None]]
) -> None:
    for request, announced in sent:
        for status in await target.statuses(request, announced):
            assert status < 500 or status == 501, (request, announced)
    target.check()
