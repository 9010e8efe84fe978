"""Spec queue-trigger.md, section 3: how long an idle listener waits."""

from __future__ import annotations

from datetime import timedelta

import pytest

from triggerfish.listeners.backoff import Backoff


@pytest.mark.parametrize(
    ("maximum", "waits"),
    [
        (2, [0.1, 0.2, 0.3, 0.5, 0.9, 1.7, 2, 2, 2]),
        (60, [0.1, 0.2, 0.3, 0.5, 0.9, 1.7, 3.3, 6.5, 12.9, 25.7, 51.3, 60, 60]),
        (0.1, [0.1, 0.1]),
    ],
)
def test_waits_grow_to_the_maximum(maximum: float, waits: list[float]) -> None:
    backoff = Backoff(timedelta(seconds=maximum), draw=lambda: 0.5)

    assert [round(backoff.next(), 6) for _ in waits] == waits


@pytest.mark.parametrize(
    ("draw", "waits"),
    [(0.0, [0.1, 0.18, 0.26, 0.42, 0.74, 1.38, 2]), (1.0, [0.1, 0.22, 0.34, 0.58, 1.06, 2, 2])],
)
def test_waits_differ_by_a_fifth(draw: float, waits: list[float]) -> None:
    backoff = Backoff(timedelta(seconds=2), draw=lambda: draw)

    assert [round(backoff.next(), 6) for _ in waits] == waits


def test_after_a_message_the_waits_begin_anew() -> None:
    backoff = Backoff(timedelta(seconds=2), draw=lambda: 0.5)
    for _ in range(20):
        backoff.next()

    backoff.found()

    assert [round(backoff.next(), 6) for _ in range(3)] == [0.1, 0.2, 0.3]
