"""Bodies that are hashed together come to the same checksums as each alone."""

import asyncio
import hashlib
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triggerfish_storage.blobs.crc64 import Crc64InPython
from triggerfish_storage.hashing import OneByOne, Together

compiled = pytest.importorskip(
    "triggerfish_storage._checksums", reason="no compiler was there when this was installed"
)

BODIES = [bytes([number]) * (1000 * number + 7) for number in range(3 * compiled.LANES)]
EDGES = [0, 1, 55, 56, 63, 64, 65, 119, 128, 1000]


def md5(data: bytes) -> bytes:
    return hashlib.md5(data).digest()


def crc64(data: bytes) -> bytes:
    checksum = Crc64InPython()
    checksum.update(data)
    return checksum.digest()


@pytest.fixture(params=[OneByOne, Together])
def way(request):
    return request.param()


async def hashed(way, *pieces: bytes) -> bytes:
    found = way.new_md5()
    for piece in pieces:
        await way.update([found], piece)
    return found.digest()


# RFC 1321, A.5
@pytest.mark.parametrize(
    ("message", "digest"),
    [
        ("", "d41d8cd98f00b204e9800998ecf8427e"),
        ("abc", "900150983cd24fb0d6963f7d28e17f72"),
        ("message digest", "f96b697d7cb7938d525a2f31aaf161d0"),
        ("1234567890" * 8, "57edf4a22be3c955ac49da2e2107b67a"),
    ],
)
def test_the_compiled_part_has_the_vectors_of_the_standard(message, digest):
    found = compiled.Md5()
    found.update(message.encode())

    assert found.digest().hex() == digest


@given(
    st.lists(
        st.lists(st.sampled_from(EDGES) | st.integers(0, 5000), max_size=4),
        max_size=compiled.LANES,
    ),
    st.randoms(use_true_random=False),
)
def test_messages_of_any_lengths_in_any_pieces_are_hashed_as_hashlib_does(sizes, random):
    messages = [[random.randbytes(size) for size in some] for some in sizes]
    found = [(compiled.Md5(), compiled.Crc64()) for _ in messages]

    for turn in range(4):
        compiled.update_together(
            [
                (one, pieces[turn])
                for both, pieces in zip(found, messages, strict=True)
                if turn < len(pieces)
                for one in both
            ]
        )

    expected = [(md5(data), crc64(data)) for data in map(b"".join, messages)]
    assert [(hash_.digest(), checksum.digest()) for hash_, checksum in found] == expected


def test_a_digest_may_be_asked_for_on_the_way():
    found = compiled.Md5()
    found.update(b"a" * 100)

    assert found.digest() == md5(b"a" * 100)
    found.update(memoryview(b"b" * 100))
    assert found.digest() == md5(b"a" * 100 + b"b" * 100)


SAME = compiled.Md5()
CRC64 = compiled.Crc64()


@pytest.mark.parametrize(
    ("pairs", "error"),
    [
        (1, TypeError),
        ([1], TypeError),
        ([(SAME,)], TypeError),
        ([(hashlib.md5(), b"")], TypeError),
        ([(SAME, "text")], TypeError),
        ([(SAME, memoryview(b"abcd")[::2])], BufferError),
        ([(SAME, b"a", b"b")], TypeError),
        ([(Crc64InPython(), b"a")], TypeError),
        ([(SAME, b"a"), (SAME, b"b")], ValueError),
        ([(CRC64, b"a"), (SAME, b"a"), (CRC64, b"b")], ValueError),
        ([(compiled.Md5(), b"") for _ in range(compiled.LANES + 1)], ValueError),
        ([(compiled.Crc64(), b"") for _ in range(compiled.LANES + 1)], ValueError),
    ],
)
def test_what_cannot_be_hashed_together_is_refused_and_changes_nothing(pairs, error):
    with pytest.raises(error):
        compiled.update_together(pairs)

    assert SAME.digest() == md5(b"")
    assert CRC64.digest() == crc64(b"")


def test_all_lanes_can_have_both_checksums():
    found = [one() for _ in range(compiled.LANES) for one in (compiled.Md5, compiled.Crc64)]

    compiled.update_together([(one, b"abc") for one in found])

    assert {one.digest() for one in found} == {md5(b"abc"), crc64(b"abc")}
    with pytest.raises(ValueError, match="more than"):
        compiled.update_together([(one, b"") for one in [*found, compiled.Md5()]])


async def test_many_bodies_at_once_are_hashed_each(way):
    found = await asyncio.gather(*(hashed(way, body[:500], body[500:]) for body in BODIES))

    assert found == [md5(body) for body in BODIES]


async def test_a_body_may_have_more_checksums_than_one(way):
    hash_, checksum = way.new_md5(), compiled.Crc64()

    await way.update([hash_, checksum], b"abc")

    assert (hash_.digest(), checksum.digest()) == (md5(b"abc"), crc64(b"abc"))


class HeldPasses:
    """Passes that wait to be let go; ``sizes`` is how many messages each had."""

    def __init__(self) -> None:
        self.sizes = []
        self.begun = threading.Event()
        self.may_go_on = threading.Event()
        self._update = compiled.update_together

    def __call__(self, pairs) -> None:
        self.sizes.append(len(pairs))
        self.begun.set()
        assert self.may_go_on.wait(10)
        self._update(pairs)


@pytest.fixture
def passes(monkeypatch):
    passes = HeldPasses()
    monkeypatch.setattr(compiled, "update_together", passes)
    return passes


async def test_what_comes_while_a_pass_runs_shares_the_next_ones(passes):
    way = Together()
    first = asyncio.create_task(hashed(way, b"first"))
    await asyncio.to_thread(passes.begun.wait, 10)
    later = [asyncio.create_task(hashed(way, body)) for body in BODIES[: compiled.LANES + 2]]
    await asyncio.sleep(0)  # each is begun, and waits
    passes.may_go_on.set()

    assert await first == md5(b"first")
    assert await asyncio.gather(*later) == [md5(body) for body in BODIES[: len(later)]]
    assert passes.sizes == [1, compiled.LANES, 2]


async def test_who_is_cancelled_does_not_keep_others_from_their_hash(passes):
    way = Together()
    leaves = asyncio.create_task(hashed(way, b"a"))
    stays = asyncio.create_task(hashed(way, b"b"))
    await asyncio.to_thread(passes.begun.wait, 10)
    leaves.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaves
    passes.may_go_on.set()

    assert await stays == md5(b"b")
    assert await hashed(way, b"c") == md5(b"c")
