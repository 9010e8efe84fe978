"""obstore, Rust's object_store for Python: what table formats and query engines are built on."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from conftest import Account

pytestmark = [pytest.mark.external, pytest.mark.slow]
PART_BYTES = 1024 * 1024
NAMES = ("a.txt", "folder/with spaces/and+plus%20percent.txt", "folder/ünï/日本語/🐟", "z")


@pytest.fixture
def obstore() -> Any:
    return pytest.importorskip("obstore", reason="obstore is not here: pip install obstore")


@pytest.fixture
def store(obstore: Any, account: Account) -> Any:
    from azure.storage.blob import ContainerClient
    from obstore.store import AzureStore

    with ContainerClient.from_connection_string(account.connection_string, "box") as container:
        container.create_container()
    return AzureStore(
        "box",
        account_name=account.name,
        account_key=account.key,
        endpoint=account.endpoint("blob"),
        client_options={"allow_http": True},
    )


def paths(listed: Any) -> list[str]:
    return [entry["path"] for batch in listed for entry in batch]


def test_objects_are_put_read_in_ranges_and_described(obstore: Any, store: Any) -> None:
    for name in NAMES:
        obstore.put(store, name, f"content of {name}".encode(), attributes={"kind": "proof"})

    for name in NAMES:
        content = f"content of {name}".encode()
        found = obstore.get(store, name)
        assert (bytes(found.bytes()), found.attributes["kind"]) == (content, "proof")
        assert bytes(obstore.get_range(store, name, start=2, end=5)) == content[2:5]
        ranges = obstore.get_ranges(store, name, starts=[0, 4], ends=[2, 6])
        assert [bytes(part) for part in ranges] == [content[0:2], content[4:6]]
        assert obstore.head(store, name)["size"] == len(content)


def test_objects_are_listed_by_prefix_behind_an_offset_and_by_folder(
    obstore: Any, store: Any
) -> None:
    for name in NAMES:
        obstore.put(store, name, b"x")

    assert paths(obstore.list(store)) == sorted(NAMES)
    assert paths(obstore.list(store, "folder")) == sorted(NAMES)[1:3]
    assert paths(obstore.list(store, offset=NAMES[1])) == sorted(NAMES)[2:]
    level = obstore.list_with_delimiter(store)
    assert level["common_prefixes"] == ["folder"]
    assert [entry["path"] for entry in level["objects"]] == ["a.txt", "z"]


def test_more_objects_than_a_page_holds_are_all_listed(obstore: Any, store: Any) -> None:
    names = [f"many/{number:05}" for number in range(5_100)]
    for name in names:
        obstore.put(store, name, b"", use_multipart=False)

    assert paths(obstore.list(store, "many")) == names
    assert paths(obstore.list(store, "many", offset=names[5_050])) == names[5_051:]


def test_a_put_happens_only_on_what_it_knows(obstore: Any, store: Any) -> None:
    from obstore.exceptions import AlreadyExistsError, PreconditionError

    first = obstore.put(store, "a", b"one", mode="create")
    with pytest.raises(AlreadyExistsError):
        obstore.put(store, "a", b"two", mode="create")
    known = {"e_tag": first["e_tag"]}
    obstore.put(store, "a", b"three", mode=known)
    with pytest.raises(PreconditionError):
        obstore.put(store, "a", b"four", mode=known)

    assert bytes(obstore.get(store, "a").bytes()) == b"three"
    with pytest.raises(PreconditionError):
        obstore.get(store, "a", options={"if_match": first["e_tag"]})


def test_large_objects_go_up_in_parts(obstore: Any, store: Any) -> None:
    content = bytes(range(256)) * 4096 * 12 + b"end"

    obstore.put(store, "large", content, chunk_size=PART_BYTES, max_concurrency=4)
    with obstore.open_writer(store, "written", buffer_size=PART_BYTES) as file:
        file.write(content)

    assert bytes(obstore.get(store, "large").bytes()) == content
    read = b"".join(bytes(part) for part in obstore.get(store, "written").stream())
    assert read == content


def test_objects_are_copied_renamed_and_deleted_by_batch(obstore: Any, store: Any) -> None:
    from obstore.exceptions import AlreadyExistsError

    for name in NAMES:
        obstore.put(store, name, name.encode())

    obstore.copy(store, NAMES[2], "copied é")
    with pytest.raises(AlreadyExistsError):
        obstore.copy(store, "a.txt", "z", overwrite=False)
    obstore.rename(store, "a.txt", "renamed")
    obstore.delete(store, [NAMES[1], NAMES[2]])

    assert paths(obstore.list(store)) == sorted(["copied é", "renamed", "z"])
    assert bytes(obstore.get(store, "copied é").bytes()) == NAMES[2].encode()
    with pytest.raises(FileNotFoundError):
        obstore.head(store, "a.txt")


def test_a_signed_url_is_enough(obstore: Any, store: Any) -> None:
    import requests

    obstore.put(store, "folder/a.txt", b"text")
    url = obstore.sign(store, "GET", "folder/a.txt", timedelta(minutes=5))

    assert requests.get(url, timeout=30).content == b"text"
