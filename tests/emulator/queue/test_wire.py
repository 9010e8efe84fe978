"""The Queue service's documents read back as what was written."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from triggerfish_storage.clock import EPOCH
from triggerfish_storage.errors import StorageError
from triggerfish_storage.queues import wire
from triggerfish_storage.queues.directory import Queue
from triggerfish_storage.queues.rows import Message

TEXTS = st.text(
    st.characters(
        blacklist_categories=("Cs",),
        blacklist_characters=[
            *map(chr, (*range(9), 11, 12, *range(14, 32), 0xFFFE, 0xFFFF)),
        ],
    ),
    max_size=40,
)
INSTANTS = st.datetimes(
    min_value=datetime(1970, 1, 1), max_value=datetime(9999, 12, 31), timezones=st.just(UTC)
).map(lambda at: at.replace(microsecond=0))
RECEIVED = st.builds(
    Message,
    id=st.uuids().map(str),
    text=TEXTS,
    dequeue_count=st.integers(0, 2**31),
    inserted_at=INSTANTS,
    expires_at=INSTANTS,
    visible_at=INSTANTS,
    pop_receipt=st.from_regex(r"[0-9a-f]{16}", fullmatch=True),
)
NAMES = st.from_regex(r"[a-z0-9]{3,10}", fullmatch=True)
METADATA = st.dictionaries(
    st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,5}", fullmatch=True),
    st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=8),
    max_size=3,
)


@given(TEXTS)
def test_a_text_reads_back(text: str) -> None:
    assert wire.read_text(wire.write_text(text)) == text


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("<QueueMessage><MessageText>plain</MessageText></QueueMessage>", "plain"),
        ("<QueueMessage><MessageText></MessageText></QueueMessage>", ""),
        ("<QueueMessage><MessageText/></QueueMessage>", ""),
        (
            "<?xml version='1.0'?>\n<QueueMessage><MessageText>a b</MessageText></QueueMessage>\n",
            "a b",
        ),
        ("<QueueMessage>\n <MessageText>a</MessageText>\n</QueueMessage>", "a"),
        ("<QueueMessage><MessageText><![CDATA[<b>&]]></MessageText></QueueMessage>", "<b>&"),
        ("<QueueMessage><MessageText>&#65;&amp;é</MessageText></QueueMessage>", "A&é"),
        ("<QueueMessage><MessageText>a\r\nb</MessageText></QueueMessage>", "a\nb"),
        ("<QueueMessage><MessageText>]]</MessageText></QueueMessage>", "]]"),
        ("<?xml version='1.0' encoding='utf-16'?><QueueMessage />", None),
        ("<QueueMessage></QueueMessage>", None),
        ("<Other><MessageText>a</MessageText></Other>", None),
        ("<QueueMessage><MessageText>a</QueueMessage>", None),
        ("", None),
    ],
)
def test_bodies_are_read_as_any_client_writes_them(body: str, text: str | None) -> None:
    if text is None:
        with pytest.raises(StorageError, match=r"400 (InvalidXmlDocument|MissingRequiredXmlNode)"):
            wire.read_text(body.encode())
    else:
        assert wire.read_text(body.encode()) == text


@settings(max_examples=40)
@given(st.lists(RECEIVED, max_size=3))
def test_received_messages_read_back(messages: list[Message]) -> None:
    assert wire.read_message_list(wire.message_list(messages)) == messages


@settings(max_examples=40)
@given(RECEIVED)
def test_a_peeked_message_has_no_receipt(message: Message) -> None:
    peeked = message._replace(pop_receipt="")

    [found] = wire.read_message_list(wire.message_list([peeked]))

    assert (found.text, found.pop_receipt, found.visible_at) == (message.text, "", EPOCH)


@settings(max_examples=40)
@given(RECEIVED)
def test_a_put_message_is_told_without_its_text(message: Message) -> None:
    [found] = wire.read_message_list(wire.put_message(message))

    assert (found.id, found.pop_receipt) == (message.id, message.pop_receipt)
    assert (found.inserted_at, found.visible_at) == (message.inserted_at, message.visible_at)
    assert found.text == ""


@settings(max_examples=40)
@given(
    queues=st.lists(st.builds(Queue, name=NAMES, metadata=METADATA), max_size=3),
    marker=st.sampled_from(["", "next"]),
    prefix=TEXTS,
)
def test_a_page_of_queues_reads_back(queues: list[Queue], marker: str, prefix: str) -> None:
    page = wire.QueuePage(queues, marker)

    document = wire.queue_list(
        page, endpoint="http://h/a?b=\"&'", prefix=prefix, limit=5, with_metadata=True
    )

    assert wire.read_queue_list(document) == page


def test_metadata_is_listed_only_where_it_was_asked_for() -> None:
    page = wire.QueuePage([Queue("orders", {"a": "b"})], "")

    assert b"Metadata" not in wire.queue_list(page, endpoint="http://h/a")
