"""Plain heads, taken apart by the compiled part: as the parser reads them, or not at all."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from triggerfish_storage.protocol import reader as reader_module
from triggerfish_storage.protocol.blocks import Blocks
from triggerfish_storage.protocol.body import Body
from triggerfish_storage.protocol.operations import BytesBody, Link
from triggerfish_storage.protocol.reader import RequestReader
from triggerfish_storage.protocol.steps import Incoming

heads = pytest.importorskip(
    "triggerfish_storage.protocol._heads", reason="no compiler was there when this was installed"
)

PLAIN = (
    b"PUT /acc/box/a%20b?comp=x&timeout=30 HTTP/1.1\r\n"
    b"Host: 127.0.0.1:10000\r\n"
    b"x-ms-Meta-Name:  a: b  \r\n"
    b"Content-Length: 3\r\n"
    b"Empty:\r\n"
    b"\r\n"
)
BEHIND = b"abcGET /next HTTP/1.1\r\n\r\n"

# What is put into a head to spoil it, or not: all that its grammar has, and what it has not.
PIECES = [
    *(bytes([byte]) for byte in (0, 9, 10, 11, 13, 31, 32, 33, 34, 35, 58, 64, 126, 127, 128, 255)),
    *(b"\r\n", b"\r\n ", b": ", b" :", b"\r\n\r\n", b"/", b"#", b"?", b"%", b"+", b"-", b"0", b"1"),
    *(b"GET", b"TRACE", b"get", b"HTTP/1.0", b"HTTP/2.0", b"HTTP/1.1", b"http://h/", b"\xc3\xa9"),
    b"Content-Length: 3\r\n",
    b"Content-Length: 03\r\n",
    b"Content-Length: 0\r\n",
    b"Content-Length: 9999999999999999\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Connection: keep-alive\r\n",
    b"Connection: Keep-Alive\r\n",
    b"Connection: close\r\n",
    b"Connection: upgrade\r\nUpgrade: h2c\r\n",
    b"Proxy-Connection: close\r\n",
    b"Expect: 100-continue\r\n",
    b"HOST: other\r\n",
    b"X-MS-META-name: other\r\n",
    b"trailer: x\r\n",
    b"a" * 64 + b": long\r\n",
    b"x: " + b"y" * 70_000 + b"\r\n",
    b"".join(b"n%d: v\r\n" % number for number in range(257)),
]


class Flow:
    def wants_more(self, body: Body) -> None:
        pass


def body_of(incoming: Incoming, body: Body | None) -> object:
    """Return what is known of a body; None stands for one that is here."""
    if body is None:
        assert isinstance(incoming.body, BytesBody)
        return True, len(incoming.body.content), None, False
    return body.is_complete, body.received_bytes, body.announced, body.expects_continue


def read(*pieces: bytes, by_parser: bool) -> tuple[object, ...]:
    """Return all that is known once the pieces have arrived: the requests first."""
    with pytest.MonkeyPatch.context() as patch:
        if by_parser:
            patch.setattr(reader_module, "read_head", None)
        reader = RequestReader(Flow(), Blocks(), link=Link())
        for piece in pieces:
            reader.feed(piece)
    requests = [
        (
            (incoming.method, incoming.target, list(incoming.headers.items())),
            (list(incoming.metadata), incoming.keeps_alive),
            body_of(incoming, body),
        )
        for incoming, body in reader.requests
    ]
    # The parser does not tell where in what arrived a request ended: whether a piece of the next
    # head came behind it is known to the compiled part alone.
    is_within_first_head = not requests and reader.is_within_head
    return requests, reader.problem, reader.is_over, is_within_first_head


def test_a_plain_head_is_taken_apart() -> None:
    assert heads.read_head(PLAIN + BEHIND) == (
        "PUT",
        "/acc/box/a%20b?comp=x&timeout=30",
        {
            "host": "127.0.0.1:10000",
            "x-ms-meta-name": "a: b",
            "content-length": "3",
            "empty": "",
        },
        [(b"x-ms-Meta-Name", b"a: b")],
        len(PLAIN),
        3,
    )


def test_without_metadata_and_body_there_is_none() -> None:
    assert heads.read_head(b"GET / HTTP/1.1\r\n\r\n") == ("GET", "/", {}, (), 18, 0)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"PUT", b"BREW"),
        (b"/acc", b"http://h/acc"),
        (b"/acc", b"*"),
        (b"a%20b", b"a#b"),
        (b"a%20b", b"\xc3\xa9"),
        (b"HTTP/1.1", b"HTTP/1.0"),
        (b"Host:", b"Host :"),
        (b"Host:", b":"),
        (b"Host", b"x" * 65),
        (b"Empty:", b"Empty:\t"),
        (b"Empty:", b"Empty: \xc3\xa9"),
        (b"Empty:", b"Empty: \x00"),
        (b"Empty:", b"Host:"),
        (b"Empty:", b"Expect: 100-continue"),
        (b"Empty:", b"Upgrade: h2c"),
        (b"Empty:", b"Connection: close"),
        (b"Empty:", b"Transfer-Encoding: chunked"),
        (b"Empty:", b"a: b\r\n c:"),
        (b"Length: 3", b"Length: +3"),
        (b"Length: 3", b"Length:"),
        (b"Length: 3", b"Length: 1234567890123456"),
        (b"\r\n\r\n", b"\r\n"),
        (b"\r\n\r\n", b"\n\n"),
        (b"\r\n\r\n", b"\r\n\rx"),
    ],
)
def test_what_is_not_plain_is_left_to_the_parser(before: bytes, after: bytes) -> None:
    assert heads.read_head(PLAIN.replace(before, after, 1)) is None


@pytest.mark.parametrize("value", [b"keep-alive", b"Keep-Alive"])
def test_a_connection_that_is_to_go_on_is_plain(value: bytes) -> None:
    assert heads.read_head(PLAIN.replace(b"Empty:", b"Connection: " + value)) is not None


def test_a_head_that_is_not_whole_is_left_to_the_parser() -> None:
    assert [heads.read_head(PLAIN[:end]) for end in range(len(PLAIN))] == [None] * len(PLAIN)


def test_bytes_are_asked_for() -> None:
    with pytest.raises(TypeError):
        heads.read_head("GET / HTTP/1.1\r\n\r\n")


Change = tuple[int, int, bytes]  # where, how many bytes are left out there, what is put in

CHANGES = st.lists(
    st.tuples(st.integers(0, len(PLAIN) + 2), st.integers(0, 3), st.sampled_from([b"", *PIECES])),
    max_size=4,
)


def changed(data: bytes, changes: list[Change]) -> bytes:
    for at, left_out, piece in sorted(changes, reverse=True):
        data = data[:at] + piece + data[at + left_out :]
    return data


@example([(len(PLAIN), 0, BEHIND)])  # a body is whole, and a request behind it
@example([(125, 1, b"GET")])  # no length, and so a piece of a head behind it
@given(CHANGES)
def test_both_ways_read_the_same(changes: list[Change]) -> None:
    data = changed(PLAIN + b"ab", changes)

    assert read(data, by_parser=False) == read(data, by_parser=True)


@given(CHANGES, st.lists(st.integers(0, len(PLAIN + BEHIND + PLAIN)), max_size=5))
def test_both_ways_read_the_same_requests_from_what_comes_in_pieces(
    changes: list[Change], cuts: list[int]
) -> None:
    data = changed(PLAIN, changes) + BEHIND + PLAIN + b"abc"
    ends = [*sorted(cuts), len(data)]
    pieces = [data[begin:end] for begin, end in pairwise([0, *ends]) if begin < end]

    # The parser may find out later that a head is too long.
    assert read(*pieces, by_parser=False)[0] == read(*pieces, by_parser=True)[0]


@pytest.mark.parametrize("piece", PIECES, ids=lambda piece: repr(piece[:30]))
def test_both_ways_read_the_same_wherever_something_is_put_in(piece: bytes) -> None:
    for at in range(len(PLAIN) + 1):
        data = PLAIN[:at] + piece + PLAIN[at:] + BEHIND
        assert read(data, by_parser=False) == read(data, by_parser=True)
