"""What the terminal says while a host that was asked to stop takes a moment."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from triggerfish import host


@pytest.mark.parametrize(
    ("outstanding", "told"), [(2, "functions that run"), (0, "workers and storage")]
)
async def test_a_stop_that_takes_a_moment_says_what_it_waits_for(
    monkeypatch: pytest.MonkeyPatch, outstanding: int, told: str
) -> None:
    monkeypatch.setattr(host, "_NOTICED_SECONDS", 0)
    asked: list[str] = []
    said: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    lifecycle: Any = SimpleNamespace(stop=lambda: asked.append("stop"), outstanding=outstanding)
    console: Any = SimpleNamespace(say=said.set_result)

    host._stop(lifecycle, console)

    assert asked == ["stop"]
    assert told in await said
