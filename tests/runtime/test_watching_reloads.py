"""What an edit asks of the host (host-and-worker.md, 19.3)."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from triggerfish.lifecycle import Request
from triggerfish.model import LogLevel, LogLine
from triggerfish.reloading import reload_on_edits
from triggerfish.watching import WatchRules


class Asked:
    """Remembers requests, and lets a test wait for the next."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[Request] = asyncio.Queue()
        self.lines: list[LogLine] = []

    def watching(self, folder: Path) -> AbstractAsyncContextManager[None]:
        return reload_on_edits(
            folder, WatchRules, self.queue.put_nowait, self.lines.append, quiet_seconds=0.02
        )


async def test_an_edit_asks_for_a_reload_and_is_logged(tmp_path: Path) -> None:
    asked = Asked()
    async with asked.watching(tmp_path):
        (tmp_path / "function_app.py").write_text("1")

        assert await asked.queue.get() is Request.RELOAD

    assert [line.message for line in asked.lines] == [
        "File change of type 'Created' detected for 'function_app.py'.",
        "Host configuration has changed. Signaling restart.",
    ]


async def test_edited_settings_are_said_to_wait_for_the_next_start(tmp_path: Path) -> None:
    asked = Asked()
    async with asked.watching(tmp_path):
        (tmp_path / "local.settings.json").write_text("{}")
        (tmp_path / "function_app.py").write_text("1")

        assert await asked.queue.get() is Request.RELOAD

    assert asked.queue.empty()
    assert [line.message for line in asked.lines if line.level == LogLevel.WARNING] == [
        "local.settings.json was edited: it is read at start. Start the host anew."
    ]


async def test_the_offline_file_stops_the_host_and_its_removal_starts_it(tmp_path: Path) -> None:
    asked = Asked()
    (tmp_path / "app_offline.htm").touch()
    async with asked.watching(tmp_path):
        assert asked.queue.get_nowait() is Request.OFFLINE
        (tmp_path / "app_offline.htm").unlink()
        assert await asked.queue.get() is Request.RELOAD
        (tmp_path / "app_offline.htm").touch()
        assert await asked.queue.get() is Request.OFFLINE


async def test_an_app_that_cannot_be_watched_runs_unwatched(tmp_path: Path) -> None:
    asked = Asked()
    async with asked.watching(tmp_path / "missing"):
        pass

    [line] = asked.lines
    assert line.level == LogLevel.WARNING
    assert "cannot be watched" in line.message


async def test_an_error_in_the_block_is_not_kept_back(tmp_path: Path) -> None:
    with pytest.raises(ExceptionGroup) as raised:
        async with Asked().watching(tmp_path):
            raise ValueError("no")

    assert [str(error) for error in raised.value.exceptions] == ["no"]
