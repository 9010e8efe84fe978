"""Names of containers and blobs, snapshots and markers as text."""

from base64 import urlsafe_b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triggerfish_storage.blobs.listing import Position, successor
from triggerfish_storage.blobs.names import (
    check_blob_name,
    check_container_name,
    marker_text,
    parse_marker,
    parse_snapshot,
    parse_tag_marker,
    snapshot_text,
)
from triggerfish_storage.errors import StorageError

TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=8)


def refusal(check, name: str) -> str:
    try:
        check(name)
    except StorageError as error:
        return error.error.code
    return ""


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("abc", ""),
        ("a-1-b", ""),
        ("0" * 63, ""),
        ("$root", ""),
        ("$web", ""),
        ("$logs", ""),
        ("ab", "OutOfRangeInput"),
        ("0" * 64, "OutOfRangeInput"),
        ("Abc", "InvalidResourceName"),
        ("a--b", "InvalidResourceName"),
        ("-ab", "InvalidResourceName"),
        ("ab-", "InvalidResourceName"),
        ("a_b", "InvalidResourceName"),
        ("äbc", "InvalidResourceName"),
        ("$other", "InvalidResourceName"),
        ("abc\n", "InvalidResourceName"),
    ],
)
def test_container_names_follow_the_published_rules(name, expected):
    assert refusal(check_container_name, name) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a", ""),
        ("a/b//c", ""),
        ("100% + #1 & more?.txt", ""),
        ("é ü 漢字 😀", ""),
        ("x" * 1024, ""),
        ("x" * 1025, "OutOfRangeInput"),
        ("/".join("x" * 254), ""),
        ("/".join("x" * 255), "OutOfRangeInput"),
        ("", "OutOfRangeInput"),
        ("a\nb", "InvalidResourceName"),
        ("a\0", "InvalidResourceName"),
        ("\udc80", "InvalidResourceName"),
    ],
)
def test_blob_names_are_any_text_that_a_url_can_carry(name, expected):
    assert refusal(check_blob_name, name) == expected


@given(st.integers(0, 4_000_000_000_000_000))
def test_a_snapshot_survives_its_text(snapshot):
    assert parse_snapshot(snapshot_text(snapshot)) == snapshot


@pytest.mark.parametrize("text", ["", "now", "2024-05-01", "2024-13-01T00:00:00.0000000Z"])
def test_other_texts_are_no_snapshots(text):
    assert parse_snapshot(text) is None


@given(TEXT, st.integers(0, 2**62))
def test_a_marker_survives_its_text(name, snapshot):
    position = Position(name, snapshot)

    assert parse_marker(marker_text(position)) == position


@pytest.mark.parametrize("text", ["%", "abc", "YWJj", "\u00e9"])
def test_a_marker_that_was_not_ours_is_refused(text):
    assert refusal(parse_marker, text) == "InvalidQueryParameterValue"


@pytest.mark.parametrize(
    "fields",
    [
        '["a"]',
        '["a", 1, 2]',
        '{"a": 1}',
        "[1, 1]",
        '["a", "b"]',
        '["a", -1]',
        '["a", 1e400]',
        '["a", 9223372036854775808]',
        '["\\ud800", 1]',
        "[" * 10_000,
    ],
)
@pytest.mark.parametrize("parse", [parse_marker, parse_tag_marker])
def test_a_marker_that_looks_like_ours_is_refused_where_it_holds_something_else(parse, fields):
    text = urlsafe_b64encode(fields.encode()).decode()

    assert refusal(parse, text) == "InvalidQueryParameterValue"


@given(TEXT.filter(bool), TEXT, TEXT)
def test_the_successor_of_a_prefix_is_behind_all_it_begins_and_before_the_rest(prefix, rest, other):
    after = successor(prefix)

    if after is None:
        assert set(prefix) == {"\U0010ffff"}
    else:
        assert prefix + rest < after
        assert other.startswith(prefix) or other < prefix or other >= after
