"""Requests and responses, by the tables of spec http-trigger.md, 4 and 5."""

from __future__ import annotations

from typing import Any

import azure.functions as func
import pytest

from triggerfish.worker.converters import Binding, BindingError

HTTP = Binding("p", "httpTrigger", "in")


@pytest.fixture
def response_of(call, http_request):
    """Return what the host gets for a value that answers a request."""
    binding = Binding("$return", "http", "out")

    def answered(value: Any) -> Any:
        return call(lambda p: value, HTTP, binding, inputs={"p": http_request()})["$return"]

    return answered


@pytest.fixture
def respond(response_of):
    """Return status, headers and body of such an answer."""

    def answered(value: Any) -> tuple[int, dict[str, str], bytes]:
        kind, ((status, headers), body) = response_of(value)
        assert kind == "http"
        return status, dict(headers), body

    return answered


def test_an_http_request_shows_all_its_parts(given, http_request):
    req = given(HTTP, http_request(b'{"a": 1}'))

    assert (req.method, req.url) == ("POST", "http://localhost:7071/api/items/5?q=1")
    assert (req.headers["Content-Type"], req.headers["X-Empty"]) == ("application/json", "")
    assert (req.params, req.route_params) == ({"q": "1"}, {"id": "5"})
    assert (req.get_body(), req.get_json()) == (b'{"a": 1}', {"a": 1})


def test_a_request_without_body_is_no_json(given, http_request):
    req = given(HTTP, http_request())

    assert req.get_body() == b""
    with pytest.raises(ValueError, match="JSON"):
        req.get_json()


def test_forms_are_read_from_the_body(given, http_request):
    headers = {"content-type": "application/x-www-form-urlencoded"}

    assert given(HTTP, http_request(b"a=1&b=2", headers=headers)).form["b"] == "2"


@pytest.mark.parametrize("annotation", [str, bytes])
def test_a_request_cannot_be_asked_for_as_text(annotation, given, http_request):
    with pytest.raises(BindingError, match="'http' cannot become str or bytes"):
        given(HTTP, http_request(), None, annotation)


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        (func.HttpResponse(), (200, "text/plain; charset=utf-8", b"")),
        (func.HttpResponse("ü"), (200, "text/plain; charset=utf-8", "ü".encode())),
        (
            func.HttpResponse("ü", charset="latin-1", mimetype="text/html"),
            (200, "text/html; charset=latin-1", b"\xfc"),
        ),
        (
            func.HttpResponse(b"{}", status_code=201, mimetype="application/json"),
            (201, "application/json", b"{}"),
        ),
        (func.HttpResponse("x", headers={"Content-Type": "a/b"}), (200, "a/b", b"x")),
    ],
)
def test_a_response_carries_status_content_type_and_body(response, expected, respond):
    status, headers, body = respond(response)

    lower = {name.lower(): text for name, text in headers.items()}
    assert (status, lower["content-type"], body) == expected


def test_text_is_left_for_the_host_to_look_into(response_of):
    assert response_of('{"body": "x"}') == ("string", '{"body": "x"}')


def test_a_header_set_twice_keeps_its_first_value(respond):
    response = func.HttpResponse("")
    response.headers.add("X-Kept", "1")
    response.headers.add("x-kept", "2")

    _, headers, _ = respond(response)

    assert {n: t for n, t in headers.items() if n.lower() == "x-kept"} == {"X-Kept": "1"}


COOKIES = [
    ("foo=bar", "foo=bar"),
    ("foo=bar; Domain=; Path=", "foo=bar; domain=; path="),
    (
        "a=1; Domain=a.b; Expires=Thu, 12-Jan-2017 13:55:08 GMT; Path=/; Max-Age=10; Secure",
        "a=1; expires=Thu, 12 Jan 2017 13:55:08 GMT; max-age=10; domain=a.b; path=/; secure",
    ),
    ("a=1; HttpOnly; SameSite=Lax", "a=1; samesite=lax; httponly"),
    ('foo="a b"', "foo=a%20b"),
]


@pytest.mark.parametrize(("given_text", "sent"), COOKIES)
def test_a_cookie_is_written_anew(given_text, sent, respond):
    response = func.HttpResponse("", headers={"Set-Cookie": given_text})

    assert respond(response)[1]["Set-Cookie"] == sent


def test_every_cookie_is_a_header_of_its_own(response_of):
    response = func.HttpResponse("")
    response.headers.add("Set-Cookie", "a=1")
    response.headers.add("Set-Cookie", "b=2; path=/x")

    _, ((_, headers), _) = response_of(response)

    cookies = [text for name, text in headers if name == "Set-Cookie"]
    assert cookies == ["a=1", "b=2; path=/x"]


def test_an_empty_cookie_is_no_header(respond):
    assert "Set-Cookie" not in respond(func.HttpResponse("", headers={"Set-Cookie": ""}))[1]


def test_a_cookie_that_cannot_be_read_is_left_out_with_a_warning(respond, caplog):
    headers = respond(func.HttpResponse("", headers={"Set-Cookie": 'a={"b":1}; Path=/'}))[1]

    assert "Set-Cookie" not in headers
    assert "reads no cookie in 'a={\"b\":1}; Path=/'" in caplog.text


def test_a_cookie_that_expires_at_no_time_fails_the_response(respond):
    cookie = "foo=bar; Expires=Thu, 12 Foo 2017 13:55:08 GMT"

    with pytest.raises(BindingError, match=r"cannot parse value .* of expires in the cookie"):
        respond(func.HttpResponse("", headers={"Set-Cookie": cookie}))


def test_a_function_with_an_http_output_must_return_something(response_of):
    with pytest.raises(BindingError, match="returned None"):
        response_of(None)


@pytest.mark.parametrize("value", [b"x", {}, [], 7])
def test_a_response_is_text_or_a_response(value, response_of):
    with pytest.raises(BindingError, match=r"\(http\)"):
        response_of(value)


def test_a_response_set_as_output_parameter_may_be_missing(call, http_request):
    def function(p, out): ...

    assert call(function, HTTP, Binding("out", "http", "out"), inputs={"p": http_request()}) == {}
