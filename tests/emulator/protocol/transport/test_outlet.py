"""What is written is sent in order, small answers together."""

from __future__ import annotations

import asyncio

from triggerfish_storage.protocol.outlet import Outlet

LARGE = bytes(range(256)) * 32_768  # 8 MiB: more than sockets hold


class Written(asyncio.Transport):
    """A transport that keeps what is written to it."""

    def __init__(self) -> None:
        super().__init__()
        self.data: list[bytes] = []

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.data.append(bytes(data))

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def is_closing(self) -> bool:
        return False


async def test_small_answers_are_sent_behind_the_turn_in_which_they_were_made() -> None:
    transport = Written()
    outlet = Outlet(transport, is_plain=False)

    outlet.write(b"one ", b"1")
    outlet.write(b"two ", b"2")
    assert transport.data == []

    await asyncio.sleep(0)
    assert transport.data == [b"one 1two 2"]


async def test_a_large_answer_is_sent_behind_the_small_ones_before_it() -> None:
    transport = Written()
    outlet = Outlet(transport, is_plain=False)

    outlet.write(b"one ", b"1")
    outlet.write(b"two ", LARGE)

    assert transport.data == [b"one 1", b"two ", LARGE]


async def test_nothing_is_sent_to_a_client_that_left_meanwhile() -> None:
    transport = Written()
    outlet = Outlet(transport, is_plain=False)

    outlet.write(b"one ", b"1")
    outlet.lose()
    await asyncio.sleep(0)

    assert transport.data == []
