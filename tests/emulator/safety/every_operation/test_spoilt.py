"""Every row of the operation tables, asked as a client would and then with things wrong.

Signed with the key or by a SAS, a request reaches its row's handler; what is mutated is its query,
headers, body, method and signature. Whatever comes of it is a documented answer: never an internal
error, never a wait.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from triggerfish_storage.protocol.operations import Operation

if TYPE_CHECKING:
    from conftest import Asked, Key, Request

EXAMPLES: Final = int(os.environ.get("TRIGGERFISH_FUZZ", "20"))
NOT_IMPLEMENTED: Final = {501}  # a documented answer, not a bug
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
            *("WyJhIiwgMWU0MDBd", "WzEsIDJd", "MDE=", "update", "clear", "max", "increment"),
            *("11111111-2222-3333-4444-555555555555", "multipart/mixed; boundary=b"),
            *("application/json;odata=fullmetadata", "%%", "a/b", "snapshots,deleted", "é"),
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
# Not the length, which the transport has checked; ``hostile`` sends wrong ones.
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
    *("x-ms-encryption-key-sha256", "x-ms-encryption-algorithm", "x-ms-source-encryption-key"),
    *("x-ms-default-encryption-scope", "x-ms-deny-encryption-scope-override"),
    *("access-control-request-method", "x-ms-client-request-id", "x-ms-blob-content-md5"),
    *("x-ms-if-sequence-number-le", "x-ms-requires-sync", "x-ms-rehydrate-priority", "date"),
    *("x-ms-source-if-match", "x-ms-copy-source-authorization", "x-ms-expiry-option"),
    *("authorization", "content-encoding", "x-ms-blob-content-type", "dataserviceversion"),
    *("x-ms-structured-body", "x-ms-structured-content-length", "x-ms-source-content-crc64"),
    *("x-ms-access-tier-if-modified-since", "x-ms-blob-if-match", "x-ms-blob-if-modified-since"),
)
PLACES: Final = ("data", "orders", "people", "block", "append", "page", "'p'", "'r'", "/", "1")
BODIES: Final = (
    *(b"", b"[" * 50_000, b'{"a":' * 5_000, b"<a>" * 20_000, bytes(512), b"\xef\xbb\xbf{}"),
    b'{"PartitionKey":"p","RowKey":"s","At@odata.type":"Edm.DateTime","At":"99999"}',
    b'{"PartitionKey":"p","RowKey":"s","A@odata.type":{},"A":[1]}',
    b'{"PartitionKey":"p","RowKey":"\\ud800","A":1e999}',
    b"<!DOCTYPE a [<!ENTITY b 'c'><!ENTITY d '&b;&b;&b;&b;'>]><BlockList>&d;</BlockList>",
    b"<?xml version='1.0' encoding='utf-16'?><BlockList/>",
    b"<?xml version='1.0' encoding='no-such'?><BlockList/>",
)


@st.composite
def mutated(draw: Any, request: Request, bodies: Sequence[bytes]) -> Request:
    """Return the request with a few things wrong, or none; ``bodies`` belong to any request."""
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
                body = draw(spoilt(body, bodies))
            case "path":
                path = path.replace(draw(st.sampled_from(PLACES)), draw(TEXTS), 1)
            case "method":
                method = draw(st.sampled_from(["GET", "PUT", "POST", "DELETE", "PATCH", "OPTIONS"]))
    return replace(request, method=method, path=path, query=query, headers=headers, body=body)


@st.composite
def spoilt(draw: Any, body: bytes, others: Sequence[bytes]) -> bytes:
    """A body that belongs somewhere else, or this one with bytes that don't."""
    data = bytearray(draw(st.sampled_from([body, body, *others])))
    for _ in range(draw(st.sampled_from([0, 1, 3]))):
        if data:
            data[draw(st.integers(0, len(data) - 1))] = draw(st.integers(0, 255))
    return bytes(data)


@pytest.mark.slow
@pytest.mark.timeout(120 + EXAMPLES)
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
async def test_a_request_with_things_wrong_gets_a_documented_answer(
    asked: Asked,
    rows: Mapping[Key, Operation[Any]],
    proper: Callable[[Key], Request],
    key: Key,
    data: st.DataObject,
) -> None:
    bodies = [*BODIES, *(body for each in rows if (body := proper(each).body))]
    request = data.draw(mutated(proper(key), bodies))
    await asked.restore()
    if data.draw(st.sampled_from(["key", "key", "sas"])) == "key":
        sent = request.with_key()
    else:
        spoils = st.dictionaries(st.sampled_from(SIGNATURE), st.none() | TEXTS, max_size=2)
        sent = request.with_sas(data.draw(spoils))

    status = await asked.send(key[0], sent)

    assert status < 500 or status in NOT_IMPLEMENTED, sent
