"""Signatures, against what the official clients sign."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from azure.core.credentials import AzureNamedKeyCredential
from azure.core.pipeline.transport import HttpRequest
from azure.data.tables._authentication import SharedKeyCredentialPolicy as TablePolicy
from azure.storage.queue._shared.authentication import SharedKeyCredentialPolicy
from azure.storage.queue._shared.authentication import _storage_header_sort as sdk_sort
from hypothesis import given, settings
from hypothesis import strategies as st

from triggerfish_storage.protocol.accounts import DEFAULT_ACCOUNT, DEFAULT_KEY
from triggerfish_storage.protocol.auth import (
    Scheme,
    ServiceName,
    Signed,
    authorization,
    decode_key,
    is_signed,
    sign,
)
from triggerfish_storage.protocol.target import parse_query

if TYPE_CHECKING:
    from conftest import Raw

KEY = decode_key(DEFAULT_KEY)
DATE = "Wed, 01 May 2024 12:00:00 GMT"
SIGNED_HEADERS = f"x-ms-date:{DATE}\nx-ms-version:2021-12-02\n"

HEADERS = st.dictionaries(
    st.from_regex(r"x-ms-(?:meta-)?[a-z0-9_.-]{1,8}", fullmatch=True),
    st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=10),
    max_size=5,
)
QUERY = st.dictionaries(
    st.sampled_from(["comp", "restype", "prefix", "marker", "timeout", "popreceipt"]),
    st.text(min_size=1, max_size=10).filter(lambda text: "\x00" not in text),
    max_size=4,
)


def signed_by_sdk(method: str, url: str, headers: Mapping[str, str], policy: Any) -> str:
    request = HttpRequest(method, url, headers=dict(headers))
    context = SimpleNamespace(transport=None)
    policy.on_request(SimpleNamespace(http_request=request, context=context))
    return request.headers["Authorization"]


def as_received(method: str, url: str, headers: Mapping[str, str]) -> Signed:
    target = url.partition("://")[2]
    path, _, query = target[target.index("/") :].partition("?")
    lower = {name.lower(): value for name, value in headers.items()}
    return Signed(method, DEFAULT_ACCOUNT, path, parse_query(query), lower)


@settings(max_examples=40)
@given(
    method=st.sampled_from(["GET", "PUT", "POST", "DELETE", "HEAD"]),
    headers=HEADERS,
    query=QUERY,
    length=st.integers(0, 3),
)
def test_what_the_sdk_signs_is_recognised(
    method: str, headers: dict[str, str], query: dict[str, str], length: int
) -> None:
    url = f"http://127.0.0.1:10001/{DEFAULT_ACCOUNT}/orders/messages"
    if query:
        pairs = [f"{name}={quote(value, safe='')}" for name, value in query.items()]
        url += "?" + "&".join(pairs)
    headers = {**headers, "x-ms-date": DATE, "Content-Length": str(length)}
    policy = SharedKeyCredentialPolicy(DEFAULT_ACCOUNT, DEFAULT_KEY)

    header = signed_by_sdk(method, url, headers, policy)

    signature = header.partition(":")[2]
    request = as_received(method, url, headers)
    assert is_signed(request, signature, [KEY], service="queue", scheme="SharedKey")
    assert authorization(request, KEY, service="queue") == header


@settings(max_examples=40)
@given(st.lists(st.from_regex(r"x-ms-[a-z0-9_.!#$%&*+^`|~-]{1,6}", fullmatch=True), unique=True))
def test_headers_sort_as_the_sdk_sorts_them(names: list[str]) -> None:
    headers = dict.fromkeys(names, "v") | {"x-ms-date": DATE}
    url = f"http://h/{DEFAULT_ACCOUNT}"
    policy = SharedKeyCredentialPolicy(DEFAULT_ACCOUNT, DEFAULT_KEY)

    header = signed_by_sdk("GET", url, headers, policy)

    assert authorization(as_received("GET", url, headers), KEY, service="blob") == header
    assert len(sdk_sort(list(headers.items()))) == len(headers)


@pytest.mark.parametrize("path", ["/Tables", "/things", "/things(PartitionKey='a',RowKey='b')"])
def test_what_the_table_sdk_signs_is_recognised(path: str) -> None:
    url = f"http://127.0.0.1:10002/{DEFAULT_ACCOUNT}{path}?$top=3&comp=acl"
    headers = {"x-ms-date": DATE, "Content-Type": "application/json"}
    policy = TablePolicy(AzureNamedKeyCredential(DEFAULT_ACCOUNT, DEFAULT_KEY))

    header = signed_by_sdk("GET", url, headers, policy)

    request = as_received("GET", url, headers)
    assert authorization(request, KEY, service="table") == header


# The documentation's own examples of a text to sign, with the account's name put in.
@pytest.mark.parametrize(
    ("service", "scheme", "expected"),
    [
        (
            "queue",
            "SharedKey",
            (
                "PUT\n\n\n11\nmd5==\ntext/plain\n\n\n\n\n\n\n"
                + SIGNED_HEADERS
                + "/acct/acct/q\ncomp:metadata\ntimeout:20"
            ),
        ),
        (
            "queue",
            "SharedKeyLite",
            f"PUT\nmd5==\ntext/plain\n\n{SIGNED_HEADERS}/acct/acct/q?comp=metadata",
        ),
        ("table", "SharedKey", f"PUT\nmd5==\ntext/plain\n{DATE}\n/acct/acct/q?comp=metadata"),
        ("table", "SharedKeyLite", f"{DATE}\n/acct/acct/q?comp=metadata"),
    ],
)
def test_each_scheme_signs_its_documented_text(
    service: ServiceName, scheme: Scheme, expected: str
) -> None:
    request = Signed(
        "PUT",
        "acct",
        "/acct/q",
        {"timeout": "20", "comp": "metadata"},
        {
            "content-length": "11",
            "content-md5": "md5==",
            "content-type": "text/plain",
            "x-ms-version": "2021-12-02",
            "x-ms-date": DATE,
        },
    )

    header = authorization(request, KEY, service=service, scheme=scheme)

    assert header == f"{scheme} acct:{sign(KEY, expected)}"


@pytest.mark.parametrize(("version", "length"), [("2014-02-14", "0"), ("2015-02-21", "")])
def test_versions_before_2015_sign_the_length_of_an_empty_body(version: str, length: str) -> None:
    headers = {"content-length": "0", "x-ms-date": DATE, "x-ms-version": version}
    text = (
        f"PUT\n\n\n{length}\n\n\n\n\n\n\n\n\nx-ms-date:{DATE}\nx-ms-version:{version}\n/acct/acct/q"
    )
    request = Signed("PUT", "acct", "/acct/q", {}, headers)

    assert is_signed(request, sign(KEY, text), [KEY], service="queue", scheme="SharedKey")


@pytest.mark.parametrize("change", ["method", "path", "query", "headers"])
def test_a_changed_request_is_not_signed(change: str) -> None:
    request = Signed("GET", "acct", "/acct/q", {"comp": "list"}, {"x-ms-date": DATE})
    signature = authorization(request, KEY, service="queue").partition(":")[2]
    changed = {
        "method": Signed("PUT", "acct", "/acct/q", {"comp": "list"}, {"x-ms-date": DATE}),
        "path": Signed("GET", "acct", "/acct/r", {"comp": "list"}, {"x-ms-date": DATE}),
        "query": Signed("GET", "acct", "/acct/q", {"comp": "acl"}, {"x-ms-date": DATE}),
        "headers": Signed("GET", "acct", "/acct/q", {"comp": "list"}, {"x-ms-date": DATE + "x"}),
    }[change]

    assert is_signed(request, signature, [KEY], service="queue", scheme="SharedKey")
    assert not is_signed(changed, signature, [KEY], service="queue", scheme="SharedKey")
    assert not is_signed(request, signature, [b"other"], service="queue", scheme="SharedKey")
    assert is_signed(request, signature, [b"other", KEY], service="queue", scheme="SharedKey")


def test_clients_that_sign_date_beside_x_ms_date_are_recognised() -> None:
    headers = {"x-ms-date": DATE, "date": "Wed, 01 May 2024 11:59:59 GMT"}
    text = f"GET\n\n\n\n\n\n{headers['date']}\n\n\n\n\n\nx-ms-date:{DATE}\n/acct/acct/q"
    request = Signed("GET", "acct", "/acct/q", {}, headers)

    assert is_signed(request, sign(KEY, text), [KEY], service="queue", scheme="SharedKey")


def test_clients_that_sort_headers_by_bytes_are_recognised() -> None:
    headers = {"x-ms-date": DATE, "x-ms-meta-a-b": "1", "x-ms-meta-aa": "2"}
    text = (
        "GET\n\n\n\n\n\n\n\n\n\n\n\n"
        f"x-ms-date:{DATE}\nx-ms-meta-a-b:1\nx-ms-meta-aa:2\n/acct/acct/q"
    )
    request = Signed("GET", "acct", "/acct/q", {}, headers)

    assert authorization(request, KEY, service="queue") != f"SharedKey acct:{sign(KEY, text)}"
    assert is_signed(request, sign(KEY, text), [KEY], service="queue", scheme="SharedKey")


async def test_clients_that_fold_white_space_as_the_rules_say_are_recognised(queue: Raw) -> None:
    folded = queue.build("PUT", "/orders", headers={"x-ms-meta-a": "one two three"})

    answer = await queue.send(folded.replace(b"one two three", b"one  two \tthree"))
    other = await queue.send(folded.replace(b"one two three", b"one twothree"))
    kept = await queue.request("GET", "/orders?comp=metadata")

    assert (answer.status, other.status) == (201, 403)
    assert kept.headers["x-ms-meta-a"] == "one  two \tthree"


@given(key=st.binary(max_size=200), text=st.text(max_size=200))
def test_a_signature_is_the_hmac(key: bytes, text: str) -> None:
    expected = hmac.digest(key, text.encode(), hashlib.sha256)

    assert base64.b64decode(sign(key, text)) == expected
