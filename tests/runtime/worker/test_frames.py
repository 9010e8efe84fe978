"""Frames: whatever goes in comes out, however the bytes are cut on the way."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triggerfish.worker import frames
from triggerfish.worker.frames import HEADER, MAGIC, Decoder, FrameError, Payload, encode, pack

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)
HEADS = st.lists(JSON, min_size=1, max_size=5)
FRAMES = st.lists(st.tuples(HEADS, st.lists(st.binary(max_size=64), max_size=3)), max_size=6)
TEXTS = st.text(st.characters(), max_size=4000)  # lone surrogates among them
VALUES = st.one_of(
    st.tuples(st.just("string"), TEXTS),
    st.tuples(st.just("json"), TEXTS),
    st.tuples(st.just("bytes"), st.binary(max_size=4000)),
    st.tuples(st.just("none"), st.none()),
)


@given(FRAMES, st.data())
def test_frames_come_out_whole_however_the_stream_is_cut(sent, data):
    stream = b"".join(encode(head, parts) for head, parts in sent)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    pieces = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]

    decoder = Decoder()
    received = [frame for piece in pieces for frame in decoder.feed(piece)]

    assert received == [(head, b"".join(parts)) for head, parts in sent]


@given(st.lists(VALUES, max_size=8))
def test_values_of_a_frame_are_read_in_the_order_they_were_packed(values):
    parts: list[bytes] = []
    forms = [pack(kind, value, parts) for kind, value in values]

    [(head, payload)] = Decoder().feed(encode(["x", forms], parts))

    reader = Payload(payload)
    assert [reader.unpack(form) for form in head[1]] == values


def test_a_frame_that_arrives_byte_by_byte_is_found_at_its_last_byte():
    stream = encode(["i", 1], [b"body"])
    decoder = Decoder()

    found = [decoder.feed(bytes([byte])) for byte in stream]

    assert found[:-1] == [[]] * (len(stream) - 1)
    assert found[-1] == [(["i", 1], b"body")]


def test_long_text_travels_as_bytes_beside_the_head():
    text = "ü" * (frames.INLINE_CHARACTERS + 1)
    parts: list[bytes] = []

    form = pack("string", text, parts)

    assert form == ["S", len(text.encode())]
    assert parts == [text.encode()]


@pytest.mark.parametrize(
    "head",
    [b"{oops", b"{}", b"[]", b"7", b"\xff\xfe"],
    ids=["broken", "object", "empty", "no", "x"],
)
def test_bytes_that_are_no_frame_are_refused(head):
    with pytest.raises(FrameError):
        Decoder().feed(HEADER.pack(MAGIC, len(head), 0) + head)


@pytest.mark.parametrize("before", [b"", encode(["i", 1])], ids=["first", "later"])
def test_what_is_written_between_frames_is_noticed_at_once(before):
    decoder = Decoder()
    decoder.feed(before)

    with pytest.raises(FrameError, match="Something else"):
        decoder.feed(b"printed by accident")


def test_a_value_of_an_unknown_kind_is_refused():
    with pytest.raises(FrameError, match="stream"):
        pack("stream", b"", [])


def test_a_value_too_large_for_a_frame_is_refused(monkeypatch):
    monkeypatch.setattr(frames, "LONGEST", 10)

    with pytest.raises(FrameError, match="too large"):
        encode(["i"], [b"x" * 11])
