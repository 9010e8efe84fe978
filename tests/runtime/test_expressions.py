"""Templates: the vectors of the specification, and what holds for every template."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triggerfish.expressions import BindingData, ExpressionError, Template

NOW = datetime(2024, 3, 5, 7, 8, 9, 123456, tzinfo=UTC)
GUID = UUID("01234567-89ab-cdef-0123-456789abcdef")
DATA = {
    "name": "ann",
    "n": 5,
    "a": {
        "b": {"c": "deep"},
        "x-y": "dash",
        "flag": True,
        "none": None,
        "list": [1],
        "price": 123.45,
        "whole": 1.0,
    },
    "headers": BindingData({"X-Key": "k1"}),
    "query": BindingData({"q": "v"}),
    "nothing": None,
    "flag": True,
    "when": NOW,
    "naive": datetime(2024, 1, 2, 3, 4, 5),
    "guid": GUID,
    "bytes": b"x",
    "real": 1.5,
}


def render(template: str, data: Mapping[str, object] = DATA) -> str:
    return Template.parse(template).render(
        BindingData(data), function="Fn", now=NOW, new_guid=lambda: GUID, hundred_nanoseconds=7
    )


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("plain", "plain"),
        ("", ""),
        ("{name}", "ann"),
        ("{NAME}", "ann"),
        ("x-{name}-y", "x-ann-y"),
        ("{name}{n}", "ann5"),
        ("{name}/{name}", "ann/ann"),
        ("{n}", "5"),
        ("{n:D5}", "5"),
        ("{name:N}", "ann"),
        ("{name:}", "ann"),
        ("{a.b.c}", "deep"),
        ("{A.B.C}", "deep"),
        ("{a.x-y}", "dash"),
        ("[{a.none}]", "[]"),
        ("[{a.flag}]", "[True]"),
        ("[{a.price}]", "[123.45]"),
        ("[{a.whole}]", "[1]"),
        ("[{a.b}]", "[]"),
        ("[{a.list}]", "[]"),
        ("[{flag}]", "[]"),
        ("[{when}]", "[]"),
        ("[{nothing}]", "[]"),
        ("[{bytes}]", "[]"),
        ("[{real}]", "[]"),
        ("{headers.x-key}", "k1"),
        ("{query.Q}", "v"),
        ("[{query}]", "[]"),
        ("{naive}", "2024-01-02T03-04-05Z"),
        ("{naive:yyyy}", "2024"),
        ("{guid}", str(GUID)),
        ("{guid:N}", GUID.hex),
        ("{guid: }", str(GUID)),
        ("{{name}}", "{name}"),
        ("{{{name}}}", "{ann}"),
        ("{{{{name}}}}", "{{name}}"),
        ("a}}b{{c", "a}b{c"),
        ("{DateTime}", "2024-03-05T07-08-09Z"),
        ("{datetime}", "2024-03-05T07-08-09Z"),
        ("{DateTime:}", "2024-03-05T07-08-09Z"),
        ("{DateTime:yyyy}", "2024"),
        ("{DateTime:yyyy-MM-dd}", "2024-03-05"),
        ("{DateTime:yyyyMMddTHHmmss}", "20240305T070809"),
        ("{DateTime:HH:mm}", "07:08"),
        ("{DateTime:yyyy/MM/dd}", "2024/03/05"),
        ("{DateTime:ddd MMM d}", "Tue Mar 5"),
        ("{DateTime:h tt}", "7 AM"),
        ("{DateTime:YYYY}", "YYYY"),
        ("{DateTime:d}", "03/05/2024"),
        ("{DateTime:%d}", "5"),
        ("{DateTime:o}", "2024-03-05T07:08:09.1234567Z"),
        ("{DateTime:R}", "Tue, 05 Mar 2024 07:08:09 GMT"),
        ("{DateTime:ss.fff}", "09"),
        ("{DateTime:yyyy.MM}", "2024"),
        ("{datetime.x}", "2024-03-05T07-08-09Z"),
        ("{DateTimeX}", "2024-03-05T07-08-09Z"),
        ("{datetimeX}", "2024-03-05T07-08-09Z"),
        ("{DateTimeOffset}", "2024-03-05T07-08-09Z"),
        ("{sys.utcnow:ss.fff}", "09.123"),
        ("{sys.utcnow}", "2024-03-05T07-08-09Z"),
        ("{SYS.UtcNow:yyyy.MM}", "2024.03"),
        ("{sys.methodname}", "Fn"),
        ("{sys.MethodName}", "Fn"),
        ("[{sys}]", "[]"),
        ("{rand-guid}", str(GUID)),
        ("{rand-guid2}", str(GUID)),
        ("{RAND-GUID:N}", GUID.hex),
        ("{rand-guid:B}", f"{{{GUID}}}"),
        ("{sys.randguid}", str(GUID)),
        ("{sys.randguid:P}", f"({GUID})"),
    ],
)
def test_a_template_is_filled_in(template: str, text: str) -> None:
    assert render(template) == text


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{a.missing}", "accessing 'missing'"),
        ("{headers.other}", "accessing 'other'"),
        ("{name.x}", "accessing 'x'"),
        ("{a.list.length}", "accessing 'length'"),
        ("{a.none.x}", "accessing 'x'"),
        ("{missing}", "No value for named parameter 'missing'"),
        ("{missing.b}", "No value for named parameter 'missing'"),
        ("{_x}", "No value for named parameter '_x'"),
        ("{sys.other}", "accessing 'other'"),
        ("{sys.methodname.x}", "accessing 'x'"),
        ("{rand-guid:Q}", "'Q' is no GUID format"),
        ("{DateTime:'open}", "not closed"),
        ("{DateTime:w}", "'w' is no standard date format"),
    ],
)
def test_a_value_that_is_not_there_fails_the_invocation(template: str, message: str) -> None:
    with pytest.raises(ExpressionError, match=re.escape(message)) as caught:
        render(template)

    assert f"(in '{template}')" in str(caught.value)


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("a{b", "missing closing bracket at position 2"),
        ("a}b", "missing opening bracket at position 2"),
        ("{}", "the parameter name at position 1 is empty"),
        ("ab{}", "the parameter name at position 3 is empty"),
        ("{my-name}", "the parameter name 'my-name' is invalid"),
        ("{1a}", "invalid template expression"),
        ("{ a }", "invalid template expression"),
        ("{a b}", "invalid template expression"),
        ("{$x}", "invalid template expression"),
        ("{:x}", "invalid template expression"),
        ("{.a}", "invalid template expression"),
        ("{a..b}", "Illegal expression"),
        ("{a.}", "Illegal expression"),
        ("{a{b}c}", "missing closing bracket at position 1"),
        ("}{a}{", "missing opening bracket at position 1"),
        ("{{a}", "missing opening bracket at position 4"),
        ("{a}}", "missing opening bracket at position 4"),
    ],
)
def test_a_malformed_template_is_refused_when_it_is_parsed(template: str, message: str) -> None:
    with pytest.raises(ExpressionError, match=re.escape(message)):
        Template.parse(template)


@pytest.mark.parametrize(
    ("template", "text"),
    [("{datetime}", "mine"), ("{DateTime}", "mine"), ("{DateTime:yyyy}", "2024")],
)
def test_data_named_datetime_hides_the_built_in_without_format(template: str, text: str) -> None:
    assert render(template, {"datetime": "mine"}) == text


@pytest.mark.parametrize(
    ("data", "template", "text"),
    [
        ({"rand-guid": "mine"}, "{rand-guid}", "mine"),
        ({"rand-guid": "mine"}, "{rand-guid:N}", GUID.hex),
        ({"sys": {"utcnow": "mine"}}, "{sys.utcnow}", "mine"),
    ],
)
def test_data_hides_the_other_built_ins(data: dict[str, object], template: str, text: str) -> None:
    assert render(template, data) == text


def test_data_named_sys_hides_the_whole_built_in() -> None:
    with pytest.raises(ExpressionError, match="accessing 'methodname'"):
        render("{sys.methodname}", {"sys": {"x": 1}})


def test_every_occurrence_of_a_random_guid_is_another_one() -> None:
    template = Template.parse("{rand-guid}/{rand-guid}/{sys.randguid}")

    texts = template.render(BindingData(), function="Fn", now=NOW).split("/")

    assert len(set(texts)) == 3
    assert all(re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", text) for text in texts)


@pytest.mark.parametrize("name", ["größe", "_a1", "名前", "a\u0301b", "a\u203fb"])
def test_names_have_letters_and_digits_of_unicode(name: str) -> None:
    assert render(f"{{{name}}}", {name: "x"}) == "x"


def test_data_may_be_any_mapping() -> None:
    template = Template.parse("{Name}")

    assert template.render({"nAME": "x"}, function="Fn", now=NOW) == "x"


def test_of_two_layers_the_first_wins_whatever_the_letter_case() -> None:
    data = BindingData({"Id": "payload"}, {"id": "message", "Other": 1})

    assert (data["ID"], data["other"], len(data), set(data)) == ("payload", 1, 2, {"id", "other"})
    assert "missing" not in data


def test_only_a_template_without_expressions_is_constant() -> None:
    assert Template.parse("a{{b}}").is_constant
    assert not Template.parse("a{b}").is_constant


LITERALS = st.text(alphabet=st.characters(exclude_categories=["Cs"]))


@given(LITERALS)
def test_an_escaped_text_renders_as_itself(text: str) -> None:
    assert render(text.replace("{", "{{").replace("}", "}}")) == text


@given(LITERALS, LITERALS, LITERALS)
def test_a_value_is_inserted_as_it_is(before: str, value: str, after: str) -> None:
    escaped = [text.replace("{", "{{").replace("}", "}}") for text in (before, after)]

    assert render(f"{escaped[0]}{{v}}{escaped[1]}", {"V": value}) == before + value + after


@given(st.text(alphabet="{}ab.:-_1 $%"))
def test_any_text_parses_or_is_refused(text: str) -> None:
    try:
        template = Template.parse(text)
    except ExpressionError as error:
        assert text in str(error)  # noqa: PT017 - both ends are fine
    else:
        assert template.text == text
