"""Headers beyond ASCII: whichever bytes a client sends, it reads them again."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest
from azure.storage.blob import (
    AccountSasPermissions,
    BlobServiceClient,
    ContentSettings,
    ResourceTypes,
    generate_account_sas,
)
from azure.storage.blob.aio import BlobServiceClient as AsyncBlobServiceClient
from azure.storage.queue import QueueServiceClient
from hypothesis import example, given
from hypothesis import strategies as st

from triggerfish_storage.protocol.accounts import DEFAULT_ACCOUNT, DEFAULT_KEY
from triggerfish_storage.protocol.header_text import decode, encodable, legible
from triggerfish_storage.testing import ServedAccount

PRIVATE = st.text(st.sampled_from("a\uf6ff\uf780\uf7ff\uf800")).map(str.encode)
ANY = st.lists(st.one_of(st.binary(), PRIVATE, st.text().map(str.encode))).map(b"".join)


@given(ANY)
@example(b"\xef\x9e\x80\x80")
def test_any_bytes_are_text_that_utf8_carries_and_come_back(raw: bytes) -> None:
    text = decode(raw)

    text.encode()  # no lone surrogates
    assert encodable(text).encode("utf-8", "surrogateescape") == raw


@pytest.mark.parametrize(
    ("raw", "text"),
    [(b"plain", "plain"), ("ü日".encode(), "ü日"), (b"\xfc", "ü"), (b"M\xfcll\xe9r", "Müllér")],
)
def test_a_value_is_read_as_utf8_and_else_as_latin_1(raw: bytes, text: str) -> None:
    assert legible(decode(raw)) == text


@pytest.mark.parametrize("value", ["Übergröße", "naïve café", "\u00a0x\u00ff"])
async def test_the_client_without_asyncio_reads_what_it_wrote(
    served: ServedAccount, value: str
) -> None:
    def there_and_back() -> tuple[Any, ...]:
        service = BlobServiceClient.from_connection_string(served.connection_string)
        container = service.create_container("data", metadata={"k": value})
        blob = container.get_blob_client("a")
        settings = ContentSettings(content_disposition=f'attachment; filename="{value}"')
        blob.upload_blob(b"", metadata={"k": value}, content_settings=settings)
        [listed] = container.list_blobs(include=["metadata"])
        found = blob.get_blob_properties()
        queues = QueueServiceClient.from_connection_string(served.connection_string)
        queue = queues.create_queue("orders", metadata={"k": value})
        return (
            *(found.metadata["k"], listed.metadata["k"]),
            container.get_container_properties().metadata["k"],
            queue.get_queue_properties().metadata["k"],
            next(iter(queues.list_queues(include_metadata=True))).metadata["k"],
            found.content_settings.content_disposition[22:-1],
            listed.content_settings.content_disposition[22:-1],
        )

    # Python's client for requests takes white space away at the ends.
    assert {one.strip() for one in await asyncio.to_thread(there_and_back)} == {value.strip()}


@pytest.mark.parametrize("value", ["ü", "日本語 🐟", "\uf780"])
async def test_the_asyncio_client_reads_what_it_wrote(served: ServedAccount, value: str) -> None:
    async with AsyncBlobServiceClient.from_connection_string(served.connection_string) as service:
        container = await service.create_container("data")
        blob = container.get_blob_client("a")
        await blob.upload_blob(b"", metadata={"k": value})
        [listed] = [one async for one in container.list_blobs(include=["metadata"])]
        found = await blob.get_blob_properties()

    assert found.metadata == {"k": value}
    assert value == "\uf780" or listed.metadata == {"k": value}


async def test_a_header_that_is_no_utf8_is_taken_where_a_signature_does_not_cover_it(
    served: ServedAccount,
) -> None:
    token = generate_account_sas(
        DEFAULT_ACCOUNT,
        DEFAULT_KEY,
        ResourceTypes(container=True, object=True),
        AccountSasPermissions(read=True, write=True, create=True),
        datetime(2024, 6, 1, tzinfo=UTC),
    )
    url = f"http://127.0.0.1:{served.ports['blob']}/{DEFAULT_ACCOUNT}"

    def there_and_back() -> str:
        service = BlobServiceClient(url, credential=token, retry_total=0)
        blob = service.create_container("data").get_blob_client("a")
        blob.upload_blob(b"", content_settings=ContentSettings(content_language="ü"))
        return str(blob.get_blob_properties().content_settings.content_language)

    assert await asyncio.to_thread(there_and_back) == "ü"
