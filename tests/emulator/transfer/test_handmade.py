"""Folders made by hand: what is enough, and what is taken as it is."""

from __future__ import annotations

import base64
import hashlib
import tarfile
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from triggerfish_storage.tables.entity import Keys
from triggerfish_storage.testing import ManualClock
from triggerfish_storage.transfer.failure import TransferError

if TYPE_CHECKING:
    from conftest import Export, Import, Make, Open


async def test_files_in_folders_and_lines_in_files_are_enough(
    source: Make, clock: ManualClock, tmp_path: Path, import_from: Import, opened: Open
) -> None:
    made = source(
        {
            "blobs/uploads/2024/a.csv": "x,y\n",
            "blobs/uploads/.DS_Store": "litter",
            "queues/orders.jsonl": '{"body": {"orderId": 1}}\n\n{"text": "as it is"}\n',
            "tables/People.jsonl": '{"PartitionKey": "p", "RowKey": "r", "age": 30}\n',
        }
    )

    tally = import_from(made, tmp_path / "data", clock.now())

    assert (tally.containers, tally.blobs, tally.messages, tally.entities) == (1, 1, 2, 1)
    async with opened(tmp_path / "data", clock) as account:
        blob, content = await account.blobs.get("uploads", "2024/a.csv", now=clock.now())
        messages = account.queues.peek("orders", count=5, now=clock.now())
        person = account.tables.get("People", Keys("p", "r"))
    assert content == b"x,y\n"
    assert blob.headers.content_type == "text/csv"
    assert base64.b64decode(messages[0].text) == b'{"orderId": 1}'
    assert messages[1].text == "as it is"
    assert messages[0].expires_at == clock.now() + timedelta(days=7)
    assert person.properties()["age"].value == 30


async def test_without_folders_for_the_services_each_folder_is_a_container(
    source: Make, clock: ManualClock, tmp_path: Path, import_from: Import, opened: Open
) -> None:
    made = source({"uploads/a.csv": "x", "orders.jsonl": '{"body": "one"}', ".gitkeep": ""})

    import_from(made, tmp_path / "data", clock.now(), encoding="none")

    async with opened(tmp_path / "data", clock) as account:
        assert (await account.blobs.get("uploads", "a.csv", now=clock.now()))[1] == b"x"
        [message] = account.queues.peek("orders", count=5, now=clock.now())
    assert message.text == "one"


async def test_a_file_of_lines_alone_is_a_queue(
    source: Make, clock: ManualClock, tmp_path: Path, import_from: Import
) -> None:
    made = source({"orders.jsonl": '{"text": "one"}\n{"text": "two"}'})

    assert import_from(made / "orders.jsonl", tmp_path / "data", clock.now()).messages == 2


async def test_an_archive_may_hold_the_folder_instead_of_what_is_in_it(
    source: Make, clock: ManualClock, tmp_path: Path, import_from: Import
) -> None:
    made = source({"blobs/uploads/a.csv": "x"})
    with tarfile.open(tmp_path / "packed.tgz", "w:gz") as tar:
        tar.add(made, "my-seed")

    assert import_from(tmp_path / "packed.tgz", tmp_path / "data", clock.now()).blobs == 1


async def test_an_archive_named_after_the_folder_in_it_holds_what_is_in_that(
    source: Make, clock: ManualClock, tmp_path: Path, import_from: Import
) -> None:
    made = source({"uploads/a.csv": "x", "orders.jsonl": '{"text": "one"}'})
    for name in ("seed.tar.gz", "other.tar"):
        with tarfile.open(tmp_path / name, "w:gz" if name.endswith("gz") else "w") as tar:
            tar.add(made, "seed")

    done = import_from(tmp_path / "seed.tar.gz", tmp_path / "one", clock.now())
    as_container = import_from(tmp_path / "other.tar", tmp_path / "two", clock.now())

    assert (done.blobs, done.messages) == (1, 1)
    assert (as_container.blobs, as_container.messages) == (2, 0)


async def test_an_archive_that_may_hold_a_container_or_containers_is_refused(
    source: Make, clock: ManualClock, tmp_path: Path, import_from: Import
) -> None:
    made = source({"uploads/a.csv": "x"})
    with tarfile.open(tmp_path / "seed.tar", "w") as tar:
        tar.add(made, "seed")

    with pytest.raises(TransferError, match=r"seed\.tar: seed.: a container, or the folder that"):
        import_from(tmp_path / "seed.tar", tmp_path / "data", clock.now())


async def test_files_added_to_an_export_and_edited_in_it_are_taken_as_they_are(
    clock: ManualClock, tmp_path: Path, export: Export, import_from: Import, opened: Open
) -> None:
    async with opened(tmp_path / "one", clock) as account:
        await account.blobs.create_container("uploads", now=clock.now())
        await account.blobs.put("uploads", "a.csv", b"old", now=clock.now())
    export(tmp_path / "one", tmp_path / "saved", clock.now())
    (tmp_path / "saved/blobs/uploads/a.csv").write_bytes(b"edited by hand")
    (tmp_path / "saved/blobs/uploads/b.csv").write_bytes(b"new")

    import_from(tmp_path / "saved", tmp_path / "two", clock.now())

    async with opened(tmp_path / "two", clock) as account:
        blob, content = await account.blobs.get("uploads", "a.csv", now=clock.now())
        assert (await account.blobs.get("uploads", "b.csv", now=clock.now()))[1] == b"new"
    assert content == b"edited by hand"
    assert blob.md5 == hashlib.md5(b"edited by hand").digest()
    assert blob.length == 14
