"""Entities and their values: what JSON says, what is kept, what is refused."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triggerfish_storage.errors import StorageError
from triggerfish_storage.tables import edm
from triggerfish_storage.tables.edm import Property, date_time_text, parse_date_time
from triggerfish_storage.tables.entity import (
    Draft,
    Entity,
    Keys,
    check_etag,
    check_size,
    decode,
    encode,
    read_draft,
)


def draft_of(value: object, type_name: str = "") -> Property:
    document = {"PartitionKey": "p", "RowKey": "r", "a": value}
    if type_name:
        document["a@odata.type"] = type_name
    return read_draft(json.dumps(document).encode()).properties["a"]


CONVERTED: list[tuple[Any, str, Property]] = [
    ("x", "", Property("Edm.String", "x")),
    (5, "", Property("Edm.Int32", 5)),
    (5.0, "", Property("Edm.Double", 5.0)),
    (2**31, "", Property("Edm.Double", 2147483648.0)),
    (-(2**31) - 1, "", Property("Edm.Double", -2147483649.0)),
    (-(2**31), "", Property("Edm.Int32", -2147483648)),
    (True, "", Property("Edm.Boolean", value=True)),
    ("x", "Edm.String", Property("Edm.String", "x")),
    (5, "Edm.Int32", Property("Edm.Int32", 5)),
    ("5", "Edm.Int32", Property("Edm.Int32", 5)),
    ("5", "Edm.Int64", Property("Edm.Int64", "5")),
    (5, "Edm.Int64", Property("Edm.Int64", "5")),
    ("-0005", "Edm.Int64", Property("Edm.Int64", "-5")),
    (5, "Edm.Double", Property("Edm.Double", 5.0)),
    ("1.5", "Edm.Double", Property("Edm.Double", 1.5)),
    ("-1.E3", "Edm.Double", Property("Edm.Double", -1000.0)),
    (" .5 ", "Edm.Double", Property("Edm.Double", 0.5)),
    ("NaN", "Edm.Double", Property("Edm.Double", "NaN")),
    ("-Infinity", "Edm.Double", Property("Edm.Double", "-Infinity")),
    ("true", "Edm.Boolean", Property("Edm.Boolean", value=True)),
    ("False", "Edm.Boolean", Property("Edm.Boolean", value=False)),
    ("2024-05-01T12:00:00Z", "Edm.DateTime", Property("Edm.DateTime", "2024-05-01T12:00:00Z")),
    ("2024-05-01T12:00:00", "Edm.DateTime", Property("Edm.DateTime", "2024-05-01T12:00:00Z")),
    ("2024-05-01", "Edm.DateTime", Property("Edm.DateTime", "2024-05-01T00:00:00Z")),
    (
        "2024-05-01T12:00:00.1200000+02:00",
        "Edm.DateTime",
        Property("Edm.DateTime", "2024-05-01T10:00:00.12Z"),
    ),
    ("1601-01-01T00:00:00Z", "Edm.DateTime", Property("Edm.DateTime", "1601-01-01T00:00:00Z")),
    (
        "9999-12-31T23:59:59.9999999Z",
        "Edm.DateTime",
        Property("Edm.DateTime", "9999-12-31T23:59:59.9999999Z"),
    ),
    (
        "C9DA6455-213D-42C9-9A79-3E9149A57833",
        "Edm.Guid",
        Property("Edm.Guid", "c9da6455-213d-42c9-9a79-3e9149a57833"),
    ),
    ("AP8=", "Edm.Binary", Property("Edm.Binary", "AP8=")),
]

REFUSED: list[tuple[Any, str, str]] = [
    (10**400, "", "InvalidValueType"),
    ([1], "", "InvalidValueType"),
    ({"b": 1}, "", "InvalidValueType"),
    ("x", "Edm.Int32", "InvalidValueType"),
    (True, "Edm.Int32", "InvalidValueType"),
    (1.5, "Edm.Int64", "InvalidValueType"),
    ("9223372036854775808", "Edm.Int64", "InvalidValueType"),
    (5, "Edm.String", "InvalidValueType"),
    ("x", "Edm.Double", "InvalidValueType"),
    ("1_000", "Edm.Double", "InvalidValueType"),
    ("1e999", "Edm.Double", "InvalidValueType"),
    (10**400, "Edm.Double", "InvalidValueType"),
    ("yes", "Edm.Boolean", "InvalidValueType"),
    (1, "Edm.Boolean", "InvalidValueType"),
    ("yesterday", "Edm.DateTime", "InvalidValueType"),
    ("1600-12-31T23:59:59Z", "Edm.DateTime", "InvalidValueType"),
    ("2024-02-30T00:00:00Z", "Edm.DateTime", "InvalidValueType"),
    ("9999-12-31T23:59:59-01:00", "Edm.DateTime", "InvalidValueType"),
    ("c9da6455213d42c99a793e9149a57833", "Edm.Guid", "InvalidValueType"),
    ("{c9da6455-213d-42c9-9a79-3e9149a578}", "Edm.Guid", "InvalidValueType"),
    ("A", "Edm.Binary", "InvalidValueType"),
    ("x", "Edm.Unknown", "InvalidValueType"),
    ("x" * 32769, "", "PropertyValueTooLarge"),
    ("𝄞" * 16385, "", "PropertyValueTooLarge"),
]


@pytest.mark.parametrize(("value", "type_name", "expected"), CONVERTED)
def test_a_value_has_the_type_that_is_said_or_seen(
    value: Any, type_name: str, expected: Property
) -> None:
    assert draft_of(value, type_name) == expected


@pytest.mark.parametrize(("value", "type_name", "code"), REFUSED, ids=lambda v: str(v)[:20])
def test_a_value_that_its_type_cannot_have_is_refused(
    value: Any, type_name: str, code: str
) -> None:
    with pytest.raises(StorageError, match=code):
        draft_of(value, type_name)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "InvalidInput"),
        (b"[]", "InvalidInput"),
        (b"1", "InvalidInput"),
        (b"{", "InvalidInput"),
        (b"\xff", "InvalidInput"),
        (b'{"a":NaN}', "InvalidInput"),
        (b'{"a":"\\ud800"}', "InvalidInput"),
        (b'{"a":' * 50_000 + b"1" + b"}" * 50_000, "InvalidInput"),
        (b'{"a":' + b"9" * 5000 + b"}", "InvalidInput"),
        (b'{"a":1,"a":2}', "DuplicatePropertiesSpecified"),
        (b'{"PartitionKey":5}', "InvalidInput"),
        (b'{"RowKey":"5","RowKey@odata.type":"Edm.Int64"}', "InvalidInput"),
        (b'{"1a":5}', "PropertyNameInvalid"),
        (b'{"":5}', "PropertyNameInvalid"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_a_body_that_is_no_entity_is_refused(body: bytes, code: str) -> None:
    with pytest.raises(StorageError, match=code):
        read_draft(body)


def test_what_is_no_property_of_its_own_is_left_out() -> None:
    body = b"""{"odata.etag":"x","Timestamp":"x","none":null,"PartitionKey":"p","RowKey":"r",
        "RowKey@odata.type":"Edm.String","a":1}"""

    assert read_draft(body) == Draft("p", "r", {"a": Property("Edm.Int32", 1)})


TICKS = st.integers(edm.EARLIEST_TICKS, 3_155_378_975_999_999_999)
PROPERTIES = st.dictionaries(
    st.text("abcü_", min_size=1, max_size=5),
    st.one_of(
        st.builds(edm.text_property, st.text(max_size=20)),
        st.builds(Property, st.just("Edm.Int32"), st.integers(-(2**31), 2**31 - 1)),
        st.builds(Property, st.just("Edm.Int64"), st.integers(-(2**63), 2**63 - 1).map(str)),
        st.builds(
            Property, st.just("Edm.Double"), st.floats(allow_nan=False, allow_infinity=False)
        ),
        st.builds(Property, st.just("Edm.Double"), st.sampled_from(["NaN", "-Infinity"])),
        st.builds(Property, st.just("Edm.Boolean"), st.booleans()),
        st.builds(Property, st.just("Edm.Guid"), st.uuids().map(str)),
        st.builds(Property, st.just("Edm.DateTime"), TICKS.map(date_time_text)),
    ),
)


@given(PROPERTIES)
def test_what_is_kept_is_what_was_sent(properties: dict[str, Property]) -> None:
    kept = decode(encode(properties))

    assert kept == properties
    assert list(kept) == list(properties)


@given(TICKS)
def test_a_date_is_written_and_read_to_the_tick(ticks: int) -> None:
    assert parse_date_time(date_time_text(ticks)) == ticks


def test_a_whole_number_that_is_a_double_stays_one() -> None:
    assert decode(encode({"a": Property("Edm.Double", 2.0)})) == {"a": Property("Edm.Double", 2.0)}
    assert (
        math.copysign(1, float(decode(encode({"a": Property("Edm.Double", -0.0)}))["a"].value)) < 0
    )


def test_an_entity_may_have_a_mebibyte() -> None:
    keys = Keys("p", "r")
    full = {f"p{n}": Property("Edm.String", "x" * 32 * 1024) for n in range(15)}
    room = (1024 * 1024 - 8 - sum(8 + 2 * len(n) + edm.size_bytes(p) for n, p in full.items())) // 2
    last = Property("Edm.String", "x" * (room - 7))

    check_size(keys, {**full, "z": last})
    with pytest.raises(StorageError, match="EntityTooLarge"):
        check_size(keys, {**full, "z": Property("Edm.String", str(last.value) + "x")})


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("*", "*"),
        ("W/\"datetime'2024-05-01T12%3A00%3A00Z'\"", "W/\"datetime'2024-05-01T12%3A00%3A00Z'\""),
        ("W/\"datetime'2024-05-01T12:00:00Z'\"", "W/\"datetime'2024-05-01T12%3A00%3A00Z'\""),
        ("W/\"datetime''2024-05-01T12%3A00%3A00Z''\"", "W/\"datetime'2024-05-01T12%3A00%3A00Z'\""),
        ("W/\"other'x'\"", "W/\"other'x'\""),
    ],
)
def test_an_etag_may_be_encoded_or_not(given: str, expected: str) -> None:
    assert check_etag(given) == expected


@pytest.mark.parametrize("given", ["", "x", '"0x8D"', 'W/""', 'W/"a","b"'])
def test_what_is_no_etag_is_refused(given: str) -> None:
    with pytest.raises(StorageError, match="InvalidInput"):
        check_etag(given)


def test_an_entitys_timestamp_is_its_etag() -> None:
    entity = Entity(Keys("p", "r"), 1_714_564_800_000_001, "")

    assert entity.timestamp == "2024-05-01T12:00:00.0000010Z"
    assert entity.etag == "W/\"datetime'2024-05-01T12%3A00%3A00.0000010Z'\""
