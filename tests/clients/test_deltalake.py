"""Delta Lake tables in a container: each version is one blob that only one writer can create."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from conftest import Account

pytestmark = [pytest.mark.external, pytest.mark.slow]
WRITERS = 4
COMMITS_EACH = 5


@pytest.fixture
def deltalake() -> Any:
    return pytest.importorskip("deltalake", reason="deltalake is not here: pip install deltalake")


@pytest.fixture
def arrow() -> Any:
    return pytest.importorskip("pyarrow", reason="pyarrow is not here: pip install pyarrow")


@pytest.fixture
def options(account: Account) -> dict[str, str]:
    from azure.storage.blob import ContainerClient

    with ContainerClient.from_connection_string(account.connection_string, "lake") as container:
        container.create_container()
    return account.object_store_options()


TABLE = "az://lake/orders ü"


def rows(deltalake: Any, options: dict[str, str], **at: Any) -> list[dict[str, Any]]:
    table = deltalake.DeltaTable(TABLE, storage_options=options, **at)
    found: list[dict[str, Any]] = table.to_pyarrow_table().to_pylist()
    return sorted(found, key=lambda row: row["id"])


def test_a_table_is_written_changed_and_read_at_any_version(
    deltalake: Any, arrow: Any, options: dict[str, str]
) -> None:
    first = arrow.table({"id": [1, 2], "name": ["é", "🐟"]})
    deltalake.write_deltalake(TABLE, first, storage_options=options, partition_by=["name"])
    more = arrow.table({"id": [3], "name": ["more"]})
    deltalake.write_deltalake(TABLE, more, mode="append", storage_options=options)
    table = deltalake.DeltaTable(TABLE, storage_options=options)
    table.delete("id = 1")
    table.update(predicate="id = 2", updates={"name": "'changed'"})

    now = [{"id": 2, "name": "changed"}, {"id": 3, "name": "more"}]
    assert rows(deltalake, options) == now
    assert rows(deltalake, options, version=0) == first.to_pylist()
    table.optimize.compact()
    table.create_checkpoint()
    table.vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False)
    assert rows(deltalake, options) == now


def test_writers_at_the_same_time_lose_no_commit(
    deltalake: Any, arrow: Any, options: dict[str, str]
) -> None:
    nothing = arrow.schema([("id", arrow.int64())])
    deltalake.DeltaTable.create(TABLE, nothing, storage_options=options)

    def write(writer: int) -> None:
        for number in range(COMMITS_EACH):
            one = arrow.table({"id": [writer * COMMITS_EACH + number]})
            deltalake.write_deltalake(TABLE, one, mode="append", storage_options=options)

    with ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(write, range(WRITERS)))

    table = deltalake.DeltaTable(TABLE, storage_options=options)
    assert table.version() == WRITERS * COMMITS_EACH
    found = [row["id"] for row in rows(deltalake, options)]
    assert found == list(range(WRITERS * COMMITS_EACH))
