"""What a function is given and what its values become, by the tables of the specs.

queue-trigger.md 9 and 11.1; blob-trigger.md 7, 9 and 10; http-trigger.md 4 and 5;
timer-trigger.md 9; host-and-worker.md 11 and 12.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

import azure.functions as func
import pytest

from triggerfish.worker.context import Invocation
from triggerfish.worker.converters import Binding, BindingError
from triggerfish.worker.frames import Payload, pack, pack_http
from triggerfish.worker.plans import Plan

UTC = timezone.utc  # noqa: UP017 - these tests run on Python 3.9 as well
TIME = "2024-01-02T03:04:05+00:00"
MESSAGE = {
    "Id": "m1",
    "DequeueCount": "3",
    "InsertionTime": TIME,
    "ExpirationTime": "2024-01-09T03:04:05+00:00",
    "NextVisibleTime": "2024-01-02T03:14:05.123456+00:00",
    "PopReceipt": "r1",
}
Value = tuple  # kind and value


def call(
    function: Callable[..., Any],
    *bindings: Binding,
    inputs: dict[str, Value] | None = None,
    metadata: dict[str, Any] | None = None,
) -> dict[str, Value]:
    """Run ``function`` as a worker would, and return its outputs as the host reads them."""
    plan = Plan("F", function, bindings, "/app/F")
    parts: list[bytes] = []
    packed = {name: _pack(value, parts) for name, value in (inputs or {}).items()}
    fields = {name: _pack(value, parts) for name, value in (metadata or {}).items()}
    head = ["i", 1, "id", "F", packed, fields, {}, "", "", None]
    arguments = plan.arguments(Invocation("id", "F"), head, b"".join(parts))
    produced: list[bytes] = []
    forms = plan.results(arguments, plan.function(**arguments), produced)
    reader = Payload(b"".join(produced))
    return {name: reader.unpack(form) for name, form in forms.items()}


def _pack(value: Any, parts: list[bytes]) -> Any:
    if isinstance(value, str):
        return value
    kind, data = value
    if kind == "http":
        return pack_http(data[:-1], data[-1], parts)
    return pack(kind, data, parts)


def given(binding: Binding, value: Value, metadata: Any = None, annotation: Any = None) -> Any:
    """Return the argument that a parameter for ``binding`` gets."""
    seen = []

    def function(p):
        seen.append(p)

    if annotation is not None:
        function.__annotations__["p"] = annotation
    call(function, binding, inputs={"p": value}, metadata=metadata)
    return seen[0]


def written(binding_type: str, value: Any, annotation: Any = None) -> Value:
    """Return what the host gets for ``value`` as return value and as output parameter."""

    def returns(t):
        return value

    def sets(t, out):
        out.set(value)

    if annotation is not None:
        sets.__annotations__["out"] = func.Out[annotation]
    trigger = Binding("t", "timerTrigger", "in")
    inputs = {"t": ("json", "{}")}
    by_return = call(returns, trigger, Binding("$return", binding_type, "out"), inputs=inputs)
    by_parameter = call(sets, trigger, Binding("out", binding_type, "out"), inputs=inputs)
    assert by_return.get("$return") == by_parameter.get("out")
    return by_return.get("$return", ("none", None))


# --- queue trigger ----------------------------------------------------------------------------

QUEUE = Binding("p", "queueTrigger", "in")


@pytest.mark.parametrize("annotation", [None, func.QueueMessage])
@pytest.mark.parametrize(
    ("value", "body"),
    [(("string", "héllo"), "héllo".encode()), (("bytes", b"\xff\x00"), b"\xff\x00")],
)
def test_a_queue_message_holds_the_body_as_bytes(annotation, value, body):
    assert given(QUEUE, value, MESSAGE, annotation).get_body() == body


@pytest.mark.parametrize("annotation", [str, bytes])
@pytest.mark.parametrize("value", [("string", "text"), ("bytes", b"\xff")])
def test_str_and_bytes_ask_for_the_value_as_it_was_sent(annotation, value):
    assert given(QUEUE, value, MESSAGE, annotation) == value[1]


def test_a_queue_message_shows_its_metadata():
    message = given(QUEUE, ("string", "[1]"), MESSAGE)

    assert (message.id, message.dequeue_count, message.pop_receipt) == ("m1", 3, "r1")
    assert message.insertion_time == datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert message.expiration_time == datetime(2024, 1, 9, 3, 4, 5, tzinfo=UTC)
    assert message.time_next_visible == datetime(2024, 1, 2, 3, 14, 5, 123456, tzinfo=UTC)
    assert message.insertion_time.tzinfo == UTC
    assert message.get_json() == [1]


@pytest.mark.parametrize("time", ["2024-01-02T03:04:05.1234567+00:00", "2024-01-02T03:04:05Z"])
def test_times_are_read_in_all_forms_the_library_reads(time):
    message = given(QUEUE, ("string", ""), {**MESSAGE, "InsertionTime": time})

    assert message.insertion_time.replace(microsecond=0) == datetime(
        2024, 1, 2, 3, 4, 5, tzinfo=UTC
    )


def test_metadata_may_repeat_an_input_without_being_sent():
    plan = Plan("F", lambda p: None, [Binding("p", "blobTrigger", "in")], "/app")
    head = ["i", 1, "id", "F", {"p": "c/name"}, {}, {"BlobTrigger": "p"}, "", "", None]

    seen = plan.arguments(Invocation("id", "F"), head, b"")["p"]

    assert seen.name == "c/name"


def test_metadata_that_is_missing_is_none():
    message = given(QUEUE, ("string", "x"), {"Id": "m1"})

    assert (message.id, message.dequeue_count, message.insertion_time) == ("m1", None, None)


def test_properties_of_the_payload_override_what_a_message_shows():
    metadata = {**MESSAGE, "Id": "7", "DequeueCount": ("json", "99")}

    message = given(QUEUE, ("string", '{"id": "7", "dequeueCount": 99}'), metadata)

    assert (message.id, message.dequeue_count) == ("7", 99)


def test_a_payload_that_overrides_a_time_with_nonsense_fails_the_invocation():
    with pytest.raises(BindingError, match=r"parameter 'p' \(queueTrigger\) cannot be made"):
        given(QUEUE, ("string", "{}"), {**MESSAGE, "InsertionTime": "yesterday"})


# --- queue output -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, ("none", None)),
        ("text", ("string", "text")),
        ("", ("string", "")),
        (b'{"a":1}', ("bytes", b'{"a":1}')),
        ("x" * 5000, ("string", "x" * 5000)),
        (func.QueueMessage(id="1", body="x"), ("json", '{"id": "1", "body": "x"}')),
        (func.QueueMessage(body="x"), ("json", '{"id": null, "body": "x"}')),
        (["one", "two"], ("json", '["one", "two"]')),
        (("a", "b"), ("json", '["a", "b"]')),
        ([], ("json", "[]")),
        ({"k": 1}, ("json", '["k"]')),
        ([func.QueueMessage(body="x")], ("json", '[{"id": null, "body": "x"}]')),
    ],
)
def test_what_a_queue_output_sends(value, expected):
    assert written("queue", value) == expected


def test_a_generator_may_give_messages():
    def function(t):
        return (text for text in ("a", "b"))

    outputs = call(
        function,
        Binding("t", "timerTrigger", "in"),
        Binding("$return", "queue", "out"),
        inputs={"t": ("json", "{}")},
    )

    assert outputs == {"$return": ("json", '["a", "b"]')}


@pytest.mark.parametrize("value", [[b"x"], [1], [{"a": 1}], 7, 1.5, object()])
def test_what_a_queue_output_cannot_send_fails_and_says_so(value):
    with pytest.raises(BindingError, match=r"cannot be written to '\$return' \(queue\)"):
        written("queue", value)


def test_a_queue_message_that_is_no_text_cannot_be_sent():
    with pytest.raises(BindingError, match="UnicodeDecodeError"):
        written("queue", func.QueueMessage(body=b"\xff"))


# --- blobs ------------------------------------------------------------------------------------

BLOB = {
    "BlobTrigger": "samples/a.txt",
    "Uri": "http://127.0.0.1:10000/devstoreaccount1/samples/a.txt",
    "Properties": ("json", json.dumps({"ContentLength": 5, "ContentType": "text/plain"})),
    "Metadata": ("json", json.dumps({"key": "value"})),
}


@pytest.mark.parametrize("annotation", [None, func.InputStream])
def test_a_blob_trigger_gives_a_stream(annotation):
    stream = given(Binding("p", "blobTrigger", "in"), ("bytes", b"hello"), BLOB, annotation)

    assert (stream.name, stream.length, stream.uri) == ("samples/a.txt", 5, BLOB["Uri"])
    assert stream.blob_properties["ContentType"] == "text/plain"
    assert stream.metadata == {"key": "value"}
    assert (stream.read(2), stream.read(), stream.readable()) == (b"he", b"llo", True)


@pytest.mark.parametrize("annotation", [str, bytes])
def test_a_blob_trigger_gives_bytes_whatever_the_annotation(annotation):
    value = given(Binding("p", "blobTrigger", "in"), ("bytes", b"\xff"), BLOB, annotation)

    assert value == b"\xff"


def test_an_empty_blob_has_no_length():
    metadata = {**BLOB, "Properties": ("json", json.dumps({"ContentLength": 0}))}

    stream = given(Binding("p", "blobTrigger", "in"), ("bytes", b""), metadata)

    assert (stream.length, stream.read()) == (None, b"")


def test_a_blob_input_of_text_is_a_stream_of_utf_8():
    stream = given(Binding("p", "blob", "in"), ("string", "ü"))

    assert (stream.read(), stream.name, stream.length) == ("ü".encode(), None, None)


def test_a_blob_input_beside_a_blob_trigger_shows_the_trigger_blob():
    seen = []
    call(
        lambda p, t: seen.append(p.name),
        Binding("t", "blobTrigger", "in"),
        Binding("p", "blob", "in"),
        inputs={"t": ("bytes", b""), "p": ("bytes", b"")},
        metadata=BLOB,
    )

    assert seen == ["samples/a.txt"]


@pytest.mark.parametrize("annotation", [None, func.InputStream, str, bytes])
def test_a_blob_that_is_not_there_is_none(annotation):
    assert given(Binding("p", "blob", "in"), ("none", None), None, annotation) is None


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, ("none", None)),
        ("ü", ("string", "ü")),
        ('{"a":1}', ("string", '{"a":1}')),
        (b"\xff", ("bytes", b"\xff")),
        (b"", ("bytes", b"")),
        (bytearray(b"ab"), ("bytes", b"ab")),
    ],
)
def test_what_a_blob_output_writes(value, expected):
    assert written("blob", value) == expected


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: io.BytesIO(b"ab"), ("bytes", b"ab")),
        (lambda: io.StringIO("ab"), ("string", "ab")),
    ],
)
def test_a_blob_output_reads_what_can_be_read(make, expected):
    outputs = call(
        lambda t: make(),
        Binding("t", "timerTrigger", "in"),
        Binding("$return", "blob", "out"),
        inputs={"t": ("json", "{}")},
    )

    assert outputs["$return"] == expected


@pytest.mark.parametrize("value", [7, {"a": 1}, ["a"]])
def test_what_a_blob_output_cannot_write_fails(value):
    with pytest.raises(BindingError, match=r"\(blob\): give it a str, bytes, or an object"):
        written("blob", value)


# --- timer ------------------------------------------------------------------------------------

TIMER = json.dumps(
    {"Schedule": {"AdjustForDST": True}, "ScheduleStatus": {"Last": TIME}, "IsPastDue": True}
)


def test_a_timer_shows_its_schedule():
    timer = given(Binding("p", "timerTrigger", "in"), ("json", TIMER))

    assert timer.past_due is True
    assert timer.schedule_status == {"Last": TIME}
    assert timer.schedule == {"AdjustForDST": True}


def test_a_timer_may_be_asked_for_as_text():
    assert given(Binding("p", "timerTrigger", "in"), ("json", TIMER), None, str) == TIMER


# --- http -------------------------------------------------------------------------------------


def request(body: bytes = b"", **changes: Any) -> Value:
    fields = {
        "method": "POST",
        "url": "http://localhost:7071/api/items/5?q=1",
        "headers": {"content-type": "application/json", "x-empty": ""},
        "params": {"q": "1"},
        "route_params": {"id": "5"},
        **changes,
    }
    return ("http", [*fields.values(), body])


HTTP = Binding("p", "httpTrigger", "in")


def test_an_http_request_shows_all_its_parts():
    req = given(HTTP, request(b'{"a": 1}'))

    assert (req.method, req.url) == ("POST", "http://localhost:7071/api/items/5?q=1")
    assert (req.headers["Content-Type"], req.headers["X-Empty"]) == ("application/json", "")
    assert (req.params, req.route_params) == ({"q": "1"}, {"id": "5"})
    assert (req.get_body(), req.get_json()) == (b'{"a": 1}', {"a": 1})


def test_a_request_without_body_is_no_json():
    req = given(HTTP, request())

    assert req.get_body() == b""
    with pytest.raises(ValueError, match="JSON"):
        req.get_json()


def test_forms_are_read_from_the_body():
    headers = {"content-type": "application/x-www-form-urlencoded"}

    assert given(HTTP, request(b"a=1&b=2", headers=headers)).form["b"] == "2"


@pytest.mark.parametrize("annotation", [str, bytes])
def test_a_request_cannot_be_asked_for_as_text(annotation):
    with pytest.raises(BindingError, match="'http' cannot become str or bytes"):
        given(HTTP, request(), None, annotation)


def respond(value: Any) -> tuple[int, dict[str, str], bytes]:
    kind, ((status, headers), body) = _response(value)
    assert kind == "http"
    return status, dict(headers), body


def _response(value: Any) -> Any:
    binding = Binding("$return", "http", "out")
    return call(lambda p: value, HTTP, binding, inputs={"p": request()})["$return"]


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
def test_a_response_carries_status_content_type_and_body(response, expected):
    status, headers, body = respond(response)

    lower = {name.lower(): text for name, text in headers.items()}
    assert (status, lower["content-type"], body) == expected


def test_text_is_left_for_the_host_to_look_into():
    assert _response('{"body": "x"}') == ("string", '{"body": "x"}')


def test_a_header_set_twice_keeps_its_first_value():
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
def test_a_cookie_is_written_anew(given_text, sent):
    response = func.HttpResponse("", headers={"Set-Cookie": given_text})

    assert respond(response)[1]["Set-Cookie"] == sent


def test_every_cookie_is_a_header_of_its_own():
    response = func.HttpResponse("")
    response.headers.add("Set-Cookie", "a=1")
    response.headers.add("Set-Cookie", "b=2; path=/x")

    _, ((_, headers), _) = _response(response)

    cookies = [text for name, text in headers if name == "Set-Cookie"]
    assert cookies == ["a=1", "b=2; path=/x"]


def test_an_empty_cookie_is_no_header():
    assert "Set-Cookie" not in respond(func.HttpResponse("", headers={"Set-Cookie": ""}))[1]


def test_a_cookie_that_expires_at_no_time_fails_the_response():
    cookie = "foo=bar; Expires=Thu, 12 Foo 2017 13:55:08 GMT"

    with pytest.raises(BindingError, match=r"cannot parse value .* of expires in the cookie"):
        respond(func.HttpResponse("", headers={"Set-Cookie": cookie}))


def test_a_function_with_an_http_output_must_return_something():
    with pytest.raises(BindingError, match="returned None"):
        _response(None)


@pytest.mark.parametrize("value", [b"x", {}, [], 7])
def test_a_response_is_text_or_a_response(value):
    with pytest.raises(BindingError, match=r"\(http\)"):
        _response(value)


def test_a_response_set_as_output_parameter_may_be_missing():
    def function(p, out): ...

    assert call(function, HTTP, Binding("out", "http", "out"), inputs={"p": request()}) == {}


# --- return values and generic bindings -------------------------------------------------------


def test_a_value_without_a_return_binding_fails():
    with pytest.raises(BindingError, match=r"without a \$return binding returned a non-None"):
        call(lambda p: "x", HTTP, inputs={"p": request()})


def test_a_value_without_a_return_binding_is_taken_where_a_binding_is_generic():
    outputs = call(
        lambda p, t: {"a": 1},
        HTTP,
        Binding("t", "table", "in"),
        inputs={"p": request(), "t": ("json", "[]")},
    )

    assert outputs == {"$return": ("json", '{"a": 1}')}


def test_return_value_and_output_parameters_go_together():
    def function(p, out: func.Out[str]):
        out.set("message")
        return out.get() + "!"

    outputs = call(
        function,
        HTTP,
        Binding("out", "queue", "out"),
        Binding("$return", "blob", "out"),
        inputs={"p": request()},
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
def test_what_a_generic_output_sends(value, expected):
    assert written("table", value) == expected


def test_a_generic_output_takes_no_objects():
    with pytest.raises(BindingError, match="object is no str, bytes, dict, list or number"):
        written("table", object())


@pytest.mark.parametrize("value", [("json", "[]"), ("string", "x"), ("bytes", b"x")])
def test_a_generic_input_is_given_as_it_was_sent(value):
    assert given(Binding("p", "table", "in"), value) == value[1]


def test_an_input_that_the_host_did_not_send_is_none():
    seen = []
    call(lambda p, t: seen.append(t), HTTP, Binding("t", "table", "in"), inputs={"p": request()})

    assert seen == [None]
