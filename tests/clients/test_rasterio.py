"""rasterio: pictures of the earth, read and written by GDAL, which has a client of its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from conftest import Account

pytestmark = [pytest.mark.external, pytest.mark.slow]
SIDE = 1500


@pytest.fixture
def rasterio() -> Any:
    return pytest.importorskip("rasterio", reason="rasterio is not here: pip install rasterio")


@pytest.fixture
def container(rasterio: Any, account: Account) -> Iterator[Any]:
    from azure.storage.blob import ContainerClient
    from rasterio.session import AzureSession

    options = {
        "CPL_VSIL_USE_TEMP_FILE_FOR_RANDOM_WRITE": True,
        "GDAL_DISABLE_READDIR_ON_OPEN": True,
        "VSIAZ_CHUNK_SIZE": 1,  # MiB: what is larger goes up in blocks
    }
    with (
        ContainerClient.from_connection_string(account.connection_string, "box") as container,
        rasterio.Env(session=AzureSession(account.connection_string), **options),
    ):
        container.create_container()
        yield container


def test_pictures_are_written_read_by_window_copied_and_deleted(
    rasterio: Any, container: Any
) -> None:
    import numpy
    from rasterio import shutil

    bands = numpy.random.default_rng(1).integers(0, 255, (3, SIDE, SIDE), dtype="uint8")
    place = rasterio.Affine(10, 0, 0, 0, -10, 0)
    shape = {"width": SIDE, "height": SIDE, "count": 3, "dtype": "uint8", "transform": place}
    with rasterio.open(
        "az://box/folder é/a b.tif", "w", driver="GTiff", tiled=True, **shape
    ) as picture:
        picture.write(bands)

    with rasterio.open("az://box/folder é/a b.tif") as picture:
        window = picture.read(2, window=((100, 110), (200, 220)))
        assert (window == bands[1, 100:110, 200:220]).all()
        assert (picture.read() == bands).all()

    shutil.copy("/vsiaz/box/folder é/a b.tif", "/vsiaz/box/cloud.tif", driver="COG")
    assert list(container.list_blob_names()) == ["cloud.tif", "folder é/a b.tif"]
    shutil.delete("/vsiaz/box/cloud.tif")
    assert list(container.list_blob_names()) == ["folder é/a b.tif"]
