"""Lenient JSON: what is accepted beyond the standard, and where errors point."""

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triggerfish.lenient_json import MAX_DEPTH, LenientJsonError, compact, indented, loads

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('\ufeff{"a": 1}', {"a": 1}),
        ('{"a": 1, // one\n "b": 2}', {"a": 1, "b": 2}),
        ('{/* two\nlines */"a": /**/ 1}', {"a": 1}),
        ('{"a": 1} // end', {"a": 1}),
        ('{"a": 1,}', {"a": 1}),
        ("[1, 2,]", [1, 2]),
        ("{'x': 'single'}", {"x": "single"}),
        ("{'it': \"it's\"}", {"it": "it's"}),
        ("{x: 1, $y_2: 2, ä: 3}", {"x": 1, "$y_2": 2, "ä": 3}),
        ("{}", {}),
        ("[]", []),
        (' {"x": 1} ', {"x": 1}),
        ("{'a': 'line\nbreak\ttab'}", {"a": "line\nbreak\ttab"}),
        (r"{'a': 'q\'\"\\\/\b\f\n\r\t\u00e4'}", {"a": "q'\"\\/\b\f\n\r\tä"}),
        ("{'u': 'http://x/*y*/'}", {"u": "http://x/*y*/"}),
        ("{a: -1.50, b: 1e3, c: .5, d: 2., e: 0x1F, f: -7}",
         {"a": -1.5, "b": 1000.0, "c": 0.5, "d": 2.0, "e": 31, "f": -7}),
        ("{a: true, b: false, c: null, d: -Infinity}",
         {"a": True, "b": False, "c": None, "d": float("-inf")}),
        ('{"a": 1, "a": 2}', {"a": 2}),
        ("{a: 1, 'a': 2,}", {"a": 2}),
        ('"text"', "text"),
        ("'text'", "text"),
    ],
)  # fmt: skip
def test_a_document_is_read_leniently(text: str, value: object) -> None:
    assert loads(text) == value


@pytest.mark.parametrize(
    ("text", "line", "column", "message"),
    [
        ("", 1, 1, "empty"),
        ("  // nothing", 1, 13, "empty"),
        ("{oops}", 1, 6, "':' expected"),
        ('{"x": 1', 1, 8, "',' or '}' expected"),
        ('{\n  "a": 1\n  "b": 2\n}', 3, 3, "',' or '}' expected"),
        ('{\n  "a": tru\n}', 2, 8, "a value expected, not 'tru'"),
        ('{"a": "open}', 1, 7, "closing quote"),
        ("{'a': '\\x'}", 1, 8, "unknown escape"),
        ("[1, 2", 1, 6, "',' or ']' expected"),
        ("[1,,2]", 1, 4, "a value expected"),
        ('{"a": ', 1, 7, "a value expected, not the end"),
        ("{a: 1} b", 1, 8, "after the end"),
        ("{a: /* 1}", 1, 5, "comment without its end"),
        ("{,}", 1, 2, "property name"),
        ("12 apples", 1, 4, "after the end"),
        ("2024-01-01", 1, 1, "a value expected"),
        ("007", 1, 1, "a value expected"),
        ("[٣]", 1, 2, "a value expected"),
        ("9" * 5000, 1, 1, "too many digits"),
        ("[0x" + "f" * 20 + "]", 1, 2, "too many digits"),
    ],
)
def test_an_error_says_where_and_what(text: str, line: int, column: int, message: str) -> None:
    with pytest.raises(LenientJsonError) as caught:
        loads(text)

    assert (caught.value.line, caught.value.column) == (line, column)
    assert message in caught.value.message
    assert str(caught.value) == f"line {line}, column {column}: {caught.value.message}"


@pytest.mark.parametrize("opening", ["[", "{'a':", '{"a":[', "[ // comment\n"])
def test_a_document_nested_too_deeply_is_an_error(opening: str) -> None:
    with pytest.raises(LenientJsonError, match=f"nested deeper than {MAX_DEPTH} levels"):
        loads(opening * 50_000)


def test_the_deepest_nesting_allowed_is_the_same_for_strict_and_lenient_documents() -> None:
    deepest = "[" * MAX_DEPTH + "]" * MAX_DEPTH

    assert loads(deepest) == loads(deepest + " // lenient")
    for too_deep in (f"[{deepest}]", f"[{deepest},]"):
        with pytest.raises(LenientJsonError, match="nested deeper"):
            loads(too_deep)


def test_many_brackets_side_by_side_are_not_deep() -> None:
    assert loads("[" + "{}," * 500 + "[]]") == [{}] * 500 + [[]]


@pytest.mark.parametrize("quote", ['"', "'"])
def test_half_a_character_becomes_the_replacement_character(quote: str) -> None:
    text = rf"{{{quote}\ud800{quote}: [{quote}\ud83d\ude00 \udc00{quote}]}}"

    assert loads(text) == {"\ufffd": ["😀 \ufffd"]}


@given(JSON_VALUES)
def test_what_is_standard_json_reads_as_usual(value: object) -> None:
    assert loads(json.dumps(value)) == value
    assert loads(indented(value)) == loads(compact(value)) == value


@given(JSON_VALUES)
def test_the_lenient_reader_agrees_with_the_strict_one(value: object) -> None:
    assert loads(json.dumps(value, indent=1) + "/**/") == value


@given(st.text(alphabet="{}[]'\":,/*\\ \n\u00e4ab01.-eux"))
def test_any_text_gives_a_value_or_the_named_error(text: str) -> None:
    with suppress(LenientJsonError):
        loads(text)


def test_indented_json_has_two_spaces_and_plain_characters() -> None:
    value = {"a": 1, "ä": [True, None], "e": {}, "l": []}

    assert indented(value) == (
        '{\n  "a": 1,\n  "ä": [\n    true,\n    null\n  ],\n  "e": {},\n  "l": []\n}'
    )
    assert compact(value) == '{"a":1,"ä":[true,null],"e":{},"l":[]}'
