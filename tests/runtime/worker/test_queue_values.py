"""Queue messages in and out, by the tables of spec queue-trigger.md, 9 and 11.1."""

from __future__ import annotations

from datetime import datetime, timezone

import azure.functions as func
import pytest

from triggerfish.worker.context import Invocation
from triggerfish.worker.converters import Binding, BindingError
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
QUEUE = Binding("p", "queueTrigger", "in")


@pytest.mark.parametrize("annotation", [None, func.QueueMessage])
@pytest.mark.parametrize(
    ("value", "body"),
    [(("string", "héllo"), "héllo".encode()), (("bytes", b"\xff\x00"), b"\xff\x00")],
)
def test_a_queue_message_holds_the_body_as_bytes(annotation, value, body, given):
    assert given(QUEUE, value, MESSAGE, annotation).get_body() == body


@pytest.mark.parametrize("annotation", [str, bytes])
@pytest.mark.parametrize("value", [("string", "text"), ("bytes", b"\xff")])
def test_str_and_bytes_ask_for_the_value_as_it_was_sent(annotation, value, given):
    assert given(QUEUE, value, MESSAGE, annotation) == value[1]


def test_a_queue_message_shows_its_metadata(given):
    message = given(QUEUE, ("string", "[1]"), MESSAGE)

    assert (message.id, message.dequeue_count, message.pop_receipt) == ("m1", 3, "r1")
    assert message.insertion_time == datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert message.expiration_time == datetime(2024, 1, 9, 3, 4, 5, tzinfo=UTC)
    assert message.time_next_visible == datetime(2024, 1, 2, 3, 14, 5, 123456, tzinfo=UTC)
    assert message.insertion_time.tzinfo == UTC
    assert message.get_json() == [1]


@pytest.mark.parametrize("time", ["2024-01-02T03:04:05.1234567+00:00", "2024-01-02T03:04:05Z"])
def test_times_are_read_in_all_forms_the_library_reads(time, given):
    message = given(QUEUE, ("string", ""), {**MESSAGE, "InsertionTime": time})

    assert message.insertion_time.replace(microsecond=0) == datetime(
        2024, 1, 2, 3, 4, 5, tzinfo=UTC
    )


def test_metadata_may_repeat_an_input_without_being_sent():
    plan = Plan("F", lambda p: None, [Binding("p", "blobTrigger", "in")], "/app")
    head = ["i", 1, "id", "F", {"p": "c/name"}, {}, {"BlobTrigger": "p"}, "", "", None]

    seen = plan.arguments(Invocation("id", "F"), head, b"")["p"]

    assert seen.name == "c/name"


def test_metadata_that_is_missing_is_none(given):
    message = given(QUEUE, ("string", "x"), {"Id": "m1"})

    assert (message.id, message.dequeue_count, message.insertion_time) == ("m1", None, None)


def test_properties_of_the_payload_override_what_a_message_shows(given):
    metadata = {**MESSAGE, "Id": "7", "DequeueCount": ("json", "99")}

    message = given(QUEUE, ("string", '{"id": "7", "dequeueCount": 99}'), metadata)

    assert (message.id, message.dequeue_count) == ("7", 99)


def test_a_payload_that_overrides_a_time_with_nonsense_fails_the_invocation(given):
    with pytest.raises(BindingError, match=r"parameter 'p' \(queueTrigger\) cannot be made"):
        given(QUEUE, ("string", "{}"), {**MESSAGE, "InsertionTime": "yesterday"})


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
def test_what_a_queue_output_sends(value, expected, written):
    assert written("queue", value) == expected


def test_a_generator_may_give_messages(call):
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
def test_what_a_queue_output_cannot_send_fails_and_says_so(value, written):
    with pytest.raises(BindingError, match=r"cannot be written to '\$return' \(queue\)"):
        written("queue", value)


def test_a_queue_message_that_is_no_text_cannot_be_sent(written):
    with pytest.raises(BindingError, match="UnicodeDecodeError"):
        written("queue", func.QueueMessage(body=b"\xff"))
