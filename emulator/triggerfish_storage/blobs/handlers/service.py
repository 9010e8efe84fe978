"""The account and the service as a whole: listing, searching, properties, what is unsupported.

Protocol: https://learn.microsoft.com/rest/api/storageservices/operations-on-the-account--blob-service-
"""

from __future__ import annotations

from triggerfish_storage import errors as common
from triggerfish_storage.blobs import errors, list_wire
from triggerfish_storage.blobs.container_rows import get_container
from triggerfish_storage.blobs.listing import PAGE_LIMIT, list_containers
from triggerfish_storage.blobs.names import parse_tag_marker
from triggerfish_storage.blobs.request_headers import container_address
from triggerfish_storage.blobs.store import BlobStore
from triggerfish_storage.blobs.tag_filter import parse_tag_search
from triggerfish_storage.blobs.tag_search import find_blobs
from triggerfish_storage.errors import StorageError
from triggerfish_storage.protocol.operations import Call, Reply


async def list_all_containers(call: Call, store: BlobStore) -> Reply:
    """List Containers of the account."""
    include = call.words("include", frozenset({"metadata", "deleted", "system"}))
    prefix, marker = call.text("prefix", ""), call.text("marker", "")
    limit = call.page_limit(PAGE_LIMIT)
    found, following = await store.read(
        lambda tx: list_containers(tx, call.account, prefix=prefix, start=marker, limit=limit)
    )
    body = list_wire.container_page(
        found,
        endpoint=call.endpoint,
        prefix=prefix,
        marker=marker,
        maxresults=call.text("maxresults", ""),
        following=following,
        with_metadata="metadata" in include,
        now=call.now,
    )
    return Reply(200, body)


async def find_blobs_by_tags(call: Call, store: BlobStore) -> Reply:
    """Find Blobs by Tags, in all containers or in the one that the path names."""
    where, limit = call.text("where"), call.page_limit(PAGE_LIMIT)
    container = container_address(call).container if "container" in call.path else ""
    start = parse_tag_marker(call.text("marker", ""))
    (comparisons,) = parse_tag_search(where).alternatives
    found, following = await store.read(
        lambda tx: find_blobs(
            tx, call.account, comparisons, container=container, start=start, limit=limit
        )
    )
    keys = {comparison.key for comparison in comparisons}
    return Reply(
        200,
        list_wire.found_blobs(found, following, endpoint=call.endpoint, where=where, keys=keys),
    )


async def get_account_information(call: Call, store: BlobStore) -> Reply:
    """Get Account Information: that of a general-purpose v2 account without namespaces."""
    headers = {
        "x-ms-sku-name": "Standard_RAGRS",
        "x-ms-account-kind": "StorageV2",
        "x-ms-is-hns-enabled": "false",
    }
    return Reply(200, headers=headers)


async def refuse(call: Call, store: BlobStore) -> Reply:
    """Answer an operation that is documented, but not implemented here."""
    raise StorageError(common.NOT_IMPLEMENTED)


async def refuse_path(call: Call, store: BlobStore) -> Reply:
    """Answer what only an account with a hierarchical namespace does, as one without it."""
    address = container_address(call)
    store.look(lambda tx: get_container(tx, address))
    raise StorageError(errors.HIERARCHICAL_NAMESPACE_NOT_ENABLED)
