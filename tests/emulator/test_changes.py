"""Announcements: who watches a resource learns what changed, and misses nothing."""

from __future__ import annotations

import pytest

from triggerfish_storage import changes as module
from triggerfish_storage.changes import Change, Changes, Seen


def test_a_watch_gets_the_names_of_its_own_resource(changes: Changes) -> None:
    with changes.watch("blob", "uploads") as uploads, changes.watch("queue", "uploads") as queue:
        changes.announce(Change("blob", "uploads", "a"))
        changes.announce(Change("blob", "uploads", "b"))
        changes.announce(Change("blob", "others", "c"))

        assert uploads.event.is_set()
        assert uploads.take() == Seen(frozenset({"a", "b"}), complete=True)
        assert not uploads.event.is_set()
        assert uploads.take() == Seen(frozenset(), complete=True)
        assert not queue.event.is_set()


def test_every_watch_of_a_resource_is_told(changes: Changes) -> None:
    with changes.watch("queue", "orders") as first, changes.watch("queue", "orders") as second:
        changes.announce(Change("queue", "orders", "1"))

        assert first.take().names == second.take().names == {"1"}


def test_a_watch_that_is_not_read_only_knows_that_it_must_look_at_everything(
    changes: Changes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "NAMES_KEPT", 2)
    with changes.watch("blob", "uploads") as watch:
        for name in ("a", "b", "b", "c"):
            changes.announce(Change("blob", "uploads", name))

        assert watch.take() == Seen(frozenset({"a", "b"}), complete=False)
        assert watch.take().complete


def test_an_ended_watch_hears_nothing_more(changes: Changes) -> None:
    with changes.watch("queue", "orders") as watch:
        pass

    changes.announce(Change("queue", "orders", "1"))

    assert watch.take().names == frozenset()
