"""Zarr and xarray: arrays in many small blobs, through adlfs and through obstore."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from conftest import Account

pytestmark = [pytest.mark.external, pytest.mark.slow]


@pytest.fixture
def zarr() -> Any:
    return pytest.importorskip("zarr", minversion="3", reason="zarr is not here: pip install zarr")


@pytest.fixture(params=["adlfs", "obstore"])
def store(zarr: Any, account: Account, request: pytest.FixtureRequest) -> Any:
    """An empty store in the container ``box``, reached in either way."""
    client = pytest.importorskip(request.param, reason=f"pip install {request.param}")
    from azure.storage.blob import ContainerClient
    from zarr.storage import FsspecStore, ObjectStore

    with ContainerClient.from_connection_string(account.connection_string, "box") as container:
        container.create_container()
    if request.param == "adlfs":
        options = {  # a listing that adlfs keeps is not told of what is written meanwhile
            "connection_string": account.connection_string,
            "use_listings_cache": False,
        }
        return FsspecStore.from_url("abfs://box/root", storage_options=options)
    return ObjectStore(
        client.store.AzureStore(
            "box",
            prefix="root",
            account_name=account.name,
            account_key=account.key,
            endpoint=account.endpoint("blob"),
            client_options={"allow_http": True},
        )
    )


def test_arrays_are_written_found_and_read_by_parts(zarr: Any, store: Any) -> None:
    group = zarr.create_group(store)
    array = group.create_array("folder/é", shape=(100, 100), chunks=(10, 50), dtype="i4")
    array[:] = [range(row, row + 100) for row in range(100)]
    array[5, 5] = -1

    found = zarr.open_group(store, mode="r")

    assert list(found["folder"].array_keys()) == ["é"]
    assert found["folder/é"][5, 4:7].tolist() == [9, -1, 11]
    assert int(found["folder/é"][50:, :].sum()) == sum(
        sum(range(r, r + 100)) for r in range(50, 100)
    )
    del zarr.open_group(store)["folder"]
    assert list(zarr.open_group(store, mode="r").group_keys()) == []


def test_a_dataset_grows(store: Any) -> None:
    xarray = pytest.importorskip("xarray", reason="xarray is not here: pip install xarray")
    day = xarray.Dataset({"height": (("time", "x"), [[1.0, 2.0, 3.0]])})

    day.to_zarr(store, mode="w", consolidated=False)
    (day + 10).to_zarr(store, append_dim="time", consolidated=False)

    read = xarray.open_zarr(store, consolidated=False)
    assert read["height"].values.tolist() == [[1, 2, 3], [11, 12, 13]]
