"""The compatibility page, and that what it says of a missing operation is what is answered."""

from __future__ import annotations

from pathlib import Path

import pytest
from azure.core.exceptions import HttpResponseError
from azure.storage.blob.aio import BlobServiceClient

from triggerfish_storage.compatibility import PAGE, REFUSALS, SERVICES, render
from triggerfish_storage.testing import ServedAccount

REFERENCE = Path(__file__).parent.parent.parent / "docs" / "reference"


def test_the_page_is_what_the_tables_say() -> None:
    written = (REFERENCE / PAGE).read_text(encoding="utf-8")

    assert written == render(), "run: python -m triggerfish_storage.compatibility docs/reference"


@pytest.mark.parametrize("service", SERVICES)
def test_every_operation_is_a_row(service: str) -> None:
    section = render().split(f"\n## {service}\n")[1].split("\n## ")[0]

    names = [line.split(" | ")[0].removeprefix("| ") for line in section.splitlines()[3:]]

    assert len(set(names)) == len(names)
    assert {row.name for row in SERVICES[service]} <= {name.replace(" ", "") for name in names}


def test_what_is_refused_is_a_row_that_says_so() -> None:
    for handler, error in REFUSALS.items():
        refused = {row.name for row in SERVICES["Blob"] if row.handler is handler}
        answer = f"| {error.status} {error.code} |"

        assert len([line for line in render().splitlines() if line.endswith(answer)]) == len(
            refused
        )
        assert refused


async def test_an_operation_that_is_not_there_is_answered_as_the_page_says(
    served: ServedAccount,
) -> None:
    async with BlobServiceClient.from_connection_string(served.connection_string) as client:
        container = await client.create_container("files")
        blob = container.get_blob_client("a.csv")
        await blob.upload_blob(b"a,b\n1,2\n")

        with pytest.raises(HttpResponseError) as refused:
            await blob.query_blob("SELECT * from BlobStorage")

    assert (refused.value.status_code, refused.value.error_code) == (501, "NotImplemented")
