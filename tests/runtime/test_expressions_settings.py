"""%settings%: the vectors of the specification."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triggerfish.expressions import (
    BindingData,
    ExpressionError,
    Template,
    resolve_settings,
    setting_lookup,
)


@pytest.mark.parametrize(
    ("settings", "text", "result"),
    [
        ({"Q": "orders"}, "%Q%", "orders"),
        ({"Q": "orders"}, "in-%Q%-x", "in-orders-x"),
        ({"A": "1", "B": "2"}, "%A%%B%", "12"),
        ({"A": "1", "B": "2"}, "%A%-%B%", "1-2"),
        ({"A": "%B%", "B": "2"}, "%A%", "%B%"),
        ({"P": "{name}.txt"}, "out/%P%", "out/{name}.txt"),
        ({"S__Q": "x"}, "%S:Q%", "x"),
        ({"S:Q": "exact", "S__Q": "x"}, "%S:Q%", "exact"),
        ({"E": ""}, "a%E%b", "ab"),
        ({"name": "n"}, "{%name%}", "{n}"),
        ({"percent": "%"}, "100%percent%", "100%"),
        ({}, "none", "none"),
        ({}, "", ""),
    ],
)
def test_settings_are_replaced_once(settings: dict[str, str], text: str, result: str) -> None:
    assert resolve_settings(text, setting_lookup(settings)) == result


@pytest.mark.parametrize(
    ("settings", "text", "message"),
    [
        ({}, "%Q%", "'%Q%' does not resolve to a value"),
        ({}, "a%%b", "'%%' does not resolve to a value"),
        ({"": "x"}, "a%%b", "'%%' does not resolve to a value"),
        ({"Q": "x"}, "%q%", "'%q%' does not resolve to a value"),
        ({"Q": "x"}, "% Q %", "'% Q %' does not resolve to a value"),
        ({}, "100%", "position 3 "),
        ({"Q": "x"}, "%Q%%", "position 3 "),
        ({}, "%", "position 0 "),
    ],
)
def test_what_cannot_be_resolved_is_named(
    settings: dict[str, str], text: str, message: str
) -> None:
    with pytest.raises(ExpressionError, match=message):
        resolve_settings(text, setting_lookup(settings))


def test_settings_and_expressions_work_together() -> None:
    path = resolve_settings("%Env%/{file}", setting_lookup({"Env": "prod-{region}"}))
    data = BindingData({"file": "f", "region": "eu"})

    now = datetime(2024, 1, 1, tzinfo=UTC)
    assert Template.parse(path).render(data, function="F", now=now) == "prod-eu/f"


@given(st.text(st.characters(exclude_characters="%")), st.text())
def test_a_value_is_inserted_as_it_is(around: str, value: str) -> None:
    lookup = setting_lookup({"name": value})

    assert resolve_settings(f"{around}%name%{around}", lookup) == around + value + around
