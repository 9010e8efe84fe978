"""django-storages: a site's files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.request import urlopen

import pytest

if TYPE_CHECKING:
    from conftest import Account

pytestmark = [pytest.mark.external, pytest.mark.slow]


@pytest.fixture
def files(account: Account) -> Any:
    """The storage of a site that keeps its files in the container ``media``."""
    pytest.importorskip(
        "storages", reason="django-storages is not here: pip install django-storages[azure]"
    )
    from azure.storage.blob import ContainerClient
    from django.conf import settings
    from storages.backends.azure_storage import AzureStorage

    if not settings.configured:
        settings.configure(USE_TZ=True, TIME_ZONE="UTC")
    with ContainerClient.from_connection_string(account.connection_string, "media") as container:
        container.create_container()
    return AzureStorage(
        connection_string=account.connection_string,
        account_name=account.name,
        account_key=account.key,
        azure_container="media",
        overwrite_files=False,
    )


def test_files_are_saved_under_free_names_read_and_deleted(files: Any) -> None:
    from django.core.files.base import ContentFile

    first = files.save("photos/é a.txt", ContentFile(b"one"))
    second = files.save("photos/é a.txt", ContentFile(b"two"))

    assert first == "photos/é a.txt" != second
    with files.open(first) as one, files.open(second) as two:
        assert (one.read(), two.read()) == (b"one", b"two")
    assert sorted(files.listdir("photos")[1]) == sorted([first, second])
    assert files.size(first) == 3
    assert files.get_modified_time(first).tzinfo is not None
    files.delete(first)
    assert (files.exists(first), files.exists(second)) == (False, True)


def test_a_large_file_is_written_in_pieces(files: Any) -> None:
    content = bytes(range(256)) * 40_000

    with files.open("large.bin", "wb") as file:
        for start in range(0, len(content), 1_000_000):
            file.write(content[start : start + 1_000_000])

    with files.open("large.bin") as file:
        assert file.read() == content


def test_a_url_that_expires_reads_a_file(files: Any) -> None:
    from django.core.files.base import ContentFile

    name = files.save("photos/é a.txt", ContentFile(b"one"))

    with urlopen(files.url(name, expire=60)) as answer:
        assert answer.read() == b"one"
