"""Any sequence of writes, copies, snapshots and deletions, against a plain dictionary.

Besides what is read back, two things must hold after every step: each content is used as often
as something refers to it, and no file is named or discarded wrongly.
"""

import base64
import sqlite3
from collections import Counter
from datetime import UTC, datetime, timedelta
from importlib.resources import files

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from triggerfish_storage import service_properties
from triggerfish_storage.blobs import (
    append_blobs,
    block_lists,
    blocks,
    containers,
    copies,
    deletion,
    lifecycle,
    page_blobs,
    snapshots,
)
from triggerfish_storage.blobs.block_lists import ListedBlock
from triggerfish_storage.blobs.extents import find_parts
from triggerfish_storage.blobs.listing import Listing, list_blobs
from triggerfish_storage.blobs.model import CURRENT, Address, Blob, Draft
from triggerfish_storage.blobs.rows import read_blob
from triggerfish_storage.contents import Content
from triggerfish_storage.errors import StorageError

NAMES = st.sampled_from(["a", "b", "dir/c"])
DATA = st.binary(min_size=1, max_size=6)
IDS = st.sampled_from([base64.b64encode(name).decode() for name in (b"1", b"2", b"3")])
PAGE = 512
KEEPING = "<DeleteRetentionPolicy><Enabled>{}</Enabled><Days>1</Days></DeleteRetentionPolicy>"

# Per name: what is there under each snapshot (CURRENT is the blob), as type, bytes, deleted.
Entry = tuple[str, bytes, bool]


