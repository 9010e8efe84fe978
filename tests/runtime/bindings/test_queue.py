"""Spec queue-trigger.md, sections 8 to 11: what messages look like to functions, and back."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, cast

import pytest

from triggerfish.bindings.plan import BindingFailure, Scope
from triggerfish.bindings.queue import (
    NotBase64,
    QueueOutput,
    QueueTrigger,
    decode_text,
    encode_body,
    message_bodies,
)
from triggerfish.expressions import BindingData, ExpressionError, Template
from triggerfish.model import Datum, PutMessage
from triggerfish.storage.account import Account, Message

if TYPE_CHECKING:
    from conftest import Keep

NOW = datetime(2024, 1, 2, 3, 4, 5, 678000, tzinfo=UTC)
ACCOUNT = cast("Account", object())


def trigger(*, binary: bool = False, queue: str = "orders") -> QueueTrigger:
    return QueueTrigger("F", "msg", queue, binary, "base64", ACCOUNT)


def message(*, dequeue_count: int = 2) -> Message:
    return Message("the-id", "", dequeue_count, NOW, NOW + timedelta(days=7), NOW, "receipt")


def bodies(value: Datum) -> list[str]:
    return [body.decode() for body in message_bodies(value)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("hello", ["hello"]),
        ("", [""]),
        ('{"a":1}', ['{\n  "a": 1\n}']),
        ('[1, "x", {"k": true}]', ["1", "x", '{\n  "k": true\n}']),
        ("[]", []),
        ("[draft] text", ["[draft] text"]),
        ("[true, false, 1.5, 1.0, null]", ["True", "False", "1.5", "1", ""]),
        ('[["nested", []]]', ['[\n  "nested",\n  []\n]']),
        ('{"ü": "ß"}', ['{\n  "ü": "ß"\n}']),
        ("{}", ["{}"]),
        ("{'single': 1, }", ['{\n  "single": 1\n}']),
    ],
)
def test_a_text_becomes_messages(text: str, expected: list[str]) -> None:
    assert bodies(Datum("string", text)) == expected


def test_a_text_that_looks_like_json_but_is_not_fails() -> None:
    with pytest.raises(BindingFailure, match="Return bytes"):
        message_bodies(Datum("string", "{not json}"))


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (["one", "two"], ["one", "two"]),
        ([], []),
        (["k"], ["k"]),
        ({"id": None, "body": "x"}, ['{\n  "id": null,\n  "body": "x"\n}']),
    ],
)
def test_a_python_list_or_queue_message_becomes_messages(
    document: object, expected: list[str]
) -> None:
    assert bodies(Datum("json", json.dumps(document))) == expected


def test_bytes_are_one_message_and_never_looked_into() -> None:
    assert list(message_bodies(Datum("bytes", b'[1, "\xff"]'))) == [b'[1, "\xff"]']


@pytest.mark.parametrize(
    ("text", "body"), [("aGVsbG8=", b"hello"), (" aGVs\r\nbG8= ", b"hello"), ("", b"")]
)
def test_base64_text_is_decoded_and_white_space_tolerated(text: str, body: bytes) -> None:
    assert decode_text(text, "base64") == body


@pytest.mark.parametrize("text", ["héllo", "hello", "{}", "aGVsbG8", "aGVsbG8=="])
def test_text_that_is_no_base64_is_refused(text: str) -> None:
    with pytest.raises(NotBase64):
        decode_text(text, "base64")


def test_without_encoding_text_is_taken_as_it_is() -> None:
    assert decode_text("héllo", "none") == "héllo".encode()
    assert encode_body("héllo".encode(), "none") == "héllo"


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"\xff", "is not UTF-8 text"),
        (b"a\0b", r"has the character U\+0000"),
        ("\uffff".encode(), r"has the character U\+FFFF"),
    ],
)
def test_without_encoding_what_is_no_text_is_refused(body: bytes, problem: str) -> None:
    with pytest.raises(BindingFailure, match=f"The message {problem}.* messageEncoding 'none'"):
        encode_body(body, "none")


def test_a_function_is_given_text_and_metadata() -> None:
    event = trigger().event(message(), b"plain")

    assert event.datum == Datum("string", "plain")
    assert event.metadata == {
        "Id": "the-id",
        "DequeueCount": "2",
        "InsertionTime": "2024-01-02T03:04:05+00:00",
        "ExpirationTime": "2024-01-09T03:04:05+00:00",
        "NextVisibleTime": "2024-01-02T03:04:05+00:00",
        "PopReceipt": "receipt",
    }
    assert event.reason == "New queue message detected on 'orders'."
    assert event.details == (
        "MessageId: the-id, DequeueCount: 2, InsertedOn: 2024-01-02T03:04:05.678+00:00"
    )


def test_properties_of_a_json_payload_win_over_metadata_of_the_same_name() -> None:
    event = trigger().event(message(), b'{"id": 7, "dequeueCount": 99, "customer": {"no": 1}}')

    assert event.metadata["Id"] == "7"
    assert event.metadata["DequeueCount"] == "99"
    assert event.binding_data["customer"] == {"no": 1}
    assert event.attempt == 2  # the listener's own counter is not affected


@pytest.mark.parametrize(
    "body",
    ['{"ID": "7"}', "{id: '7'} ", '{"\\u0069d": "7"}', '{"a": 1, "Id": "7", "b": {"c": "}"}}\n'],
)
def test_properties_win_however_they_are_written(body: str) -> None:
    assert trigger().event(message(), body.encode()).metadata["Id"] == "7"


@pytest.mark.parametrize("body", ['{"a": {"id": "7"}}', '[{"id": "7"}]', '{"ide": "id"}', "id"])
def test_only_properties_of_the_body_itself_win(body: str) -> None:
    assert trigger().event(message(), body.encode()).metadata["Id"] == "the-id"


def test_a_binary_trigger_gets_bytes_and_no_payload_properties() -> None:
    event = trigger(binary=True).event(message(), b'{"id": 7}')

    assert event.datum == Datum("bytes", b'{"id": 7}')
    assert event.metadata["Id"] == "the-id"


def test_bytes_that_are_no_text_fail_the_invocation_unless_the_trigger_is_binary() -> None:
    assert "error binding parameter 'msg'" in trigger().event(message(), b"\xff").problem.lower()
    assert trigger(binary=True).event(message(), b"\xff").problem == ""


@pytest.mark.parametrize(
    ("queue", "poison"),
    [
        ("orders", "orders-poison"),
        ("orders-poison", ""),
        ("q" * 56, "q" * 56 + "-poison"),
        ("q" * 57, ""),
    ],
)
def test_the_poison_queue_belongs_to_the_watched_queue(queue: str, poison: str) -> None:
    assert trigger(queue=queue).poison_queue == poison


def test_a_delivery_can_be_built_again_from_what_the_ledger_kept(keep: Keep) -> None:
    event = trigger().event(message(), b'{"a": 1}')

    again = trigger().again(keep("queueTrigger", event))

    assert (again.datum, again.metadata) == (event.datum, event.metadata)
    assert again.replay_of == "first"


@pytest.mark.parametrize(
    ("body", "binary", "reason"),
    [
        (b"plain", False, ": the message is not a JSON object."),
        (b"[1]", False, ": the message is not a JSON object."),
        (b"{oops}", False, ": the message is not a JSON object."),
        (b"\xff", False, ": the message is not a JSON object."),
        (b'{"id": 7}', True, ": a message of dataType binary is not read as JSON."),
        (b"{}", False, "."),
        (b'{"other": 1}', False, "."),
        (b'{"customerId": null}', False, "."),
    ],
)
def test_a_missing_value_says_why_it_is_missing(body: bytes, binary: bool, reason: str) -> None:
    data = trigger(binary=binary).event(message(), body).binding_data

    with pytest.raises(ExpressionError) as caught:
        Template.parse("customers/{customerId}.json").render(data, function="F", now=NOW)
    assert str(caught.value) == (
        f"No value for named parameter 'customerId'{reason} (in 'customers/{{customerId}}.json')"
    )


def test_expressions_name_what_is_known_of_a_message() -> None:
    data = trigger().event(message(), b'{"a": {"b": 1}}').binding_data

    text = "{id} {dequeueCount} {popReceipt} {a.b} [{insertionTime}] {queueTrigger}"
    rendered = Template.parse(text).render(data, function="F", now=NOW)
    assert rendered == 'the-id 2 receipt 1 [] {"a": {"b": 1}}'


async def test_a_run_by_hand_is_a_message_of_its_own() -> None:
    event = await trigger().by_hand('{"a": 1}', now=NOW)

    assert (event.payload, event.attempt, event.source) == (b'{"a": 1}', 1, "orders")
    assert event.reason == "This function was programmatically called via the host APIs."
    assert event.binding_data["a"] == "1"


def output(queue: str = "out", encoding: str = "base64") -> QueueOutput:
    return QueueOutput("out", Template.parse(queue), encoding, ACCOUNT)


def scope(**data: object) -> Scope:
    return Scope("invocation", "F", NOW, BindingData(data))


def test_an_output_is_encoded_for_the_wire() -> None:
    assert output().effects(Datum("bytes", b"\x00x"), scope()) == [
        PutMessage("out", base64.b64encode(b"\x00x").decode())
    ]


def test_an_output_that_is_nothing_needs_no_queue() -> None:
    assert list(output("{missing}").effects(Datum("json", "[]"), scope())) == []


@pytest.mark.parametrize("value", [Datum("string", "half \ud800"), Datum("json", '["\\ud800"]')])
def test_half_a_character_cannot_be_sent(value: Datum) -> None:
    with pytest.raises(BindingFailure, match="UTF-8"):
        output().effects(value, scope())


def test_an_output_queue_named_by_an_expression_is_lower_cased_and_checked() -> None:
    [effect] = output("{target}").effects(Datum("string", "x"), scope(target="ABC"))
    assert effect == PutMessage("abc", base64.b64encode(b"x").decode())

    with pytest.raises(BindingFailure, match=r"Bad_Name|bad_name"):
        output("{target}").effects(Datum("string", "x"), scope(target="Bad_Name"))
