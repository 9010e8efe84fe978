"""Which operation a request is, and what is said where it is none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from triggerfish_storage.blobs.operations import OPERATIONS as BLOB_OPERATIONS
from triggerfish_storage.errors import StorageError
from triggerfish_storage.protocol.operations import Call, Operation, Reply
from triggerfish_storage.protocol.routing import Router
from triggerfish_storage.queues.operations import OPERATIONS as QUEUE_OPERATIONS


async def handler(call: Call, store: object) -> Reply:
    return Reply(200)


def row(name: str, method: str, path: str, **asked: Mapping[str, str]) -> Operation[Any]:
    return Operation(name, method, path, handler, "r", **asked)  # type: ignore[arg-type]


ROUTER: Router[Any] = Router(
    [
        row("ListContainers", "GET", "/", query={"comp": "list"}),
        row("Properties", "GET", "/", query={"restype": "service", "comp": "properties"}),
        row("Create", "PUT", "/{container}", query={"restype": "container"}),
        row("GetBlob", "GET", "/{container}/{blob...}"),
        row("GetBlobMetadata", "GET", "/{container}/{blob...}", query={"comp": "metadata"}),
        row("PutBlob", "PUT", "/{container}/{blob...}", headers={"x-ms-blob-type": "*"}),
        row("PutPage", "PUT", "/{container}/{blob...}", headers={"x-ms-blob-type": "PageBlob"}),
        row("CopyBlob", "PUT", "/{container}/{blob...}", headers={"x-ms-copy-source": "*"}),
        row("Messages", "GET", "/{queue}/messages"),
        row("Peek", "GET", "/{queue}/messages", query={"peekonly": "true"}),
        row("QueryTables", "GET", "/Tables"),
        row("DeleteTable", "DELETE", "/Tables('{table}')"),
        row("GetEntity", "GET", "/{table}({keys})"),
        row("QueryEntities", "GET", "/{table}()"),
        row("Tags", "GET", "/{container}/{blob...}", query={"comp": "tags", "versionid": "*"}),
    ]
)


@pytest.mark.parametrize(
    ("method", "path", "query", "headers", "name", "values"),
    [
        ("GET", "", {"comp": "list"}, {}, "ListContainers", {}),
        ("GET", "", {"comp": "List", "prefix": "a"}, {}, "ListContainers", {}),
        ("GET", "", {"restype": "service", "comp": "properties"}, {}, "Properties", {}),
        ("PUT", "c", {"restype": "container"}, {}, "Create", {"container": "c"}),
        ("PUT", "c/", {"restype": "container"}, {}, "Create", {"container": "c"}),
        ("GET", "c/b", {}, {}, "GetBlob", {"container": "c", "blob": "b"}),
        ("GET", "c/d/e/f", {}, {}, "GetBlob", {"container": "c", "blob": "d/e/f"}),
        ("GET", "c/d//e/", {}, {}, "GetBlob", {"container": "c", "blob": "d//e/"}),
        ("GET", "c/a%2Fb%20c", {}, {}, "GetBlob", {"container": "c", "blob": "a/b c"}),
        ("GET", "c/a+b", {}, {}, "GetBlob", {"container": "c", "blob": "a+b"}),
        ("GET", "c/b", {"comp": "metadata"}, {}, "GetBlobMetadata", None),
        ("GET", "c/b", {"comp": ""}, {}, "GetBlob", None),
        ("GET", "c/b", {"comp": "tags", "versionid": "7"}, {}, "Tags", None),
        ("PUT", "c/b", {}, {"x-ms-blob-type": "BlockBlob"}, "PutBlob", None),
        ("PUT", "c/b", {}, {"x-ms-blob-type": "pageblob"}, "PutPage", None),
        ("PUT", "c/b", {}, {"x-ms-copy-source": "http://x"}, "CopyBlob", None),
        ("GET", "q/messages", {}, {}, "Messages", {"queue": "q"}),
        ("GET", "q/messages", {"peekonly": "True"}, {}, "Peek", {"queue": "q"}),
        ("GET", "q/messages", {"peekonly": "false"}, {}, "Messages", {"queue": "q"}),
        ("GET", "q/messages/x", {}, {}, "GetBlob", {"container": "q", "blob": "messages/x"}),
        ("GET", "Tables", {}, {}, "QueryTables", {}),
        ("DELETE", "Tables('abc')", {}, {}, "DeleteTable", {"table": "abc"}),
        ("GET", "t()", {}, {}, "QueryEntities", {"table": "t"}),
        (
            *("GET", "t(PartitionKey='a%2Fb',RowKey='(c)')", {}, {}, "GetEntity"),
            {"table": "t", "keys": "PartitionKey='a/b',RowKey='(c)'"},
        ),
    ],
)
def test_the_row_that_asks_most_wins(
    method: str,
    path: str,
    query: dict[str, str],
    headers: dict[str, str],
    name: str,
    values: dict[str, str] | None,
) -> None:
    operation, found = ROUTER.match(method, path, query, headers)

    assert operation.name == name
    assert values is None or found == values


@pytest.mark.parametrize(
    ("method", "path", "query", "headers", "expected"),
    [
        ("POST", "c/b", {}, {}, "405 UnsupportedHttpVerb"),
        ("PATCH", "", {}, {}, "405 UnsupportedHttpVerb"),
        ("GET", "c/b", {"comp": "nonsense"}, {}, "400 InvalidQueryParameterValue"),
        ("GET", "", {"restype": "nonsense"}, {}, "400 InvalidQueryParameterValue"),
        ("GET", "", {}, {}, "400 MissingRequiredQueryParameter"),
        ("PUT", "c/b", {}, {}, "400 MissingRequiredHeader"),
        ("GET", "c/%FF", {}, {}, "400 InvalidUri"),
    ],
)
def test_what_is_no_operation_is_refused_with_what_it_got_wrong(
    method: str, path: str, query: dict[str, str], headers: dict[str, str], expected: str
) -> None:
    with pytest.raises(StorageError, match=f"^{expected}"):
        ROUTER.match(method, path, query, headers)


def test_a_path_that_nothing_has_is_no_uri() -> None:
    router: Router[Any] = Router([row("ListQueues", "GET", "/", query={"comp": "list"})])

    with pytest.raises(StorageError, match="InvalidUri"):
        router.match("GET", "a/b/c/d", {}, {})


@pytest.mark.parametrize("operations", [QUEUE_OPERATIONS, BLOB_OPERATIONS], ids=["queue", "blob"])
def test_every_row_is_reached_by_the_request_that_it_describes(
    operations: tuple[Operation[Any], ...],
) -> None:
    router: Router[Any] = Router(operations)
    for operation in operations:
        path = operation.path.strip("/").replace("{", "").replace("}", "").replace("...", "")
        query = {name: "x" if value == "*" else value for name, value in operation.query.items()}
        headers = {n: "x" if value == "*" else value for n, value in operation.headers.items()}

        assert router.match(operation.method, path, query, headers)[0] is operation
