"""Return values and generic bindings, by spec host-and-worker.md, 11 and 12."""

from __future__ import annotations

import azure.functions as func
import pytest

from triggerfish.worker.converters import Binding, BindingError

HTTP = Binding("p", "httpTrigger", "in")


def test_a_value_without_a_return_binding_fails(call, http_request):
    with pytest.raises(BindingError, match=r"without a \$return binding returned a non-None"):
        call(lambda p: "x", HTTP, inputs={"p": http_request()})


def test_a_value_without_a_return_binding_is_taken_where_a_binding_is_generic(call, http_request):
    outputs = call(
        lambda p, t: {"a": 1},
        HTTP,
        Binding("t", "table", "in"),
        inputs={"p": http_request(), "t": ("json", "[]")},
    )

    assert outputs == {"$return": ("json", '{"a": 1}')}


def test_return_value_and_output_parameters_go_together(call, http_request):
    def function(p, out: func.Out[str]):
        out.set("message")
        return out.get() + "!"

    outputs = call(
        function,
        HTTP,
        Binding("out", "queue", "out"),
        Binding("$return", "blob", "out"),
        inputs={"p": http_request()},
    )

    assert outputs == {"out": ("string", "message"), "$return": ("string", "message!")}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("x", ("string", "x")),
        (b"x", ("bytes", b"x")),
        (bytearray(b"x"), ("bytes", b"x")),
        ({"a": 1}, ("json", '{"a": 1}')),
        ([{"a": 1}], ("json", '[{"a": 1}]')),
        (7, ("json", "7")),
        (1.5, ("json", "1.5")),
        (None, ("none", None)),
    ],
)
def test_what_a_generic_output_sends(value, expected, written):
    assert written("table", value) == expected


def test_a_generic_output_takes_no_objects(written):
    with pytest.raises(BindingError, match="object is no str, bytes, dict, list or number"):
        written("table", object())


@pytest.mark.parametrize("value", [("json", "[]"), ("string", "x"), ("bytes", b"x")])
def test_a_generic_input_is_given_as_it_was_sent(value, given):
    assert given(Binding("p", "table", "in"), value) == value[1]


def test_an_input_that_the_host_did_not_send_is_none(call, http_request):
    seen = []
    call(
        lambda p, t: seen.append(t), HTTP, Binding("t", "table", "in"), inputs={"p": http_request()}
    )

    assert seen == [None]
