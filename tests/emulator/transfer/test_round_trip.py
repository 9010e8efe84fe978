"""A whole account out and into another one: official clients see no difference."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from azure.storage.blob import BlobServiceClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from triggerfish_storage.blobs import deletion
from triggerfish_storage.blobs.exact import all_blobs, all_containers
from triggerfish_storage.blobs.listing import Listing
from triggerfish_storage.blobs.model import Draft, Encryption, Rehydration
from triggerfish_storage.blobs.tiers import set_tier
from triggerfish_storage.errors import StorageError
from triggerfish_storage.server import open_account
from triggerfish_storage.testing import ManualClock

if TYPE_CHECKING:
    from conftest import Export, Fill, Import, Open, See

Clients = Callable[..., Awaitable[Any]]


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["", ".tar", ".tar.gz", ".zip"])
async def test_clients_see_the_same_account_after_export_and_import(
    clients: Clients,
    clock: ManualClock,
    tmp_path: Path,
    suffix: str,
    export: Export,
    import_from: Import,
    fill: Fill,
    seen: See,
) -> None:
    await clients(tmp_path / "one", fill)
    before = await clients(tmp_path / "one", seen)

    exported = export(tmp_path / "one", tmp_path / f"saved{suffix}", clock.now())
    imported = import_from(tmp_path / f"saved{suffix}", tmp_path / "two", clock.now())

    assert await clients(tmp_path / "two", seen) == before
    assert exported.document() == imported.document()
    assert not (tmp_path / "two" / "scratch").exists()


async def test_what_is_soft_deleted_comes_along_and_can_be_undeleted(
    clock: ManualClock, tmp_path: Path, export: Export, import_from: Import, opened: Open
) -> None:
    async with opened(tmp_path / "one", clock) as account:
        await account.blobs.create_container("uploads", now=clock.now())
        await account.blobs.put("uploads", "a.csv", b"kept", now=clock.now())
        await account.database.write(_soft_delete_is_on)
        await account.blobs.delete("uploads", "a.csv", now=clock.now())
    export(tmp_path / "one", tmp_path / "saved", clock.now())
    import_from(tmp_path / "saved", tmp_path / "two", clock.now())

    async with opened(tmp_path / "two", clock) as account:
        assert account.blobs.find("uploads", "a.csv") is None
        address = account.blobs.at("uploads", "a.csv")
        await account.blobs.write(lambda tx: deletion.undelete_blob(tx, address))
        _, content = await account.blobs.get("uploads", "a.csv", now=clock.now())

    assert content == b"kept"


def _soft_delete_is_on(tx: Any) -> None:
    from triggerfish_storage import service_properties

    policy = "<DeleteRetentionPolicy><Enabled>true</Enabled><Days>7</Days></DeleteRetentionPolicy>"
    service_properties.save(tx, "devstoreaccount1", "blob", {"DeleteRetentionPolicy": policy})


async def test_a_blob_comes_along_with_the_hash_of_its_customers_key(
    clock: ManualClock, tmp_path: Path, export: Export, import_from: Import, opened: Open
) -> None:
    key_sha256 = b64encode(bytes(32)).decode()
    async with opened(tmp_path / "one", clock) as account:
        await account.blobs.create_container("uploads", now=clock.now())
        draft = Draft(encryption=Encryption(key_sha256=key_sha256))
        await account.blobs.put("uploads", "a.csv", b"secret", draft, now=clock.now())
    export(tmp_path / "one", tmp_path / "saved", clock.now())
    import_from(tmp_path / "saved", tmp_path / "two", clock.now())

    async with opened(tmp_path / "two", clock) as account:
        address = account.blobs.at("uploads", "a.csv")
        with pytest.raises(StorageError, match="BlobUsesCustomerSpecifiedEncryption"):
            await account.blobs.open(address, now=clock.now())
        found = await account.blobs.open(address, key_sha256=key_sha256, now=clock.now())
        assert await found.read() == b"secret"


async def test_a_blob_on_its_way_out_of_the_archive_arrives_elsewhere(
    clock: ManualClock, tmp_path: Path, export: Export, import_from: Import, opened: Open
) -> None:
    until = clock.now() + timedelta(hours=1)
    async with opened(tmp_path / "one", clock) as account:
        await account.blobs.create_container("uploads", now=clock.now())
        await account.blobs.put("uploads", "a", b"1", Draft(tier="Archive"), now=clock.now())
        address = account.blobs.at("uploads", "a")
        await account.blobs.write(
            lambda tx: set_tier(
                tx,
                address,
                "Hot",
                priority="High",
                rehydrates_after=timedelta(hours=1),
                now=clock.now(),
            )
        )
    export(tmp_path / "one", tmp_path / "saved", clock.now())
    import_from(tmp_path / "saved", tmp_path / "two", clock.now())

    async with opened(tmp_path / "two", clock) as account:
        found = account.blobs.properties(account.blobs.at("uploads", "a"), now=clock.now())
        assert (found.tier, found.rehydration) == ("Archive", Rehydration("Hot", "High", until))
        assert account.blobs.properties(account.blobs.at("uploads", "a"), now=until).tier == "Hot"


async def test_incremental_copies_go_on_elsewhere(
    clients: Clients, tmp_path: Path, export: Export, import_from: Import
) -> None:
    def fill_in(string: str) -> str:
        container = BlobServiceClient.from_connection_string(string).create_container("data")
        disk, copy = container.get_blob_client("disk"), container.get_blob_client("copy")
        disk.create_page_blob(1024)
        return _copy_on(disk, copy)

    def go_on(string: str) -> list[tuple[int, int]]:
        container = BlobServiceClient.from_connection_string(string).get_container_client("data")
        disk, copy = container.get_blob_client("disk"), container.get_blob_client("copy")
        disk.upload_page(b"1" * 512, 512, 512)
        newer = container.get_blob_client("copy", snapshot=_copy_on(disk, copy))
        changed = newer.list_page_ranges(previous_snapshot=first)
        return [(one.start, one.end) for one in changed]

    first = await clients(tmp_path / "one", fill_in)
    now = datetime.now(UTC)
    export(tmp_path / "one", tmp_path / "saved", now)
    import_from(tmp_path / "saved", tmp_path / "two", now)

    assert await clients(tmp_path / "two", go_on) == [(512, 1023)]


def _copy_on(disk: Any, copy: Any) -> str:
    taken = disk.create_snapshot()["snapshot"]
    copy.start_copy_from_url(f"{disk.url}?snapshot={taken}", incremental_copy=True)
    found: str = copy.get_blob_properties().copy.destination_snapshot
    return found


async def test_versions_of_blobs_come_along(
    clock: ManualClock, tmp_path: Path, export: Export, import_from: Import
) -> None:
    async with open_account(tmp_path / "one", clock=clock, keeps_versions=True) as account:
        await account.blobs.create_container("uploads", now=clock.now())
        first = await account.blobs.put("uploads", "a.csv", b"one", now=clock.now())
        await account.blobs.put("uploads", "a.csv", b"two", now=clock.now())
    export(tmp_path / "one", tmp_path / "saved", clock.now())
    import_from(tmp_path / "saved", tmp_path / "two", clock.now())

    async with open_account(tmp_path / "two", clock=clock, keeps_versions=True) as account:
        address = account.blobs.at("uploads", "a.csv", first.version)._replace(is_version=True)
        earlier = await account.blobs.open(address, now=clock.now())
        assert await earlier.read() == b"one"
        page = await account.blobs.page("uploads", Listing(versions=True))

    assert [entry.is_earlier_version for entry in page.entries] == [True, False]  # type: ignore[union-attr]


async def test_leases_stay_behind(
    clock: ManualClock, tmp_path: Path, export: Export, import_from: Import, opened: Open
) -> None:
    async with opened(tmp_path / "one", clock) as account:
        await account.blobs.create_container("uploads", now=clock.now())
        await account.blobs.put("uploads", "a.csv", b"", now=clock.now())
        await account.blobs.acquire_lease("uploads", "a.csv", seconds=-1, now=clock.now())
    export(tmp_path / "one", tmp_path / "saved", clock.now())
    import_from(tmp_path / "saved", tmp_path / "two", clock.now())

    async with opened(tmp_path / "two", clock) as account:
        await account.blobs.put("uploads", "a.csv", b"new", now=clock.now())


async def test_what_a_function_holds_is_exported_as_if_it_had_not_been_delivered(
    clock: ManualClock, tmp_path: Path, export: Export, import_from: Import, opened: Open
) -> None:
    async with opened(tmp_path / "one", clock) as account:
        await account.queues.create("orders")
        put = await account.queues.put("orders", "one", now=clock.now())
        await account.queues.take(
            "orders", count=1, now=clock.now(), hide_for=timedelta(hours=1), held=True
        )
        export(tmp_path / "one", tmp_path / "saved", clock.now())
    import_from(tmp_path / "saved", tmp_path / "two", clock.now())

    async with opened(tmp_path / "two", clock) as account:
        [message] = account.queues.peek("orders", count=1, now=clock.now())

    assert (message.id, message.text, message.dequeue_count) == (put.id, "one", 0)


async def test_a_message_that_has_expired_meanwhile_lives_as_long_again(
    clock: ManualClock, tmp_path: Path, export: Export, import_from: Import, opened: Open
) -> None:
    async with opened(tmp_path / "one", clock) as account:
        await account.queues.create("orders")
        await account.queues.put("orders", "one", now=clock.now(), life=timedelta(hours=2))
    export(tmp_path / "one", tmp_path / "saved", clock.now())
    clock.move(days=30)
    import_from(tmp_path / "saved", tmp_path / "two", clock.now())

    async with opened(tmp_path / "two", clock) as account:
        [message] = account.queues.peek("orders", count=1, now=clock.now())

    assert message.expires_at == clock.now() + timedelta(hours=2)


NAME = st.text(
    st.one_of(
        st.characters(exclude_categories=["Cs", "Cc"]),
        st.sampled_from("aAb./\\:~ %"),
    ),
    min_size=1,
    max_size=40,
)


@pytest.mark.slow
@settings(
    deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(names=st.sets(NAME, min_size=1, max_size=12))
async def test_blobs_of_any_names_come_back_byte_for_byte(
    tmp_path_factory: pytest.TempPathFactory,
    names: set[str],
    export: Export,
    import_from: Import,
    opened: Open,
) -> None:
    folder = tmp_path_factory.mktemp("any")
    clock = ManualClock(datetime(2024, 5, 1, tzinfo=UTC))
    async with opened(folder / "one", clock) as account:
        await account.blobs.create_container("uploads", now=clock.now())
        for name in names:
            await account.blobs.put("uploads", name, name.encode(), now=clock.now())
    export(folder / "one", folder / "saved", clock.now())
    import_from(folder / "saved", folder / "two", clock.now())

    found = {}
    async with opened(folder / "two", clock) as account:
        [container] = account.database.look(lambda tx: list(all_containers(tx, "devstoreaccount1")))
        for blob in account.database.look(lambda tx: list(all_blobs(tx, container.id))):
            found[blob.name] = (await account.blobs.get("uploads", blob.name, now=clock.now()))[1]

    assert found == {name: name.encode() for name in names}
