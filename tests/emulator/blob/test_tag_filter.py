"""Expressions over tags, in conditions and in searches.

https://learn.microsoft.com/rest/api/storageservices/find-blobs-by-tags#remarks
"""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triggerfish_storage.blobs.tag_filter import (
    Comparison,
    parse_tag_condition,
    parse_tag_search,
)
from triggerfish_storage.errors import StorageError

TAGS = {"stage": "raw", "day": "2024-05-01", "or": "x", "note": "it's"}


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("stage = 'raw'", True),
        ("stage='raw'", True),
        ("\"stage\"='raw'", True),
        ("stage <> 'raw'", False),
        ("missing = ''", False),
        ("missing <> ''", True),
        ("day > '2024'", True),
        ("day >= '2024-05-01' AND day < '2024-06'", True),
        ("day <= '2024-04'", False),
        ("stage = 'done' OR day > '2024'", True),
        ("stage = 'done' or stage = 'x' and day > '2024'", False),
        ("\"or\" = 'x'", True),
        ("note = 'it''s'", True),
    ],
)
def test_a_condition_compares_tags_as_text(condition, expected):
    assert parse_tag_condition(condition).matches(TAGS) is expected


@pytest.mark.parametrize(
    "text",
    [
        *("", "stage", "stage =", "stage = raw", "= 'x'", "a = 'b' AND", "a = 'b' c = 'd'"),
        *("a = 'b", "a ! 'b'", "(a = 'b')", "@container = 'c'", "x" * 9000),
    ],
)
def test_a_malformed_condition_is_an_invalid_header(text):
    with pytest.raises(StorageError) as refused:
        parse_tag_condition(text)

    assert refused.value.error.code == "InvalidHeaderValue"


def test_a_search_may_name_its_container():
    found = parse_tag_search("@container='c' AND \"a b\" > 'x'")

    assert found.alternatives == (
        (Comparison("@container", "=", "c"), Comparison("a b", ">", "x")),
    )


@pytest.mark.parametrize("text", ["a = 'b' OR c = 'd'", "a <> 'b'", "@container > 'c'", ""])
def test_a_search_knows_fewer_operators(text):
    with pytest.raises(StorageError) as refused:
        parse_tag_search(text)

    assert refused.value.error.code == "InvalidQueryParameterValue"


@given(st.text(max_size=40))
def test_no_text_breaks_the_parser(text):
    with suppress(StorageError):
        assert parse_tag_condition(text).alternatives
