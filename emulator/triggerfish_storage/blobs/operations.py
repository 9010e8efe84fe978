"""The operations of the Blob service: which request is which, and what permission it asks for.

Data only; the handlers are in ``handlers``. The compatibility table in the documentation is
generated from these rows.

Permissions: https://learn.microsoft.com/rest/api/storageservices/create-service-sas#permissions-for-a-directory-container-or-blob
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from triggerfish_storage.blobs.handlers import blobs, blocks, containers, leases
from triggerfish_storage.blobs.store import BlobStore
from triggerfish_storage.protocol.operations import Operation

_CONTAINER: Final = "/{container}"
_BLOB: Final = "/{container}/{blob...}"


def _row(comp: str = "", **more: str) -> Mapping[str, str]:
    return {"comp": comp, **more} if comp else more


def _of_container(comp: str = "") -> Mapping[str, str]:
    return _row(comp, restype="container")


_CONTAINERS: Final[tuple[Operation[BlobStore], ...]] = (
    Operation("ListContainers", "GET", "/", containers.list_all_containers, "l", _row("list")),
    Operation(
        "CreateContainer", "PUT", _CONTAINER, containers.create_container, "cw", _of_container()
    ),
    Operation(
        "GetContainerProperties",
        "GET",
        _CONTAINER,
        containers.get_container_properties,
        "r",
        _of_container(),
    ),
    Operation(
        "GetContainerProperties",
        "HEAD",
        _CONTAINER,
        containers.get_container_properties,
        "r",
        _of_container(),
    ),
    Operation(
        "DeleteContainer", "DELETE", _CONTAINER, containers.delete_container, "d", _of_container()
    ),
    Operation(
        "GetContainerMetadata",
        "GET",
        _CONTAINER,
        containers.get_container_properties,
        "r",
        _of_container("metadata"),
    ),
    Operation(
        "GetContainerMetadata",
        "HEAD",
        _CONTAINER,
        containers.get_container_properties,
        "r",
        _of_container("metadata"),
    ),
    Operation(
        "SetContainerMetadata",
        "PUT",
        _CONTAINER,
        containers.set_container_metadata,
        "w",
        _of_container("metadata"),
    ),
    Operation(
        "GetContainerACL",
        "GET",
        _CONTAINER,
        containers.get_container_acl,
        "",
        _of_container("acl"),
        sas="none",
    ),
    Operation(
        "GetContainerACL",
        "HEAD",
        _CONTAINER,
        containers.get_container_acl,
        "",
        _of_container("acl"),
        sas="none",
    ),
    Operation(
        "SetContainerACL",
        "PUT",
        _CONTAINER,
        containers.set_container_acl,
        "",
        _of_container("acl"),
        sas="none",
    ),
    Operation(
        "LeaseContainer", "PUT", _CONTAINER, leases.lease_container, "wd", _of_container("lease")
    ),
    Operation(
        "ListBlobs",
        "GET",
        _CONTAINER,
        containers.list_blobs_of_container,
        "l",
        _of_container("list"),
    ),
)

_BLOBS: Final[tuple[Operation[BlobStore], ...]] = (
    Operation(
        "PutBlob",
        "PUT",
        _BLOB,
        blobs.put_block_blob,
        "cw",
        headers={"x-ms-blob-type": "BlockBlob"},
    ),
    Operation("GetBlob", "GET", _BLOB, blobs.get_blob_content, "r"),
    Operation("GetBlobProperties", "HEAD", _BLOB, blobs.get_blob_properties, "r"),
    Operation("DeleteBlob", "DELETE", _BLOB, blobs.delete_blob, "d"),
    Operation("GetBlobMetadata", "GET", _BLOB, blobs.get_blob_metadata, "r", _row("metadata")),
    Operation("GetBlobMetadata", "HEAD", _BLOB, blobs.get_blob_metadata, "r", _row("metadata")),
    Operation("SetBlobMetadata", "PUT", _BLOB, blobs.set_blob_metadata, "w", _row("metadata")),
    Operation(
        "SetBlobProperties", "PUT", _BLOB, blobs.set_blob_properties, "w", _row("properties")
    ),
    Operation("LeaseBlob", "PUT", _BLOB, leases.lease_blob, "wd", _row("lease")),
)

_BLOCKS: Final[tuple[Operation[BlobStore], ...]] = (
    Operation("PutBlock", "PUT", _BLOB, blocks.put_block, "cw", _row("block")),
    Operation("PutBlockList", "PUT", _BLOB, blocks.put_block_list, "cw", _row("blocklist")),
    Operation("GetBlockList", "GET", _BLOB, blocks.get_block_list, "r", _row("blocklist")),
)

OPERATIONS: Final = (*_CONTAINERS, *_BLOBS, *_BLOCKS)
