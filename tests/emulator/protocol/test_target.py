"""Addresses: every way a client can write where it wants to go."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triggerfish_storage.errors import StorageError
from triggerfish_storage.protocol.target import Target, parse_query, parse_target

ACCOUNTS = {"devstoreaccount1", "other"}


def parse(raw: str, host: str = "127.0.0.1:10000") -> Target:
    return parse_target(raw, host=host, scheme="http", accounts=ACCOUNTS)


@pytest.mark.parametrize(
    ("raw", "host", "account", "path", "endpoint"),
    [
        ("/devstoreaccount1", "h:1", "devstoreaccount1", "", "http://h:1/devstoreaccount1"),
        ("/devstoreaccount1/", "h:1", "devstoreaccount1", "", "http://h:1/devstoreaccount1"),
        ("/other/q/messages", "storage:1", "other", "q/messages", "http://storage:1/other"),
        ("/other/c/a%20b%2F%c3", "h", "other", "c/a%20b%2F%c3", "http://h/other"),
        ("/c/b", "other.blob.localhost:1", "other", "c/b", "http://other.blob.localhost:1"),
        ("/", "other.queue.localhost", "other", "", "http://other.queue.localhost"),
        ("/", "Other.Queue.localhost", "other", "", "http://Other.Queue.localhost"),
        ("/other/b", "devstoreaccount1.blob.localhost", "other", "b", None),
        ("http://h/other/c", "h", "other", "c", "http://h/other"),
        ("/other//c", "h", "other", "/c", "http://h/other"),
    ],
)
def test_the_account_is_in_the_path_or_in_the_host(
    raw: str, host: str, account: str, path: str, endpoint: str | None
) -> None:
    target = parse(raw, host)

    assert (target.account, target.path, target.is_secondary) == (account, path, False)
    assert endpoint is None or target.endpoint == endpoint


@pytest.mark.parametrize(
    ("raw", "host"),
    [("/other-secondary/c", "h"), ("/c", "other-secondary.blob.localhost")],
)
def test_the_secondary_is_the_account_read_only(raw: str, host: str) -> None:
    target = parse(raw, host)

    assert (target.account, target.path, target.is_secondary) == ("other", "c", True)


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        ("/other-secondary/other/?comp=stats", ""),
        ("/other-secondary/other", "other"),
        ("/other-secondary/other/c", "other/c"),
        ("/other/other/", "other/"),
    ],
)
def test_the_secondary_itself_may_be_named_twice(raw: str, path: str) -> None:
    assert parse(raw).path == path


@pytest.mark.parametrize("raw", ["/", "/nobody/c", "", "*", "/-secondary/c", "//"])
def test_an_address_without_an_account_is_no_uri_here(raw: str) -> None:
    with pytest.raises(StorageError, match="InvalidUri"):
        parse(raw)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("", {}),
        ("comp=list&prefix=", {"comp": "list", "prefix": ""}),
        ("COMP=List", {"comp": "List"}),
        ("prefix=a%2Bb+c%20d", {"prefix": "a+b c d"}),
        ("sig=a+b%2B%3D", {"sig": "a+b+="}),
        ("a=2&b=x&a=1", {"a": "1,2", "b": "x"}),
        ("flag", {"flag": ""}),
        ("&&=x&a=b=c", {"a": "b=c"}),
        ("name=gr%C3%BC%C3%9Fe", {"name": "grüße"}),
    ],
)
def test_parameters_are_decoded(raw: str, expected: dict[str, str]) -> None:
    assert parse_query(raw) == expected


@given(st.text(alphabet="ab=&%+?/\x00é\u2028 ", max_size=30))
def test_any_address_is_taken_apart_or_refused(raw: str) -> None:
    try:
        target = parse(f"/other/{raw}")
    except StorageError as error:
        refusal = error.error.code
    else:
        refusal = None
        assert target.account == "other"

    assert refusal in (None, "InvalidUri")


def test_what_is_no_utf8_is_no_uri() -> None:
    with pytest.raises(StorageError, match="InvalidUri"):
        parse("/other/c?prefix=%FF%FE")
