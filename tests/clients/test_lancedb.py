"""LanceDB: tables of vectors, each version a manifest that only one writer can create."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from conftest import Account

pytestmark = [
    pytest.mark.external,
    pytest.mark.slow,
    pytest.mark.filterwarnings("default"),  # those of code that is not ours
]
ROWS = 2000
WRITERS = 4
COMMITS_EACH = 5


@pytest.fixture
def database(account: Account) -> Any:
    lancedb = pytest.importorskip("lancedb", reason="LanceDB is not here: pip install lancedb")
    from azure.storage.blob import ContainerClient

    with ContainerClient.from_connection_string(account.connection_string, "lake") as container:
        container.create_container()
    return lancedb.connect("az://lake/base", storage_options=account.object_store_options())


def row(number: int) -> dict[str, Any]:
    """Return a row whose vector is like no other's."""
    return {"id": number, "text": f"é {number} 🐟", "vector": [float(number % 45), number // 45.0]}


def test_rows_are_searched_changed_and_had_as_they_were(database: Any) -> None:
    table = database.create_table("things", [row(number) for number in range(ROWS)])
    first = table.version

    table.update(where="id = 5", values={"text": "changed"})
    table.delete("id >= 10 and id < 20")
    table.optimize()

    [nearest] = table.search(row(77)["vector"]).limit(1).to_list()
    assert (nearest["id"], nearest["text"]) == (77, "é 77 🐟")
    [changed] = table.search().where("id = 5").to_list()
    assert changed["text"] == "changed"
    assert table.count_rows() == ROWS - 10
    table.checkout(first)
    assert table.count_rows() == ROWS
    database.drop_table("things")
    with pytest.raises(ValueError, match="was not found"):
        database.open_table("things")


def test_writers_at_the_same_time_lose_nothing(database: Any) -> None:
    database.create_table("things", [row(0)])

    def write(writer: int) -> None:
        table = database.open_table("things")
        for commit in range(COMMITS_EACH):
            table.add([row(1 + writer * COMMITS_EACH + commit)])

    with ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(write, range(WRITERS)))

    found = database.open_table("things").search().limit(ROWS).to_list()
    assert sorted(each["id"] for each in found) == list(range(1 + WRITERS * COMMITS_EACH))
