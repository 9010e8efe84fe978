"""Imports: folders made by hand, what exists already, and input that is wrong."""

from __future__ import annotations

import base64
import hashlib
import json
import tarfile
import zipfile
from collections.abc import Callable
from datetime import timedelta
from io import BytesIO
from pathlib import Path

import pytest
from tests.emulator.transfer.conftest import export, import_from, opened

from triggerfish_storage.blobs import guards
from triggerfish_storage.contents import IN_ROW_LIMIT_BYTES
from triggerfish_storage.tables.entity import Keys
from triggerfish_storage.testing import ManualClock
from triggerfish_storage.transfer.failure import TransferError

Make = Callable[[dict[str, str]], Path]


@pytest.fixture
def source(tmp_path: Path) -> Make:
    """Make a folder of files, by path."""

    def make(files: dict[str, str]) -> Path:
        root = tmp_path / "source"
        for path, text in files.items():
            file = root / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
        return root

    return make


# --- made by hand -----------------------------------------------------------------------------


async def test_files_in_folders_and_lines_in_files_are_enough(
    source: Make, clock: ManualClock, tmp_path: Path
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
    source: Make, clock: ManualClock, tmp_path: Path
) -> None:
    made = source({"uploads/a.csv": "x", "orders.jsonl": '{"body": "one"}', ".gitkeep": ""})

    import_from(made, tmp_path / "data", clock.now(), encoding="none")

    async with opened(tmp_path / "data", clock) as account:
        assert (await account.blobs.get("uploads", "a.csv", now=clock.now()))[1] == b"x"
        [message] = account.queues.peek("orders", count=5, now=clock.now())
    assert message.text == "one"


async def test_a_file_of_lines_alone_is_a_queue(
    source: Make, clock: ManualClock, tmp_path: Path
) -> None:
    made = source({"orders.jsonl": '{"text": "one"}\n{"text": "two"}'})

    assert import_from(made / "orders.jsonl", tmp_path / "data", clock.now()).messages == 2


async def test_an_archive_may_hold_the_folder_instead_of_what_is_in_it(
    source: Make, clock: ManualClock, tmp_path: Path
) -> None:
    made = source({"blobs/uploads/a.csv": "x"})
    with tarfile.open(tmp_path / "packed.tgz", "w:gz") as tar:
        tar.add(made, "my-seed")

    assert import_from(tmp_path / "packed.tgz", tmp_path / "data", clock.now()).blobs == 1


