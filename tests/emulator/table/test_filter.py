"""``$filter`` as text, as a tree, and as what it says of an entity."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triggerfish_storage.errors import StorageError
from triggerfish_storage.tables.edm import Property, parse_date_time
from triggerfish_storage.tables.filter import (
    EVERYTHING,
    All,
    AnyOf,
    Compare,
    Filter,
    Not,
    parse_filter,
)
from triggerfish_storage.tables.matching import Bounds, bounds_of, matches, names_of

A = Compare("a", "eq", ("number", 1))
B = Compare("b", "eq", ("number", 2))
C = Compare("c", "eq", ("number", 3))

TREES = [
    ("", EVERYTHING),
    ("  ", EVERYTHING),
    ("a eq 1", A),
    ("(a eq 1)", A),
    ("((  a eq 1 ) )", A),
    ("1 eq a", A),
    ("5 gt a", Compare("a", "lt", ("number", 5))),
    ("5 le a", Compare("a", "ge", ("number", 5))),
    ("a eq 1 and b eq 2", All((A, B))),
    ("a eq 1 and b eq 2 and c eq 3", All((A, B, C))),
    ("a eq 1 or b eq 2 and c eq 3", AnyOf((A, All((B, C))))),
    ("(a eq 1 or b eq 2) and c eq 3", All((AnyOf((A, B)), C))),
    ("not a eq 1 and b eq 2", All((Not(A), B))),
    ("not (a eq 1 and b eq 2)", Not(All((A, B)))),
    ("not not a eq 1", A),
    ("((a) eq (1))", A),
    ("not ((1) eq a)", Not(A)),
    ("(a) and (true)", All((Compare("a", "eq", ("bool", 1)), EVERYTHING))),
    ("a", Compare("a", "eq", ("bool", 1))),
    ("not a or b eq 2", AnyOf((Not(Compare("a", "eq", ("bool", 1))), B))),
    ("true", EVERYTHING),
    ("false", AnyOf(())),
    ("नाम eq 1", Compare("नाम", "eq", ("number", 1))),
    ("(cafe\u0301)eq(1)", Compare("cafe\u0301", "eq", ("number", 1))),
]

LITERALS = [
    ("'it''s'", ("string", "it's")),
    ("''", ("string", "")),
    ("'a) and (b eq 1'", ("string", "a) and (b eq 1")),
    ("'ünï ☃'", ("string", "ünï ☃")),
    ("0", ("number", 0)),
    ("-5", ("number", -5)),
    ("123L", ("number", 123)),
    ("-9223372036854775808L", ("number", -(2**63))),
    ("1.5", ("number", 1.5)),
    ("-1.5e3", ("number", -1500.0)),
    ("2d", ("number", 2.0)),
    (".5", ("number", 0.5)),
    ("true", ("bool", 1)),
    ("True", ("bool", 1)),
    ("FALSE", ("bool", 0)),
    ("false", ("bool", 0)),
    ("X'00ff'", ("binary", b"\x00\xff")),
    ("binary'00FF'", ("binary", b"\x00\xff")),
    ("X''", ("binary", b"")),
    ("x'0F'", ("binary", b"\x0f")),
    ("Binary'0F'", ("binary", b"\x0f")),
    ("INF", ("number", math.inf)),
    ("-INF", ("number", -math.inf)),
    (
        "guid'C9DA6455-213d-42c9-9a79-3e9149a57833'",
        ("guid", "c9da6455-213d-42c9-9a79-3e9149a57833"),
    ),
    (
        "datetime'2024-05-01T12:00:00.1234567Z'",
        ("datetime", parse_date_time("2024-05-01T12:00:00.1234567Z")),
    ),
    (
        "GUID'c9da6455-213d-42c9-9a79-3e9149a57833'",
        ("guid", "c9da6455-213d-42c9-9a79-3e9149a57833"),
    ),
    ("DateTime'2024-05-01'", ("datetime", parse_date_time("2024-05-01T00:00:00Z"))),
]

REFUSED = [
    "a eq",
    "eq 1",
    "a eq b",
    "1 eq 1",
    "a eq 1 and",
    "and a eq 1",
    "(a eq 1",
    "a eq 1)",
    "()",
    "a == 1",
    "a eq 'open",
    "a eq 1 b eq 2",
    "a eq 1x",
    "a eq 9223372036854775808",
    "a eq INFINITE",
    "(a eq 1) eq true",
    "a eq (b and c)",
    "(5)",
    " or ".join(["true"] * 501),
    "a eq X'0'",
    "a eq X'zz'",
    "a eq guid'no'",
    "a eq datetime'today'",
    "a eq 1 AND b eq 2",
    "not",
    "5",
    "(" * 101 + "a eq 1" + ")" * 101,
    " or ".join(["a eq 1"] * 501),
    "a eq 1;drop",
    "a.b eq 1",
    "a-b eq 1",
    "a eq - 5",
    "\x00",
]


@pytest.mark.parametrize(("text", "tree"), TREES, ids=[text for text, _ in TREES])
def test_a_filter_is_understood(text: str, tree: Filter) -> None:
    assert parse_filter(text) == tree


@pytest.mark.parametrize(("text", "value"), LITERALS, ids=[text for text, _ in LITERALS])
def test_a_literal_is_understood_on_either_side(text: str, value: tuple[str, object]) -> None:
    assert parse_filter(f"a eq {text}") == Compare("a", "eq", value)  # type: ignore[arg-type]
    assert parse_filter(f"{text} eq a") == Compare("a", "eq", value)  # type: ignore[arg-type]


@pytest.mark.parametrize("text", REFUSED, ids=[text[:20] for text in REFUSED])
def test_what_makes_no_sense_is_refused(text: str) -> None:
    with pytest.raises(StorageError, match="InvalidInput"):
        parse_filter(text)


@pytest.mark.parametrize(
    "text",
    [
        "startswith(a,'b')",
        "a eq 1 and not substringof('b',a) eq true",
        "length(a) gt 1",
        "1 le length(a)",
        "a add 1 eq 2",
        "2 eq a mod 3",
        "(year (a) eq 2024)",
    ],
)
def test_functions_and_arithmetic_are_not_there(text: str) -> None:
    with pytest.raises(StorageError, match="501 NotImplemented"):
        parse_filter(text)


def test_a_property_may_be_called_like_a_function() -> None:
    assert parse_filter("length eq 1 and add eq 2 or not (year) eq 3")


def test_a_filter_may_be_combined_of_a_hundred_pair_by_pair() -> None:
    text = "a eq 0"
    for value in range(1, 101):
        text = f"({text}) or (a eq {value})"
    tree = parse_filter(text)

    assert matches(tree, {"a": Property("Edm.Int32", 100)})
    assert not matches(tree, {"a": Property("Edm.Int32", 101)})
    assert names_of(tree) == {"a"}


@given(st.text(alphabet="ab'()=0159.eLX -\"\\andornotgtqdx\n", max_size=60))
def test_any_text_is_a_filter_or_refused(text: str) -> None:
    try:
        matches(parse_filter(text), {})
    except StorageError as error:
        refused = error.error.code
    else:
        refused = "InvalidInput"

    assert refused == "InvalidInput"


# --- against a plain reading of the same tree -------------------------------------------------

NAMES = st.sampled_from(["a", "b", "PartitionKey"])
OPERATORS = st.sampled_from(["eq", "ne", "gt", "ge", "lt", "le"])
NUMBERS = st.integers(-3, 3)


def _written(tree: Filter) -> str:
    match tree:
        case Compare(name, symbol, (family, value)):
            return f"{name} {symbol} " + (f"'{value}'" if family == "string" else str(value))
        case Not(operand):
            return f"not ({_written(operand)})"
        case All(operands):
            return " and ".join(f"({_written(operand)})" for operand in operands)
        case AnyOf(operands):
            return " or ".join(f"({_written(operand)})" for operand in operands)


LEAVES = st.builds(
    Compare,
    NAMES,
    OPERATORS,
    st.one_of(
        st.tuples(st.just("number"), NUMBERS),
        st.tuples(st.just("string"), st.text("pq", max_size=2)),
    ),
)
GROUPS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.builds(Not, inner),
        st.builds(All, st.lists(inner, min_size=2, max_size=3).map(tuple)),
        st.builds(AnyOf, st.lists(inner, min_size=2, max_size=3).map(tuple)),
    ),
    max_leaves=6,
)
PROPERTIES = st.fixed_dictionaries(
    {"PartitionKey": st.builds(Property, st.just("Edm.String"), st.text("pq", max_size=2))},
    optional={"a": st.builds(Property, st.just("Edm.Int32"), NUMBERS)},
)


@given(GROUPS, PROPERTIES)
def test_what_is_written_and_read_says_the_same(
    tree: Filter, properties: Mapping[str, Property]
) -> None:
    assert matches(parse_filter(_written(tree)), properties) == matches(tree, properties)


@given(GROUPS, PROPERTIES)
def test_bounds_never_leave_out_what_matches(
    tree: Filter, properties: Mapping[str, Property]
) -> None:
    bounds = bounds_of(tree, "PartitionKey")
    key = str(properties["PartitionKey"].value)

    if matches(tree, properties):
        assert bounds.first <= key
        assert bounds.end is None or key < bounds.end


@pytest.mark.parametrize(
    ("text", "bounds"),
    [
        ("PartitionKey eq 'a'", Bounds("a", "a\0")),
        ("PartitionKey gt 'a'", Bounds("a\0")),
        ("PartitionKey ge 'a' and PartitionKey lt 'c'", Bounds("a", "c")),
        ("x eq 1 and (PartitionKey ge 'a' and 'b' ge PartitionKey)", Bounds("a", "b\0")),
        ("PartitionKey eq 'a' or x eq 1", Bounds()),
        ("not PartitionKey eq 'a'", Bounds()),
        ("PartitionKey ne 'a'", Bounds()),
        ("PartitionKey eq 5", Bounds()),
    ],
)
def test_bounds_come_from_what_must_hold(text: str, bounds: Bounds) -> None:
    assert bounds_of(parse_filter(text), "PartitionKey") == bounds


def test_names_are_those_that_are_compared() -> None:
    assert names_of(parse_filter("a eq 1 and not (b or c lt 2)")) == {"a", "b", "c"}


VALUES = [
    ("a eq 5", Property("Edm.Int64", "5"), True),
    ("a lt 5.5", Property("Edm.Int64", "5"), True),
    ("a gt 9007199254740992.0", Property("Edm.Int64", "9007199254740993"), True),
    ("a eq 5", Property("Edm.Double", 5.0), True),
    ("a gt 5", Property("Edm.Double", "Infinity"), True),
    ("a lt 5", Property("Edm.Double", "NaN"), False),
    ("a ne 5", Property("Edm.Double", "NaN"), True),
    ("a ne NaN", Property("Edm.Double", 5.0), True),
    ("a eq NaN", Property("Edm.Double", "NaN"), False),
    ("a eq -INF", Property("Edm.Double", "-Infinity"), True),
    ("a eq '5'", Property("Edm.Int32", 5), False),
    ("a eq 1", Property("Edm.Boolean", value=True), False),
    ("a eq true", Property("Edm.Boolean", value=True), True),
    ("a ne false", Property("Edm.Boolean", value=True), True),
    ("a gt 'Z'", Property("Edm.String", "a"), True),
    ("a lt X'02'", Property("Edm.Binary", "AQ=="), True),
    (
        "a eq datetime'2024-05-01T14:00:00+02:00'",
        Property("Edm.DateTime", "2024-05-01T12:00:00Z"),
        True,
    ),
    (
        "a lt datetime'2024-05-01T12:00:00.0000002Z'",
        Property("Edm.DateTime", "2024-05-01T12:00:00.0000001Z"),
        True,
    ),
]


@pytest.mark.parametrize(("text", "value", "expected"), VALUES)
def test_values_compare_by_what_they_are(text: str, value: Property, expected: bool) -> None:
    assert matches(parse_filter(text), {"a": value}) is expected


def test_a_number_beyond_all_is_still_a_number() -> None:
    assert parse_filter("a lt 1e999") == Compare("a", "lt", ("number", math.inf))
