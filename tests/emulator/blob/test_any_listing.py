"""Pages of any listing, put together, are what a plain look at all that is stored finds."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triggerfish_storage import service_properties
from triggerfish_storage.blobs import blocks, containers, deletion, lifecycle, snapshots, versions
from triggerfish_storage.blobs import listing as listing_module
from triggerfish_storage.blobs.listing import (
    CommonPrefix,
    Entry,
    Listing,
    Page,
    Position,
    Uncommitted,
    list_blobs,
    list_plainly,
)
from triggerfish_storage.blobs.model import CURRENT, Address, Blob, Draft
from triggerfish_storage.contents import Content
from triggerfish_storage.schema import connect_writer, migrate
from triggerfish_storage.testing import START

ACCOUNT = "devstoreaccount1"
NAMES = ["a", "a-b", "a/", "a//b", "a/b", "a/b/c", "a/\U0010ffff", "b", "b/a", "z", "\U0010ffff/x"]
KEEPING = "<DeleteRetentionPolicy><Enabled>{}</Enabled><Days>1</Days></DeleteRetentionPolicy>"
ONE = Content(1, b"", b"1", None)
# What is done to each name, with versions and soft delete or without.
LIVES = ["p", "ps", "pd", "psp", "pp", "ppd", "b", "pb", "pdb", "psdb", "pspd"]

LISTINGS = st.builds(
    Listing,
    prefix=st.sampled_from(["", "a", "a/", "a/b", "\U0010ffff"]),
    end=st.sampled_from(["", "", "a/b", "b"]),
    delimiter=st.sampled_from(["", "/", "//", "b"]),
    start=st.sampled_from(["", "", "a", "a/"]).map(Position),
    limit=st.sampled_from([1, 2, 3, 5000]),
    snapshots=st.booleans(),
    versions=st.booleans(),
    versions_only=st.booleans(),
    deleted=st.booleans(),
    uncommitted=st.booleans(),
)


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sqlite3.Connection]:
    """A container with names that have led all these lives."""
    path = tmp_path_factory.mktemp("listing") / "account.db"
    migrate(path, files("triggerfish_storage") / "migrations", "process")
    tx = connect_writer(path, "process")
    containers.create_container(tx, Address(ACCOUNT, "data"), now=START)
    for number, life in enumerate(LIVES * 4):
        versions.turn(tx, on=number % 2 == 0)
        policy = KEEPING.format("true" if number % 4 < 2 else "false")
        service_properties.save(tx, ACCOUNT, "blob", {"DeleteRetentionPolicy": policy})
        address = Address(ACCOUNT, "data", f"{NAMES[number % 11]}{'' if number < 11 else number}")
        for step, action in enumerate(life):
            now = START + timedelta(seconds=step)
            match action:
                case "p":
                    lifecycle.put_blob(tx, address, ONE, Draft(), now=now)
                case "s":
                    snapshots.snapshot_blob(tx, address, {}, now=now)
                case "b":
                    blocks.put_block(tx, address, "MQ==", ONE, now=now)
                case _:
                    deletion.delete_blob(tx, address, snapshots="include", now=now)
    yield tx
    tx.close()


Found = tuple[str, int, str]  # a name, its place among those of its name, and what it is


def found_in(entry: Entry) -> Found:
    match entry:
        case CommonPrefix(name):
            return name, 0, "prefix"
        case Uncommitted(name):
            return name, 0, "staged"
        case Blob():
            return entry.name, entry.snapshot, "blob"
        case _:
            return entry.name, CURRENT, "blob"


def all_of(tx: sqlite3.Connection, wanted: Listing) -> list[Found]:
    """Return what all pages have together, by a look at each row."""
    rows = tx.execute("SELECT name, snapshot, created, deleted FROM blob").fetchall()
    live = {(name, snapshot, created) for name, snapshot, created, deleted in rows if not deleted}
    current = {name for name, snapshot, _ in live if snapshot == CURRENT}
    newest = {name: snapshot for name, snapshot, created in sorted(live) if snapshot == created}
    found: list[Found] = []
    for name, snapshot, created, deleted in rows:
        if snapshot == CURRENT:
            is_wanted = True
        elif snapshot != created:
            is_wanted = wanted.snapshots
        else:
            is_last = name not in current and newest.get(name, 0) <= snapshot
            is_wanted = wanted.versions or (wanted.versions_only and is_last)
        if is_wanted and (wanted.deleted or not deleted):
            found.append((name, snapshot, "blob"))
    if wanted.uncommitted:
        staged = {name for (name,) in tx.execute("SELECT name FROM block")}
        found += [(name, 0, "staged") for name in staged - current]
    inside = [
        one
        for one in found
        if one[0].startswith(wanted.prefix)
        and one[0] >= wanted.start.name
        and (not wanted.end or one[0] < wanted.end)
    ]
    # Those that lie under one prefix are given as that.
    return list(dict.fromkeys(collapsed(one, wanted) for one in sorted(inside)))


def collapsed(found: Found, wanted: Listing) -> Found:
    behind = found[0][len(wanted.prefix) :]
    if not wanted.delimiter or wanted.delimiter not in behind:
        return found
    end = behind.index(wanted.delimiter) + len(wanted.delimiter)
    return wanted.prefix + behind[:end], 0, "prefix"


@given(
    wanted=LISTINGS,
    look_at=st.sampled_from([1, 2, 20_000]),
    list_page=st.sampled_from([list_blobs, list_plainly]),
)
def test_pages_have_together_all_that_is_asked_for(
    stored: sqlite3.Connection, wanted: Listing, look_at: int, list_page: Callable[..., Page]
) -> None:
    found: list[Found] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(listing_module, "LOOKED_AT_LIMIT", look_at)
        starts = [wanted.start]
        while starts[-1] is not None:
            asked = replace(wanted, start=starts[-1])
            page = list_page(stored, Address(ACCOUNT, "data"), asked)
            assert len(page.entries) <= wanted.limit
            assert page.following not in starts
            found += map(found_in, page.entries)
            starts.append(page.following)

    assert found == all_of(stored, wanted)
