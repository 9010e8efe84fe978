"""Requests as events, and values as responses."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import TYPE_CHECKING, cast

import pytest

from triggerfish.bindings.http import HttpTrigger, http_response, response_value
from triggerfish.bindings.plan import BindingFailure
from triggerfish.bindings.registry import Services, bind
from triggerfish.expressions import ExpressionError, Template
from triggerfish.model import (
    NOTHING,
    Binding,
    Datum,
    Function,
    HttpRequestData,
    HttpResponseData,
)
from triggerfish.storage.account import Account

if TYPE_CHECKING:
    from conftest import Keep
NOW = datetime(2024, 3, 5, tzinfo=UTC)
TEXT = ("content-type", "text/plain; charset=utf-8")
JSON = ("content-type", "application/json; charset=utf-8")


def request(
    *,
    params: dict[str, str] | None = None,
    headers: dict[str, str] | None = None,
    route: dict[str, str] | None = None,
    body: bytes = b"",
) -> HttpRequestData:
    return HttpRequestData("POST", "http://h/api/f", headers or {}, params or {}, route or {}, body)


@pytest.mark.parametrize(
    ("template", "sent", "absent", "text"),
    [
        ("{query.name}", request(params={"name": "ann"}), (), "ann"),
        ("{headers.x-key}", request(headers={"x-key": "k"}), (), "k"),
        ("{Headers.X-KEY}", request(headers={"x-key": "a,b"}), (), "a,b"),
        ("{name}", request(params={"name": "q"}, body=b'{"name": "b"}'), (), "q"),
        ("{name}", request(body=b'{"name": "b"}'), (), "b"),
        ("{name}", request(body=b'\xef\xbb\xbf{"name": "b"}'), (), "b"),
        ("{a.b}", request(body=b"{a: {b: 1.50}}"), (), "1.5"),
        ("{id}", request(route={"id": "7"}, params={"id": "8"}), (), "7"),
        ("{query.code}", request(params={"code": "secret"}), (), "secret"),
        ("x{opt}y", request(), ("opt",), "xy"),
        ("x{opt}y", request(params={"opt": "5"}), ("opt",), "xy"),
        ("{query.q}", request(body=b'{"query": {"q": "body"}}'), (), "body"),
        ("[{req}]", request(), (), "[]"),
        ("[{query}{headers}]", request(params={"a": "1"}), (), "[]"),
        ("{query.when}", request(params={"when": "2024-03-05T07:08:09Z"}), (),
         "2024-03-05T07:08:09Z"),
        ("{sys.methodname}", request(), (), "F"),
    ],
)  # fmt: skip
def test_expressions_name_what_a_request_holds(
    template: str, sent: HttpRequestData, absent: tuple[str, ...], text: str
) -> None:
    data = HttpTrigger("F", "req").event(sent, absent=absent).binding_data

    assert Template.parse(template).render(data, function="F", now=NOW) == text


@pytest.mark.parametrize(
    ("template", "sent", "message"),
    [
        ("{code}", request(params={"code": "secret"}), "No value for named parameter 'code'"),
        ("{Code}", request(params={"CODE": "secret"}), "No value for named parameter 'Code'"),
        ("{query.missing}", request(), "accessing 'missing'"),
        ("{x}", request(body=b'[{"x": 1}]'), "No value for named parameter 'x'"),
        ("{x}", request(body=b'{"x": "\xff"}'), "No value for named parameter 'x'"),
        ("{x}", request(body=b"{oops}"), "No value for named parameter 'x'"),
    ],
)
def test_what_a_request_does_not_hold_has_no_value(
    template: str, sent: HttpRequestData, message: str
) -> None:
    data = HttpTrigger("F", "req").event(sent).binding_data

    with pytest.raises(ExpressionError, match=message):
        Template.parse(template).render(data, function="F", now=NOW)


def test_an_event_holds_the_request_and_its_trace() -> None:
    sent = request(headers={"traceparent": "00-a-b-01", "tracestate": "k=v"}, body=b"\x00\xff")

    event = HttpTrigger("F", "req").event(sent)

    assert event.datum == Datum("http", sent)
    assert (event.payload, event.source) == (b"\x00\xff", "http://h/api/f")
    assert (event.trace_parent, event.trace_state) == ("00-a-b-01", "k=v")
    assert event.reason == "This function was programmatically called via the host APIs."
    assert {"query", "headers", "req"} <= set(event.binding_data)


def test_a_replay_gives_the_same_request_again(keep: Keep) -> None:
    trigger = HttpTrigger("F", "req")
    first = trigger.event(
        request(params={"a": "1"}, headers={"h": "2"}, route={"id": "3"}, body=b'{"x": "4"}'),
        absent=["opt"],
    )

    again = trigger.again(keep("httpTrigger", first))

    assert again.datum == first.datum
    assert again.binding_data == first.binding_data
    assert (again.replay_of, again.reason) == ("first", "Replay of 'first'.")


@pytest.mark.parametrize(
    ("methods", "method"),
    [((), "POST"), (("get", "post"), "POST"), (("put", "get"), "PUT"), ("GET", "GET")],
)
async def test_a_run_by_hand_is_a_request_with_the_text_as_its_body(
    methods: object, method: str
) -> None:
    binding = Binding("req", "httpTrigger", "in", {"methods": methods})
    function = Function("F", (binding,), "app", "function_app.py")
    account = cast("Account", None)
    plan = bind(function, Services(lambda _: account, account, "base64", None))

    event = await plan.trigger.by_hand('{"a": "ä"}', now=NOW)

    sent = event.datum.value
    assert (sent.method, sent.body) == (method, '{"a": "ä"}'.encode())
    assert sent.url == "http://localhost/admin/functions/F"
    assert event.binding_data["a"] == "ä"
    assert event.reason == "This function was programmatically called via the host APIs."


# --- responses --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "body"),
    [
        ("Hello", "Hello"),
        ("", ""),
        (" \n", ""),
        ('{"a":1}', '{\n  "a": 1\n}'),
        ("{a:1,}", '{\n  "a": 1\n}'),
        ("[1,2]", "[\n  1,\n  2\n]"),
        ('{"ä":"é"}', '{\n  "ä": "é"\n}'),
        ("{}", "{}"),
        ('"quoted"', "quoted"),
        ("true", "True"),
        ("false", "False"),
        ("null", ""),
        ("1.0", "1"),
        ("-2.50", "-2.5"),
        ("42", "42"),
        ("12 apples", "12 apples"),
        ("2024-01-01", "2024-01-01"),
        ("{oops", "{oops"),
        ("007", "007"),
        (" padded ", " padded "),
        ("[" * 1000, "[" * 1000),
        ("half \ud800", "half ?"),
    ],
)
def test_a_text_is_read_as_json_first(text: str, body: str) -> None:
    response = http_response(Datum("string", text))

    assert response == HttpResponseData(200, (TEXT,), body.encode())


@pytest.mark.parametrize(
    ("text", "status", "headers", "body"),
    [
        ('{"body":"x","status":201,"headers":{"x-k":"v"}}', 201, (TEXT, ("x-k", "v")), b"x"),
        ('{"Body":{"k":1}}', 200, (TEXT,), b'{"k":1}'),
        ('{"body":[1, "ä"]}', 200, (TEXT,), '[1,"ä"]'.encode()),
        ('{"body":"x","statusCode":"404","status":201}', 404, (TEXT,), b"x"),
        ('{"body":"x","status":"many"}', 200, (TEXT,), b"x"),
        ('{"id":1,"body":"x"}', 200, (TEXT,), b"x"),
        ('{"body":null}', 200, (TEXT,), b""),
        ('{"body":true}', 200, (TEXT,), b"True"),
        ('{"body":1.50,"headers":{"Content-Type":"a/b","N":5}}', 200,
         (("Content-Type", "a/b"), ("N", "5")), b"1.5"),
        ('{"body":"x","headers":"none"}', 200, (TEXT,), b"x"),
    ],
)  # fmt: skip
def test_an_object_with_a_body_is_a_whole_response(
    text: str, status: int, headers: tuple[tuple[str, str], ...], body: bytes
) -> None:
    assert http_response(Datum("string", text)) == HttpResponseData(status, headers, body)


def test_a_response_object_is_given_as_it_is() -> None:
    headers = (("a", "1"), ("Set-Cookie", "b=c"), ("Set-Cookie", "d=e"))
    response = HttpResponseData(201, headers, b"x")

    assert http_response(Datum("http", response)) is response


def test_nothing_set_is_no_content() -> None:
    assert http_response(NOTHING) == HttpResponseData(204, (), b"")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (Datum("bytes", b"x"), "not bytes"),
        (Datum("json", "{}"), "not json"),
        (Datum("http", HttpResponseData(99, (), b"")), "status 99"),
        (Datum("http", HttpResponseData(1000, (), b"")), "status 1000"),
        (Datum("string", '{"body":"x","status":101}'), "status 101"),
        (Datum("http", HttpResponseData(200, (("a", "x\r\ny: z"),), b"")), "header 'a'"),
        (Datum("http", HttpResponseData(200, (("a b", "x"),), b"")), "header 'a b'"),
        (Datum("string", '{"body":"x","headers":{"a":"\\n"}}'), "header 'a'"),
    ],
)
def test_what_cannot_be_a_response_is_an_error(value: Datum, message: str) -> None:
    with pytest.raises(BindingFailure, match=message):
        http_response(value)


HELLO = Datum("string", "hello")


@pytest.mark.parametrize(
    ("http_output", "outputs", "value"),
    [
        ("$return", {"$return": HELLO}, HELLO),
        ("$return", {}, NOTHING),
        ("res", {"res": HELLO}, HELLO),
        ("res", {}, NOTHING),
        ("res", {"$return": NOTHING}, NOTHING),
        ("", {}, NOTHING),
        ("res", {"res": HELLO, "$return": Datum("string", "q")}, HELLO),
        ("", {"$return": Datum("string", '{"a":1}')},
         Datum("http", HttpResponseData(200, (TEXT,), b'{"a":1}'))),
        ("res", {"$return": Datum("json", '["a"]')},
         Datum("http", HttpResponseData(200, (JSON,), b'["a"]'))),
        ("", {"$return": Datum("bytes", b"x")},
         Datum("http", HttpResponseData(200, (JSON,), b'"' + base64.b64encode(b"x") + b'"'))),
    ],
)  # fmt: skip
def test_the_http_output_answers_or_else_the_returned_value(
    http_output: str, outputs: dict[str, Datum], value: Datum
) -> None:
    assert response_value(http_output, outputs) == value
