"""Whatever is asked of the Table service, the answer is well-formed and never an internal error."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

import pytest

from triggerfish_storage.tables.operations import OPERATIONS

if TYPE_CHECKING:
    from conftest import Raw

REQUESTS: Final = 80
VALUES: Final = (
    *("", "0", "-1", "1001", "99999999999999999999", "x", "'", "''", "a eq 1", "not", "((", "%"),
    *("PartitionKey eq 'p'", "x eq datetime'9999-12-31T23:59:59-14:00'", "x eq X'", "é", "\x7f"),
    *("1!4!YQ--", "1!0!", "1!x!", "TableName", "*", "a,b,,", "x" * 3000, "W/\"datetime'x'\""),
    *("application/json;odata=fullmetadata", "application/atom+xml", "return-content"),
    *("multipart/mixed; boundary=b", "multipart/mixed; boundary=", "MERGE", "DELETE"),
)
KEYS: Final = (
    "PartitionKey='p',RowKey='r'",
    "'people'",
    "",
    "x",
    "PartitionKey='(',RowKey=')'",
    "'",
)
TABLES: Final = ("people", "PEOPLE", "missing", "Tables", "$batch", "$metadata", "a-b", "é")
QUERY: Final = ("$filter", "$top", "$select", "$format", "nextpartitionkey", "nextrowkey", "comp")
HEADERS: Final = ("if-match", "prefer", "accept", "content-type", "x-http-method", "x-ms-version")
BODIES: Final = (
    None,
    b"",
    b"{}",
    b"[1]",
    b'{"PartitionKey":"p","RowKey":"r","a":1e999}',
    b'{"PartitionKey":"p","RowKey":"r","a":"\\ud800"}',
    b'{"PartitionKey":"p","RowKey":"r","a@odata.type":"Edm.DateTime","a":"0001-01-01T00:00:00Z"}',
    b'{"PartitionKey":"p","RowKey":"r","a@odata.type":{},"a":1}',
    b'{"TableName":"people"}',
    b"<SignedIdentifiers/>",
    b"--b\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nPUT x HTTP/1.1\n\n--b--\n--b--",
    b"--b\n\nGET people() HTTP/1.1\n\n--b--",
    b"--b\n\nGET http://[/people?$filter=a HTTP/1.1\n\n--b--",
    b"--b\nContent-Type: multipart/mixed; boundary=c\n\n--c\n\nPUT [/x HTTP/1.1\n\n--c--\n--b--",
    b"\xff\x00" * 50,
)


def spoilt(chance: random.Random) -> tuple[str, str, dict[str, str], bytes | None]:
    """Return a request for some operation (method, target, headers, body) with things wrong."""
    row = chance.choice(OPERATIONS)
    path = row.path.replace("{table}", quote(chance.choice(TABLES)))
    path = path.replace("{keys}", quote(chance.choice(KEYS), safe="='(),"))
    query = dict(row.query)
    headers = dict.fromkeys(row.headers, "*")
    for _ in range(chance.randrange(4)):
        query[chance.choice(QUERY)] = chance.choice(VALUES)
    for _ in range(chance.randrange(3)):
        value = chance.choice(VALUES)
        headers[chance.choice(HEADERS)] = value if value.isprintable() and value else "x"
    raw = "&".join(f"{name}={quote(value, safe='')}" for name, value in query.items())
    method = row.method if chance.random() < 0.9 else chance.choice(("GET", "PUT", "PATCH"))
    return method, f"{path}?{raw}" if raw else path, headers, chance.choice(BODIES)


@pytest.mark.parametrize(
    "seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 8))]
)
async def test_a_spoilt_request_gets_a_documented_answer(raw: Raw, seed: int) -> None:
    chance = random.Random(seed)
    await raw.send("POST", "/Tables", b'{"TableName":"people"}')

    for _ in range(REQUESTS):
        method, target, headers, body = spoilt(chance)
        answer = await raw.send(method, target, body, headers)

        request = f"{method} {target} {headers} {body!r}"
        assert answer.status < 500, request
        if answer.status >= 400:
            error = json.loads(answer.body)["odata.error"]
            assert error["code"] == answer.headers["x-ms-error-code"], request


@pytest.mark.parametrize("body", [body for body in BODIES if body and body.startswith(b"--b")])
async def test_a_spoilt_batch_gets_a_documented_answer(raw: Raw, body: bytes) -> None:
    answer = await raw.send(
        "POST", "/$batch", body, {"content_type": "multipart/mixed; boundary=b"}
    )

    assert answer.status in (202, 400)