class BlobMachine(RuleBasedStateMachine):
    """The rules on one side, dictionaries on the other."""

    def __init__(self) -> None:
        super().__init__()
        self.now = datetime(2024, 5, 1, tzinfo=UTC)
        self.tx = sqlite3.connect(":memory:", isolation_level=None)
        for script in sorted(
            file.name for file in (files("triggerfish_storage") / "migrations").iterdir()
        ):
            self.tx.executescript(
                (files("triggerfish_storage") / "migrations" / script).read_text()
            )
        self.entries: dict[str, dict[int, Entry]] = {}
        self.staged: dict[str, dict[str, bytes]] = {}
        self.blocks: dict[tuple[str, int], dict[str, bytes]] = {}
        self.files: dict[str, bytes] = {}
        self.is_keeping = False

    @initialize()
    def create(self) -> None:
        containers.create_container(self.tx, self.at(""), now=self.now)

    def at(self, name: str, snapshot: int = CURRENT) -> Address:
        return Address("account", "data", name, snapshot)

    def content(self, data: bytes, *, large: bool) -> Content:
        if not large:
            return Content(len(data), b"", data, None)
        name = f"file{len(self.files)}"
        self.files[name] = data
        return Content(len(data), b"", None, name)

    def live(self, name: str) -> Entry | None:
        entry = self.entries.get(name, {}).get(CURRENT)
        return entry if entry is not None and not entry[2] else None

    # --- what a write leaves of what was there ------------------------------------------------

    def replaced(self, name: str, kind: str, data: bytes) -> None:
        of_name = self.entries.setdefault(name, {})
        old = of_name.get(CURRENT)
        kept_blocks = self.blocks.pop((name, CURRENT), None)
        if old is not None and (old[2] or self.is_keeping):
            [moved] = self.snapshots_in_database(name) - (of_name.keys() - {CURRENT})
            of_name[moved] = (old[0], old[1], True)
            if kept_blocks:
                self.blocks[name, moved] = kept_blocks
        of_name[CURRENT] = (kind, data, False)
        self.staged.pop(name, None)

    def snapshots_in_database(self, name: str) -> set[int]:
        query = "SELECT snapshot FROM blob WHERE name = ? AND snapshot < ?"
        return {row[0] for row in self.tx.execute(query, (name, CURRENT))}

    # --- rules --------------------------------------------------------------------------------

    @rule(name=NAMES, data=DATA, large=st.booleans())
    def put(self, name: str, data: bytes, large: bool) -> None:
        content = self.content(data, large=large)
        lifecycle.put_blob(self.tx, self.at(name), content, Draft(), now=self.now)
        self.replaced(name, "BlockBlob", data)

    @rule(name=NAMES, block=IDS, data=DATA, large=st.booleans())
    def stage(self, name: str, block: str, data: bytes, large: bool) -> None:
        live = self.live(name)
        content = self.content(data, large=large)
        if live is not None and live[0] != "BlockBlob":
            with pytest.raises(StorageError, match="InvalidBlobType"):
                blocks.put_block(self.tx, self.at(name), block, content, now=self.now)
            self.files.pop(content.file or "", None)
            return
        blocks.put_block(self.tx, self.at(name), block, content, now=self.now)
        self.staged.setdefault(name, {})[block] = data

    @rule(
        name=NAMES,
        listed=st.lists(
            st.tuples(st.sampled_from(["Committed", "Uncommitted", "Latest"]), IDS), max_size=4
        ),
    )
    def commit(self, name: str, listed: list[tuple[str, str]]) -> None:
        live = self.live(name)
        committed = self.blocks.get((name, CURRENT), {}) if live is not None else {}
        staged = self.staged.get(name, {})
        where = {"Committed": committed, "Uncommitted": staged, "Latest": committed | staged}
        entries = [ListedBlock(source, block) for source, block in listed]
        wrong_type = live is not None and live[0] != "BlockBlob"
        if wrong_type or any(block not in where[source] for source, block in listed):
            with pytest.raises(StorageError, match=r"InvalidBlobType|InvalidBlockList"):
                block_lists.put_block_list(self.tx, self.at(name), entries, Draft(), now=self.now)
            return
        made = {block: where[source][block] for source, block in listed}
        data = b"".join(where[source][block] for source, block in listed)
        block_lists.put_block_list(self.tx, self.at(name), entries, Draft(), now=self.now)
        self.replaced(name, "BlockBlob", data)
        self.blocks[name, CURRENT] = made

    @rule(name=NAMES)
    def create_append(self, name: str) -> None:
        append_blobs.create_append_blob(self.tx, self.at(name), Draft(), now=self.now)
        self.replaced(name, "AppendBlob", b"")

    @rule(name=NAMES, data=DATA, large=st.booleans())
    def append(self, name: str, data: bytes, large: bool) -> None:
        live = self.live(name)
        if live is None or live[0] != "AppendBlob":
            return
        content = self.content(data, large=large)
        append_blobs.append_block(self.tx, self.at(name), content, now=self.now)
        self.entries[name][CURRENT] = ("AppendBlob", live[1] + data, False)

    @rule(name=NAMES)
    def create_pages(self, name: str) -> None:
        page_blobs.create_page_blob(self.tx, self.at(name), 4 * PAGE, 0, Draft(), now=self.now)
        self.replaced(name, "PageBlob", bytes(4 * PAGE))

    @rule(
        name=NAMES,
        first=st.integers(0, 3),
        count=st.integers(1, 4),
        letter=st.sampled_from(b"xyz\0"),
        large=st.booleans(),
    )
    def write_pages(self, name: str, first: int, count: int, letter: int, large: bool) -> None:
        live = self.live(name)
        if live is None or live[0] != "PageBlob":
            return
        begin, end = first * PAGE, min(4, first + count) * PAGE
        data = bytes([letter]) * (end - begin)
        content = self.content(data, large=large) if letter else None
        page_blobs.put_pages(self.tx, self.at(name), begin, end, content, now=self.now)
        self.entries[name][CURRENT] = ("PageBlob", live[1][:begin] + data + live[1][end:], False)

    @rule(name=NAMES)
    def snapshot(self, name: str) -> None:
        live = self.live(name)
        if live is None:
            return
        taken, _ = snapshots.snapshot_blob(self.tx, self.at(name), {}, now=self.now)
        self.entries[name][taken.snapshot] = live
        if (name, CURRENT) in self.blocks:
            self.blocks[name, taken.snapshot] = self.blocks[name, CURRENT]

    @rule(source=NAMES, to=NAMES, choice=st.randoms(use_true_random=False))
    def copy(self, source: str, to: str, choice) -> None:
        found = [key for key, entry in self.entries.get(source, {}).items() if not entry[2]]
        if not found:
            return
        snapshot = choice.choice(sorted(found))
        kind, data, _ = self.entries[source][snapshot]
        made = self.blocks.get((source, snapshot))
        live = self.live(to)
        order = copies.CopyOrder("http://source")
        addresses = self.at(source, snapshot), self.at(to)
        if live is not None and live[0] != kind:
            with pytest.raises(StorageError, match="InvalidBlobType"):
                copies.copy_blob(self.tx, *addresses, order, now=self.now)
            return
        copies.copy_blob(self.tx, *addresses, order, now=self.now)
        self.replaced(to, kind, data)
        if made:
            self.blocks[to, CURRENT] = made

    @rule(name=NAMES, how=st.sampled_from(["", "include", "only"]))
    def delete(self, name: str, how: str) -> None:
        of_name = self.entries.get(name, {})
        others = [key for key, entry in of_name.items() if key != CURRENT and not entry[2]]
        if self.live(name) is None or (others and not how):
            with pytest.raises(StorageError, match=r"BlobNotFound|SnapshotsPresent"):
                deletion.delete_blob(self.tx, self.at(name), snapshots=how, now=self.now)
            return
        deletion.delete_blob(self.tx, self.at(name), snapshots=how, now=self.now)
        for key in others if how == "only" else [*others, CURRENT]:
            self.gone(name, key)

    @rule(name=NAMES, choice=st.randoms(use_true_random=False))
    def delete_snapshot(self, name: str, choice) -> None:
        of_name = self.entries.get(name, {})
        found = [key for key, entry in of_name.items() if key != CURRENT and not entry[2]]
        if found:
            key = choice.choice(sorted(found))
            deletion.delete_blob(self.tx, self.at(name, key), now=self.now)
            self.gone(name, key)

    def gone(self, name: str, key: int) -> None:
        kind, data, _ = self.entries[name][key]
        if self.is_keeping:
            self.entries[name][key] = (kind, data, True)
        else:
            del self.entries[name][key]
            self.blocks.pop((name, key), None)

    @rule(keeping=st.booleans())
    def set_soft_delete(self, keeping: bool) -> None:
        policy = KEEPING.format("true" if keeping else "false")
        properties = {"DeleteRetentionPolicy": policy}
        service_properties.save(self.tx, "account", "blob", properties)
        self.is_keeping = keeping

    @rule(name=NAMES)
    def undelete(self, name: str) -> None:
        if CURRENT not in self.entries.get(name, {}):
            with pytest.raises(StorageError, match="BlobNotFound"):
                deletion.undelete_blob(self.tx, self.at(name))
            return
        deletion.undelete_blob(self.tx, self.at(name))
        self.entries[name] = {
            key: (kind, data, False) for key, (kind, data, _) in self.entries[name].items()
        }

    @precondition(lambda self: any(e[2] for of in self.entries.values() for e in of.values()))
    @rule()
    def expire(self) -> None:
        self.now += timedelta(days=1)
        while deletion.purge_expired(self.tx, self.now, limit=2):
            pass
        for name, of_name in self.entries.items():
            for key in [key for key, entry in of_name.items() if entry[2]]:
                del of_name[key]
                self.blocks.pop((name, key), None)

    # --- what must hold -----------------------------------------------------------------------

    @invariant()
    def everything_is_read_back(self) -> None:
        for name, of_name in self.entries.items():
            for key, (kind, data, deleted) in of_name.items():
                if deleted:
                    with pytest.raises(StorageError, match="BlobNotFound"):
                        read_blob(self.tx, self.at(name, key))
                    continue
                blob, whole = read_blob(self.tx, self.at(name, key))
                assert (blob.type, blob.length) == (kind, len(data))
                if whole is None:
                    whole = self.assembled(blob, 0, blob.length)
                    assert self.assembled(blob, 1, 3) == data[1:3]
                assert whole == data

    def assembled(self, blob: Blob, begin: int, end: int) -> bytes:
        end = min(end, blob.length)
        if begin >= end:
            return b""
        read = b""
        for part in find_parts(self.tx, blob.id, begin, end):
            if part.file is not None:
                read += self.files[part.file][part.offset : part.offset + part.length]
            else:
                read += part.loaded()
        return read

    @invariant()
    def the_listing_is_the_dictionary(self) -> None:
        expected = sorted(
            (name, key) for name, of in self.entries.items() for key, e in of.items() if not e[2]
        )
        page = list_blobs(self.tx, self.at(""), Listing(snapshots=True))
        assert [(entry.name, entry.snapshot) for entry in page.entries] == expected

    @invariant()
    def contents_are_used_as_often_as_something_refers_to_them(self) -> None:
        uses = Counter(row[0] for row in self.tx.execute("SELECT content_id FROM extent"))
        uses.update(row[0] for row in self.tx.execute("SELECT content_id FROM block"))
        assert dict(self.tx.execute("SELECT id, uses FROM content")) == dict(uses)

    @invariant()
    def every_file_is_either_named_or_discarded(self) -> None:
        query = "SELECT file FROM content WHERE file IS NOT NULL"
        named = [row[0] for row in self.tx.execute(query)]
        discarded = [row[0] for row in self.tx.execute("SELECT name FROM discarded_file")]
        assert sorted(named + discarded) == sorted(self.files)

    def teardown(self) -> None:
        self.tx.close()


def test_blobs_behave_as_a_dictionary_does():
    run_state_machine_as_test(
        BlobMachine,
        settings=settings(
            max_examples=10,
            stateful_step_count=20,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.slow
def test_blobs_behave_as_a_dictionary_does_for_long():
    run_state_machine_as_test(
        BlobMachine,
        settings=settings(
            max_examples=400,
            stateful_step_count=50,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
