"""Pages say where the next one begins."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from conftest import Raw


async def test_a_page_says_where_the_next_one_begins(people: Raw) -> None:
    for name in ("a", "ü"):
        body = json.dumps({"PartitionKey": "p", "RowKey": name}).encode()
        await people.send("POST", "/people", body)

    rows, more = [], ""
    for _ in range(4):
        answer = await people.send(
            "GET", f"/people?$top=1{more}", headers={"accept": "application/json;odata=nometadata"}
        )
        rows += [entity["RowKey"] for entity in answer.document["value"]]
        if "x-ms-continuation-nextpartitionkey" not in answer.headers:
            break
        more = "".join(
            f"&Next{key}={quote(answer.headers[f'x-ms-continuation-next{key.lower()}'])}"
            for key in ("PartitionKey", "RowKey")
        )

    assert rows == ["a", "it's", "ü"]


async def test_tables_come_in_pages_too(raw: Raw) -> None:
    for name in ("one", "two"):
        await raw.send("POST", "/Tables", json.dumps({"TableName": name}).encode())

    first = await raw.send("GET", "/Tables?$top=1")
    marker = first.headers["x-ms-continuation-nexttablename"]
    second = await raw.send("GET", f"/Tables?$top=1&NextTableName={quote(marker)}")

    assert [table["TableName"] for table in first.document["value"]] == ["one"]
    assert [table["TableName"] for table in second.document["value"]] == ["two"]
    assert "x-ms-continuation-nexttablename" not in second.headers