async def test_files_added_to_an_export_and_edited_in_it_are_taken_as_they_are(
    clock: ManualClock, tmp_path: Path
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


# --- what exists ------------------------------------------------------------------------------


@pytest.fixture
async def taken(clock: ManualClock, tmp_path: Path) -> Path:
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


async def held(folder: Path, clock: ManualClock) -> tuple[bytes, list[str], object]:
    async with opened(folder, clock) as account:
        _, content = await account.blobs.get("uploads", "a.csv", now=clock.now())
        texts = [one.text for one in account.queues.peek("orders", count=9, now=clock.now())]
        return (
            content,
            texts,
            account.tables.get("People", Keys("p", "r")).properties()["age"].value,
        )


async def test_skip_keeps_what_exists_and_adds_what_does_not(
    taken: Path, source: Make, clock: ManualClock
) -> None:
    tally = import_from(source(NEW), taken, clock.now(), existing="skip")

    assert await held(taken, clock) == (b"old", ["old"], 1)
    assert (tally.blobs, tally.kept) == (1, 3)


async def test_overwrite_replaces_what_exists(
    taken: Path, source: Make, clock: ManualClock
) -> None:
    tally = import_from(source(NEW), taken, clock.now(), existing="overwrite")

    assert await held(taken, clock) == (b"new", ["new"], 2)
    assert tally.replaced == 3


@pytest.mark.parametrize(
    "path", ["blobs/uploads/a.csv", "queues/orders.jsonl", "tables/people.jsonl"]
)
async def test_fail_ends_at_what_exists_and_changes_nothing(
    taken: Path, source: Make, clock: ManualClock, path: str
) -> None:
    made = source({"blobs/aaa/first.bin": "x" * (IN_ROW_LIMIT_BYTES + 1), path: NEW[path]})

    with pytest.raises(TransferError, match="--existing"):
        import_from(made, taken, clock.now())

    assert await held(taken, clock) == (b"old", ["old"], 1)
    assert list((taken / "contents").iterdir()) == []


async def test_a_dry_run_counts_and_changes_nothing(
    taken: Path, source: Make, clock: ManualClock
) -> None:
    tally = import_from(source(NEW), taken, clock.now(), existing="overwrite", dry=True)

    assert (tally.blobs, tally.messages, tally.entities, tally.replaced) == (2, 1, 1, 3)
    assert await held(taken, clock) == (b"old", ["old"], 1)


async def test_a_blob_under_legal_hold_is_not_overwritten(
    taken: Path, source: Make, clock: ManualClock
) -> None:
    async with opened(taken, clock) as account:
        address = account.blobs.at("uploads", "a.csv")
        await account.blobs.write(lambda tx: guards.set_legal_hold(tx, address, hold=True))

    with pytest.raises(TransferError, match=r"a\.csv.*legal hold"):
        import_from(source(NEW), taken, clock.now(), existing="overwrite")


async def test_another_account_is_another_place(
    taken: Path, source: Make, clock: ManualClock
) -> None:
    import_from(source(NEW), taken, clock.now(), account="other")

    assert await held(taken, clock) == (b"old", ["old"], 1)
    async with opened(taken, clock) as account:
        other = account.blobs_of("other")
        assert (await other.get("uploads", "a.csv", now=clock.now()))[1] == b"new"


# --- wrong input ------------------------------------------------------------------------------


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
        ({"blobs/up1.jsonl": '{"name": "a", "etag": "?"}', "blobs/up1/a": ""}, '"etag" looks'),
        ({"blobs/up1.jsonl": '{"name": "a", "tags": {"": ""}}', "blobs/up1/a": ""}, "InvalidTag"),
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
    source: Make, clock: ManualClock, tmp_path: Path, files: dict[str, str], problem: str
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
def test_a_file_whose_name_nothing_can_have_is_named(tmp_path, clock, file, kind):
    made = tmp_path / "made" / file
    made.parent.mkdir(parents=True)
    made.write_text("")

    with pytest.raises(TransferError) as caught:
        import_from(tmp_path / "made", tmp_path / "data", clock.now())

    assert str(caught.value).startswith(str(made if kind != "container" else made.parent))
    assert f"cannot be the name of a {kind}, which has 3 to 63" in str(caught.value)


def test_what_is_wrong_in_an_archive_is_named_by_the_archive(tmp_path, clock):
    with zipfile.ZipFile(tmp_path / "saved.zip", "w") as zipped:
        zipped.writestr("queues/orders.jsonl", "no json")

    with pytest.raises(TransferError) as caught:
        import_from(tmp_path / "saved.zip", tmp_path / "data", clock.now())

    assert str(caught.value).startswith(
        f"{tmp_path}/saved.zip: queues/orders.jsonl, line 1: not JSON"
    )


@pytest.mark.parametrize("name", ["../evil", "/etc/evil", "a/../../evil", "C:/evil"])
@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_an_archive_that_leads_out_of_itself_is_refused(
    clock: ManualClock, tmp_path: Path, name: str, kind: str
) -> None:
    archive = tmp_path / f"evil.{kind}"
    if kind == "zip":
        with zipfile.ZipFile(archive, "w") as zipped:
            zipped.writestr(name, b"x")
    else:
        with tarfile.open(archive, "w") as tar:
            entry = tarfile.TarInfo(name)
            entry.size = 1
            tar.addfile(entry, BytesIO(b"x"))

    with pytest.raises(TransferError, match="leads out of the archive"):
        import_from(archive, tmp_path / "data", clock.now())

    assert not list(tmp_path.rglob("evil"))


def test_links_in_an_archive_are_refused(clock: ManualClock, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "links.tar", "w") as tar:
        entry = tarfile.TarInfo("blobs/uploads/a")
        entry.type, entry.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(entry)

    with pytest.raises(TransferError, match="is no file"):
        import_from(tmp_path / "links.tar", tmp_path / "data", clock.now())


def zipped(method: int, *, spoil: bool = False, encrypt: bool = False) -> bytes:
    """An archive of one queue, its bytes overwritten or marked as encrypted."""
    file = BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        archive.writestr("queues/orders.jsonl", '{"body": "one"}\n' * 100)
    data = bytearray(file.getvalue())
    if spoil:
        begin = data.index(b".jsonl") + 20
        data[begin : begin + 8] = b"\xff" * 8
    if encrypt:
        data[data.index(b"PK\3\4") + 6] |= 1
        data[data.index(b"PK\1\2") + 8] |= 1
    return bytes(data)


@pytest.mark.parametrize(
    "data",
    [
        zipped(zipfile.ZIP_DEFLATED, spoil=True),
        zipped(zipfile.ZIP_LZMA, spoil=True),
        zipped(zipfile.ZIP_BZIP2, spoil=True),
        zipped(zipfile.ZIP_DEFLATED, encrypt=True),
    ],
    ids=["deflated", "lzma", "bzip2", "encrypted"],
)
def test_an_archive_that_is_damaged_or_encrypted_is_named(tmp_path, clock, data):
    (tmp_path / "bad.zip").write_bytes(data)

    with pytest.raises(TransferError, match=r"bad\.zip: cannot be unpacked"):
        import_from(tmp_path / "bad.zip", tmp_path / "data", clock.now())


def test_an_archive_with_a_name_that_no_file_can_have_is_named(tmp_path, clock):
    entry = tarfile.TarInfo("a")
    entry.pax_headers = {"path": "queues/a\0b.jsonl"}
    with tarfile.open(tmp_path / "bad.tar", "w", format=tarfile.PAX_FORMAT) as tar:
        tar.addfile(entry)

    with pytest.raises(TransferError, match=r"bad\.tar: cannot be unpacked"):
        import_from(tmp_path / "bad.tar", tmp_path / "data", clock.now())


@pytest.mark.parametrize("name", ["cut.tar", "cut.tar.gz", "cut.zip"])
async def test_an_archive_that_is_cut_off_is_named(
    source: Make, clock: ManualClock, tmp_path: Path, name: str
) -> None:
    async with opened(tmp_path / "one", clock) as account:
        await account.blobs.create_container("uploads", now=clock.now())
        await account.blobs.put("uploads", "a.csv", b"x" * 100_000, now=clock.now())
    export(tmp_path / "one", tmp_path / name, clock.now())
    whole = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(whole[: len(whole) // 2])

    with pytest.raises(TransferError, match=rf"{name}: cannot be unpacked"):
        import_from(tmp_path / name, tmp_path / "data", clock.now())


@pytest.mark.parametrize("name", ["missing", "file.txt"])
async def test_what_can_be_no_source_is_named(
    clock: ManualClock, tmp_path: Path, name: str
) -> None:
    (tmp_path / "file.txt").touch()

    with pytest.raises(TransferError, match=name):
        import_from(tmp_path / name, tmp_path / "data", clock.now())
