"""What is wrong in a source is named with its file, and nothing is imported."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from triggerfish_storage.testing import ManualClock
from triggerfish_storage.transfer.failure import TransferError

if TYPE_CHECKING:
    from conftest import Import, Make, Open


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        ({"queues/orders.jsonl": '{"text": "a"}\nno json'}, r"orders\.jsonl, line 2: not JSON"),
        ({"queues/orders.jsonl": "[1]"}, r"orders\.jsonl, line 1: a JSON object"),
        ({"queues/orders.jsonl": '{"id": "x"}'}, r"orders\.jsonl, line 1: no message"),
        ({"queues/orders.jsonl": '{"text": "\\u0000"}'}, r"line 1: 400 InvalidXmlDocument"),
        ({"queues/orders.jsonl": '{"text": "a", "expiresAt": "soon"}'}, '"expiresAt" is no date'),
        (
            {"queues/orders.jsonl": '{"text": "a", "insertedAt": "9999-12-31"}'},
            r"orders\.jsonl, line 1",
        ),
        (
            {"queues/Orders.jsonl": '{"text": "a"}'},
            "Orders.jsonl: .Orders. cannot be the name of a queue",
        ),
        ({"queues/orders.txt": ""}, r"orders\.txt: a file of JSON lines"),
        ({"blobs/UP/a": ""}, "UP: .UP. cannot be the name of a container"),
        ({"blobs/uploads.jsonl": '{"name": "a"}'}, "line 1: the file of blob 'a'"),
        (
            {"blobs/uploads.jsonl": '{"name": "a", "file": "../../secret"}', "secret": ""},
            "nobody's file",
        ),
        (
            {"blobs/uploads.jsonl": '{"name": "a", "file": "../bbb/x"}', "blobs/bbb/x": ""},
            "is not in the container's folder",
        ),
        ({"blobs/uploads.jsonl": '{"name": 5}'}, '"name" has to be a text'),
        ({"blobs/up1.jsonl": '{"name": "a", "type": "Tape"}', "blobs/up1/a": ""}, "'Tape'"),
        (
            {"blobs/up1.jsonl": '{"name": "a", "accessTier": "Warm"}', "blobs/up1/a": ""},
            "'Warm'; expected: Hot, Cool",
        ),
        ({"blobs/up1.jsonl": '{"name": "a", "etag": "?"}', "blobs/up1/a": ""}, '"etag" looks'),
        ({"blobs/up1.jsonl": '{"name": "a", "tags": {"": ""}}', "blobs/up1/a": ""}, "EmptyTagName"),
        (
            {"blobs/up1.jsonl": '{"name": "a", "metadata": {"ü": ""}}', "blobs/up1/a": ""},
            '"metadata"',
        ),
        (
            {"blobs/up1.jsonl": '{"name": "a", "contentMd5": "\x80"}', "blobs/up1/a": ""},
            '"contentMd5" is not base64',
        ),
        (
            {"blobs/up1.jsonl": '{"name": "a", "blocks": [["x", -1]]}', "blobs/up1/a": ""},
            '"blocks" are pairs',
        ),
        (
            {
                "blobs/up1.jsonl": '{"name": "a", "type": "PageBlob", "pages": [[5, 1]]}',
                "blobs/up1/a": "",
            },
            '"pages" have to be in order',
        ),
        ({"account.jsonl": '{"container": ""}'}, r"account\.jsonl, line 1: 400"),
        (
            {"account.jsonl": '{"container": "uploads", "etag": "0xFFFFFFFFFFFFFFFFFFFF"}'},
            '"etag" looks like',
        ),
        ({"tables/People.jsonl": '{"RowKey": "r"}'}, r"People\.jsonl, line 1: 400"),
        ({"tables/People.jsonl": '{"PartitionKey": "/", "RowKey": ""}'}, "OutOfRangeInput"),
        ({"account.jsonl": '{"format": 99, "triggerfish": "account"}'}, "newer version"),
        ({"account.jsonl": '{"what": 1}'}, "is expected"),
        ({"account.jsonl": '{"service": "disk"}'}, "'disk'"),
        (
            {"account.jsonl": '{"service": "blob", "properties": {"Cors": "<Cors>"}}'},
            r"account\.jsonl, line 1: 400 InvalidXmlDocument",
        ),
        (
            {"account.jsonl": '{"queue": "orders", "accessPolicies": [{"x": 1}]}'},
            '"accessPolicies" are objects',
        ),
        ({"readme.txt": ""}, r"readme\.txt: nobody's file"),
    ],
)
async def test_what_is_wrong_is_named_with_its_file_and_nothing_is_imported(
    source: Make,
    clock: ManualClock,
    tmp_path: Path,
    files: dict[str, str],
    problem: str,
    import_from: Import,
    opened: Open,
) -> None:
    made = source({"blobs/aaa/fine.txt": "fine", **files})
    if "readme.txt" in files:
        (made / "blobs" / "aaa" / "fine.txt").unlink()
        (made / "blobs" / "aaa").rmdir()
        (made / "blobs").rmdir()

    with pytest.raises(TransferError, match=problem):
        import_from(made, tmp_path / "data", clock.now())

    async with opened(tmp_path / "data", clock) as account:
        assert (await account.queues.listing())[0] == []
        assert account.database.look(_containers) == 0


def _containers(tx: object) -> int:
    return tx.execute("SELECT count(*) FROM container").fetchone()[0]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("file", "kind"),
    [
        ("c/a.txt", "container"),
        ("blobs/Uploads/a.txt", "container"),
        ("queues/a_b.jsonl", "queue"),
        ("tables/1st.jsonl", "table"),
    ],
)
def test_a_file_whose_name_nothing_can_have_is_named(
    tmp_path, clock, file, kind, import_from: Import
):
    made = tmp_path / "made" / file
    made.parent.mkdir(parents=True)
    made.write_text("")

    with pytest.raises(TransferError) as caught:
        import_from(tmp_path / "made", tmp_path / "data", clock.now())

    assert str(caught.value).startswith(str(made if kind != "container" else made.parent))
    assert f"cannot be the name of a {kind}, which has 3 to 63" in str(caught.value)


@pytest.mark.skipif(os.name == "nt", reason="no such files there")
@pytest.mark.parametrize("name", ["uploads/a", "orders.jsonl"])
@pytest.mark.parametrize("kind", ["pipe", "link"])
def test_what_cannot_be_read_to_its_end_is_named(
    clock: ManualClock, tmp_path: Path, name: str, kind: str, import_from: Import
) -> None:
    file = tmp_path / "made" / name
    file.parent.mkdir(parents=True)
    if kind == "pipe":
        os.mkfifo(file)
    else:
        file.symlink_to("nowhere")

    with pytest.raises(TransferError) as caught:
        import_from(tmp_path / "made", tmp_path / "data", clock.now())

    assert str(caught.value).startswith(f"{file}: is no file (")


@pytest.mark.parametrize("name", ["missing", "file.txt"])
async def test_what_can_be_no_source_is_named(
    clock: ManualClock, tmp_path: Path, name: str, import_from: Import
) -> None:
    (tmp_path / "file.txt").touch()

    with pytest.raises(TransferError, match=name):
        import_from(tmp_path / name, tmp_path / "data", clock.now())
