"""Byte ranges as requests write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triggerfish_storage.blobs.ranges import WHOLE, ByteRange, parse_range
from triggerfish_storage.errors import StorageError


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("bytes=0-0", ByteRange(0, 0)),
        ("bytes=0-499", ByteRange(0, 499)),
        ("bytes=500-", ByteRange(500)),
        ("bytes=-500", None),
        ("bytes=9-3", None),
        ("bytes=0-1,3-4", None),
        ("bytes= 1-2", None),
        ("items=0-1", None),
        ("bytes=a-b", None),
        ("bytes=١-٢", None),
        ("bytes=99999999999999999999-", None),
        ("", None),
    ],
)
def test_only_one_plain_range_is_understood(header, expected):
    assert parse_range(header) == expected


@given(length=st.integers(0, 50), begin=st.integers(0, 60), size=st.none() | st.integers(0, 60))
def test_a_range_selects_what_a_slice_would(length, begin, size):
    content = bytes(range(length))
    last = None if size is None else begin + size

    if begin >= length:
        with pytest.raises(StorageError, match="InvalidRange"):
            ByteRange(begin, last).within(length)
    else:
        start, stop = ByteRange(begin, last).within(length)
        assert content[start:stop] == content[begin : None if last is None else last + 1]
        assert stop > start


def test_without_a_range_an_empty_blob_can_be_read():
    assert WHOLE.within(0) == (0, 0)
