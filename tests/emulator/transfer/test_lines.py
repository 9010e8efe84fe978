"""Lines of JSON: any message and any entity is read back as it was written."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from hypothesis import given
from hypothesis import strategies as st

from triggerfish_storage.queues.exact import StoredMessage
from triggerfish_storage.queues.identity import message_id
from triggerfish_storage.tables.edm import Property, convert
from triggerfish_storage.tables.entity import Entity, Keys, encode
from triggerfish_storage.transfer.entity_lines import entity_line, read_entity
from triggerfish_storage.transfer.fields import Line, read_lines, to_line
from triggerfish_storage.transfer.message_lines import read_message, stored_document

NOW = datetime(2024, 5, 1, tzinfo=UTC)
TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=60)
INSTANT = st.datetimes(datetime(2024, 5, 1), datetime(9990, 1, 1)).map(
    lambda at: at.replace(tzinfo=UTC)
)
NUMBER = st.integers(0, 2**63 - 1)


def line_of(raw: bytes) -> Line:
    return Line("file", 1, raw, json.loads(raw))


@given(
    text=st.text(st.characters(exclude_categories=["Cs"]), max_size=60),
    numbers=st.tuples(NUMBER, NUMBER),
    count=st.integers(0, 9),
    instants=st.tuples(INSTANT, INSTANT, INSTANT),
)
def test_a_message_is_read_as_it_was_written(text, numbers, count, instants):
    inserted, expires, visible = instants
    later = expires.replace(year=9996)  # a leap year, as its own may be
    message = StoredMessage(message_id(*numbers), text, count, inserted, later, visible)

    assert read_message(line_of(to_line(stored_document(message))), NOW, "base64") == message


PROPERTY = st.one_of(
    TEXT.map(lambda text: Property("Edm.String", text)),
    st.booleans().map(lambda flag: Property("Edm.Boolean", flag)),
    st.integers(-(2**31), 2**31 - 1).map(lambda number: Property("Edm.Int32", number)),
    st.integers(-(2**63), 2**63 - 1).map(lambda number: convert("Edm.Int64", str(number))),
    st.floats(allow_nan=False, allow_infinity=False).map(lambda x: convert("Edm.Double", x)),
    st.sampled_from(["NaN", "Infinity", "-Infinity"]).map(lambda x: convert("Edm.Double", x)),
    st.uuids().map(lambda guid: convert("Edm.Guid", str(guid))),
    st.binary(max_size=20).map(lambda _: convert("Edm.Binary", "AP8=")),
    INSTANT.map(lambda at: convert("Edm.DateTime", at.isoformat())),
)
KEY = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="/\\#?"), max_size=9
)


@given(
    keys=st.tuples(KEY, KEY),
    modified=st.integers(0, 2**52),
    properties=st.dictionaries(st.sampled_from(["a", "B2", "naïve", "_x"]), PROPERTY),
)
def test_an_entity_is_read_as_it_was_written(keys, modified, properties):
    entity = Entity(Keys(*keys), modified, encode(properties))

    assert read_entity(line_of(entity_line(entity)), NOW) == entity


def test_what_is_no_text_is_kept_in_a_line_that_is(tmp_path: Path) -> None:
    document = {"contentType": "a\udcffb", "id": str(uuid4())}
    (tmp_path / "lines.jsonl").write_bytes(to_line(document))

    [line] = read_lines(tmp_path / "lines.jsonl")

    assert line.values == document
