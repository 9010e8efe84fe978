"""SIGTERM ends a command as Ctrl-C does, whatever it is doing."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator

import pytest

from triggerfish_storage.cli.failing import ending_well


@pytest.fixture(autouse=True)
def interruptible() -> Iterator[None]:
    """As from a terminal: a shell that puts tests into the background has SIGINT ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_work_in_an_event_loop_is_cancelled() -> None:
    seen: list[str] = []

    async def work() -> None:
        asyncio.get_running_loop().call_soon(signal.raise_signal, signal.SIGTERM)
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise

    with pytest.raises(SystemExit) as ended, ending_well():
        asyncio.run(work())

    assert (ended.value.code, seen) == (143, ["cancelled"])


def test_other_work_is_interrupted() -> None:
    with pytest.raises(SystemExit) as ended, ending_well():
        signal.raise_signal(signal.SIGTERM)

    assert ended.value.code == 143


def test_it_ends_where_the_shell_lets_nobody_interrupt() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with pytest.raises(SystemExit) as ended, ending_well():
            signal.raise_signal(signal.SIGTERM)
    finally:
        signal.signal(signal.SIGINT, before)

    assert ended.value.code == 143


def test_an_interrupt_stays_one_and_the_answer_to_sigterm_is_as_before() -> None:
    before = signal.getsignal(signal.SIGTERM)

    with pytest.raises(KeyboardInterrupt), ending_well():
        signal.raise_signal(signal.SIGINT)

    assert signal.getsignal(signal.SIGTERM) is before
