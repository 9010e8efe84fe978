"""What an import does about what exists already."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from triggerfish_storage.blobs import guards
from triggerfish_storage.contents import IN_ROW_LIMIT_BYTES
from triggerfish_storage.tables.entity import Keys
from triggerfish_storage.testing import ManualClock
from triggerfish_storage.transfer.failure import TransferError

if TYPE_CHECKING:
    from conftest import Import, Make, Open


@pytest.fixture
async def taken(clock: ManualClock, tmp_path: Path, import_from: Import, opened: Open) -> Path:
    """A data folder that holds something of each kind already."""
    folder = tmp_path / "data"
    async with opened(folder, clock) as account:
        await account.blobs.create_container("uploads", now=clock.now())
        await account.blobs.put("uploads", "a.csv", b"old", now=clock.now())
        await account.queues.create("orders")
        await account.queues.put("orders", "old", now=clock.now())
    import_from(_people(tmp_path, 1), folder, clock.now())
    return folder


def _people(tmp_path: Path, age: int) -> Path:
    root = tmp_path / f"people{age}"
    (root / "tables").mkdir(parents=True)
    line = json.dumps({"PartitionKey": "p", "RowKey": "r", "age": age})
    (root / "tables" / "People.jsonl").write_text(line + "\n")
    return root


NEW = {
    "blobs/uploads/a.csv": "new",
    "blobs/uploads/b.csv": "added",
    "queues/orders.jsonl": '{"text": "new"}',
    "tables/people.jsonl": '{"PartitionKey": "p", "RowKey": "r", "age": 2}',
}


async def held(opened: Open, folder: Path, clock: ManualClock) -> tuple[bytes, list[str], object]:
    async with opened(folder, clock) as account:
        _, content = await account.blobs.get("uploads", "a.csv", now=clock.now())
        texts = [one.text for one in account.queues.peek("orders", count=9, now=clock.now())]
        return (
            content,
            texts,
            account.tables.get("People", Keys("p", "r")).properties()["age"].value,
        )


async def test_skip_keeps_what_exists_and_adds_what_does_not(
    taken: Path, source: Make, clock: ManualClock, import_from: Import, opened: Open
) -> None:
    tally = import_from(source(NEW), taken, clock.now(), existing="skip")

    assert await held(opened, taken, clock) == (b"old", ["old"], 1)
    assert (tally.blobs, tally.kept) == (1, 3)


async def test_overwrite_replaces_what_exists(
    taken: Path, source: Make, clock: ManualClock, import_from: Import, opened: Open
) -> None:
    tally = import_from(source(NEW), taken, clock.now(), existing="overwrite")

    assert await held(opened, taken, clock) == (b"new", ["new"], 2)
    assert tally.replaced == 3


@pytest.mark.parametrize(
    "path", ["blobs/uploads/a.csv", "queues/orders.jsonl", "tables/people.jsonl"]
)
async def test_fail_ends_at_what_exists_and_changes_nothing(
    taken: Path, source: Make, clock: ManualClock, path: str, import_from: Import, opened: Open
) -> None:
    made = source({"blobs/aaa/first.bin": "x" * (IN_ROW_LIMIT_BYTES + 1), path: NEW[path]})

    with pytest.raises(TransferError, match="--existing"):
        import_from(made, taken, clock.now())

    assert await held(opened, taken, clock) == (b"old", ["old"], 1)
    assert list((taken / "contents").iterdir()) == []


async def test_a_dry_run_counts_and_changes_nothing(
    taken: Path, source: Make, clock: ManualClock, import_from: Import, opened: Open
) -> None:
    tally = import_from(source(NEW), taken, clock.now(), existing="overwrite", dry=True)

    assert (tally.blobs, tally.messages, tally.entities, tally.replaced) == (2, 1, 1, 3)
    assert await held(opened, taken, clock) == (b"old", ["old"], 1)


async def test_a_blob_under_legal_hold_is_not_overwritten(
    taken: Path, source: Make, clock: ManualClock, import_from: Import, opened: Open
) -> None:
    async with opened(taken, clock) as account:
        address = account.blobs.at("uploads", "a.csv")
        await account.blobs.write(lambda tx: guards.set_legal_hold(tx, address, hold=True))

    with pytest.raises(TransferError, match=r"a\.csv.*legal hold"):
        import_from(source(NEW), taken, clock.now(), existing="overwrite")


async def test_another_account_is_another_place(
    taken: Path, source: Make, clock: ManualClock, import_from: Import, opened: Open
) -> None:
    import_from(source(NEW), taken, clock.now(), account="other")

    assert await held(opened, taken, clock) == (b"old", ["old"], 1)
    async with opened(taken, clock) as account:
        other = account.blobs_of("other")
        assert (await other.get("uploads", "a.csv", now=clock.now()))[1] == b"new"
