"""Files are written on the loop's thread, until the disk makes that one wait."""

import threading

import pytest

from triggerfish_storage.file_work import HERE_LIMIT_BYTES, SLOW_SECONDS, WARY_SECONDS, FileWork


class Disk:
    """Takes ``seconds`` for each write; tells on which thread it was written."""

    def __init__(self) -> None:
        self.now = 100.0
        self.seconds = 0.0

    def clock(self) -> float:
        return self.now

    async def is_here(self, work: FileWork, size_bytes: int = 1) -> bool:
        threads = []

        def write() -> None:
            threads.append(threading.current_thread())
            self.now += self.seconds

        await work.run(write, size_bytes)
        return threads == [threading.current_thread()]


@pytest.fixture
def disk():
    return Disk()


async def test_a_quick_disk_is_written_to_right_here(disk):
    work = FileWork(waits=False, clock=disk.clock)
    disk.seconds = SLOW_SECONDS / 2

    assert [await disk.is_here(work) for _ in range(3)] == [True, True, True]


async def test_a_slow_disk_makes_a_thread_wait_until_it_may_be_quick_again(disk):
    work = FileWork(waits=False, clock=disk.clock)
    disk.seconds = 2 * SLOW_SECONDS
    assert await disk.is_here(work)
    assert not await disk.is_here(work)

    disk.now += WARY_SECONDS
    assert await disk.is_here(work)
    assert not await disk.is_here(work)


async def test_what_waits_for_the_disk_each_time_does_so_on_a_thread(disk):
    assert not await disk.is_here(FileWork(waits=True, clock=disk.clock))


async def test_much_at_once_is_written_on_a_thread(disk):
    work = FileWork(waits=False, clock=disk.clock)

    assert await disk.is_here(work, HERE_LIMIT_BYTES)
    assert not await disk.is_here(work, HERE_LIMIT_BYTES + 1)


async def test_a_failure_is_told(disk):
    def full() -> None:
        raise OSError("no space")

    with pytest.raises(OSError, match="no space"):
        await FileWork(waits=False, clock=disk.clock).run(full, 1)
