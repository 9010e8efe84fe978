"""smart_open: blobs as file objects, streamed in parts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Account

pytestmark = [
    pytest.mark.external,
    pytest.mark.slow,
    pytest.mark.filterwarnings("default"),  # those of code that is not ours
]
PART_BYTES = 256 * 1024


@pytest.fixture
def smart_open() -> Any:
    reason = "smart_open is not here: pip install smart_open[azure]"
    return pytest.importorskip("smart_open", reason=reason)


@pytest.fixture
def service(account: Account) -> Iterator[Any]:
    from azure.storage.blob import BlobServiceClient

    with BlobServiceClient.from_connection_string(account.connection_string) as opened:
        opened.create_container("box")
        yield opened


def test_a_blob_is_streamed_in_and_out_in_parts(smart_open: Any, service: Any) -> None:
    lines = [f"line {number} é 🐟\n" for number in range(50_000)]
    parts = {"client": service, "min_part_size": PART_BYTES}

    with smart_open.open(
        "azure://box/ünï/a b.txt", "w", encoding="utf-8", transport_params=parts
    ) as file:
        file.writelines(lines)

    with smart_open.open(
        "azure://box/ünï/a b.txt", encoding="utf-8", transport_params={"client": service}
    ) as file:
        assert list(file) == lines
    blocks, _ = service.get_blob_client("box", "ünï/a b.txt").get_block_list()
    assert len(blocks) > 1


def test_what_is_written_as_gzip_is_read_as_text_from_any_place(
    smart_open: Any, service: Any
) -> None:
    parameters = {"client": service}

    with smart_open.open("azure://box/a.gz", "w", transport_params=parameters) as file:
        file.write("packed " * 1000)

    with smart_open.open("azure://box/a.gz", transport_params=parameters) as file:
        assert file.read() == "packed " * 1000
    with smart_open.open(
        "azure://box/a.gz", "rb", compression="disable", transport_params=parameters
    ) as file:
        file.seek(0)
        assert file.read(2) == b"\x1f\x8b"
