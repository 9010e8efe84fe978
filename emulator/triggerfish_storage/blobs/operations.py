"""The operations of the Blob service: which request is which, and what permission it asks for.

Data only; the handlers are in ``handlers``. The compatibility table in the documentation is
generated from these rows.

Permissions: https://learn.microsoft.com/rest/api/storageservices/create-service-sas#permissions-for-a-directory-container-or-blob
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from triggerfish_storage.blobs.handlers import (
    append_blobs,
    attributes,
    batch,
    blobs,
    blocks,
    containers,
    copies,
    leases,
    page_blobs,
    service,
)
from triggerfish_storage.blobs.store import BlobStore
from triggerfish_storage.protocol import service_operations
from triggerfish_storage.protocol.operations import Handler, Level, Operation, SasKind

Row = Operation[BlobStore]

_ANY: Final = "*"
_ANY_LETTER: Final = "racwdxyltfmeopiu"
_FROM_URL: Final = {"x-ms-copy-source": _ANY}


def _service(
    name: str,
    method: str,
    handler: Handler[BlobStore],
    permission: str,
    sas: SasKind = "account",
    level: Level = "service",
    **query: str,
) -> Row:
    return Operation(name, method, "/", handler, permission, query, level=level, sas=sas)


def _container(
    name: str,
    method: str,
    handler: Handler[BlobStore],
    permission: str,
    comp: str = "",
    sas: SasKind = "any",
) -> Row:
    query = {"restype": "container", "comp": comp} if comp else {"restype": "container"}
    return Operation(name, method, "/{container}", handler, permission, query, sas=sas)


def _blob(
    name: str,
    method: str,
    handler: Handler[BlobStore],
    permission: str,
    comp: str = "",
    *,
    headers: Mapping[str, str] | None = None,
    **query: str,
) -> Row:
    asked = {"comp": comp, **query} if comp else query
    path = "/{container}/{blob...}"
    return Operation(name, method, path, handler, permission, asked, headers or {})


SERVICE: Final = (
    _service("ListContainers", "GET", service.list_all_containers, "l", comp="list"),
    # What is searched are blobs, so that is the resource type which an account SAS must cover.
    _service(
        "FindBlobsByTags", "GET", service.find_blobs_by_tags, "f", level="object", comp="blobs"
    ),
    _service(
        "GetBlobServiceProperties",
        "GET",
        service_operations.get_service_properties,
        "r",
        restype="service",
        comp="properties",
    ),
    _service(
        "SetBlobServiceProperties",
        "PUT",
        service_operations.set_service_properties,
        "w",
        restype="service",
        comp="properties",
    ),
    _service(
        "GetBlobServiceStats",
        "GET",
        service_operations.get_service_stats,
        "r",
        restype="service",
        comp="stats",
    ),
    _service(
        "GetUserDelegationKey",
        "POST",
        service_operations.get_user_delegation_key,
        "",
        "none",
        restype="service",
        comp="userdelegationkey",
    ),
)

CONTAINERS: Final = (
    _container("CreateContainer", "PUT", containers.create_container, "cw", sas="account"),
    _container(
        "GetContainerProperties", "GET", containers.get_container_properties, "r", sas="account"
    ),
    _container(
        "GetContainerProperties", "HEAD", containers.get_container_properties, "r", sas="account"
    ),
    _container("DeleteContainer", "DELETE", containers.delete_container, "d", sas="account"),
    _container(
        "GetContainerMetadata",
        "GET",
        containers.get_container_properties,
        "r",
        "metadata",
        sas="account",
    ),
    _container(
        "GetContainerMetadata",
        "HEAD",
        containers.get_container_properties,
        "r",
        "metadata",
        sas="account",
    ),
    _container(
        "SetContainerMetadata",
        "PUT",
        containers.set_container_metadata,
        "w",
        "metadata",
        sas="account",
    ),
    _container("GetContainerACL", "GET", containers.get_container_acl, "", "acl", sas="none"),
    _container("GetContainerACL", "HEAD", containers.get_container_acl, "", "acl", sas="none"),
    _container("SetContainerACL", "PUT", containers.set_container_acl, "", "acl", sas="none"),
    _container("LeaseContainer", "PUT", leases.lease_container, "wd", "lease", sas="account"),
    _container("ListBlobs", "GET", containers.list_blobs_of_container, "l", "list"),
    _container(
        "FindBlobsByTagsInContainer",
        "GET",
        service.find_blobs_by_tags,
        "f",
        "blobs",
        sas="container",
    ),
    _container("RestoreContainer", "PUT", service.refuse, "cw", "undelete", sas="account"),
    _container("RenameContainer", "PUT", service.refuse, "cw", "rename", sas="account"),
)

BLOBS: Final = (
    _blob("PutBlob", "PUT", blobs.put_untyped_blob, "cw"),
    _blob("CopyBlob", "PUT", copies.copy_blob, "cw", headers=_FROM_URL),
    _blob("PutBlob", "PUT", blobs.put_block_blob, "cw", headers={"x-ms-blob-type": "BlockBlob"}),
    _blob(
        "PutBlob",
        "PUT",
        append_blobs.create_append_blob,
        "cw",
        headers={"x-ms-blob-type": "AppendBlob"},
    ),
    _blob(
        "PutBlob", "PUT", page_blobs.create_page_blob, "cw", headers={"x-ms-blob-type": "PageBlob"}
    ),
    _blob(
        "PutBlobFromURL",
        "PUT",
        copies.put_blob_from_url,
        "cw",
        headers={"x-ms-blob-type": "BlockBlob", **_FROM_URL},
    ),
    _blob("GetBlob", "GET", blobs.get_blob_content, "r"),
    _blob("GetBlobProperties", "HEAD", blobs.get_blob_properties, "r"),
    _blob("DeleteBlob", "DELETE", blobs.delete_blob, "dxy"),
    _blob("UndeleteBlob", "PUT", attributes.undelete_blob, "w", "undelete"),
    _blob("GetBlobMetadata", "GET", blobs.get_blob_metadata, "r", "metadata"),
    _blob("GetBlobMetadata", "HEAD", blobs.get_blob_metadata, "r", "metadata"),
    _blob("SetBlobMetadata", "PUT", blobs.set_blob_metadata, "w", "metadata"),
    _blob("SetBlobProperties", "PUT", blobs.set_blob_properties, "w", "properties"),
    _blob("LeaseBlob", "PUT", leases.lease_blob, "wd", "lease"),
    _blob("SnapshotBlob", "PUT", attributes.snapshot_blob, "cw", "snapshot"),
    _blob(
        "CopyBlobFromURL",
        "PUT",
        copies.copy_blob_from_url,
        "cw",
        headers={"x-ms-requires-sync": "true", **_FROM_URL},
    ),
    _blob("AbortCopyBlob", "PUT", copies.abort_copy, "w", "copy", copyid=_ANY),
    _blob("GetBlobTags", "GET", attributes.get_blob_tags, "t", "tags"),
    _blob("SetBlobTags", "PUT", attributes.set_blob_tags, "t", "tags"),
    _blob("SetBlobTier", "PUT", attributes.set_blob_tier, "w", "tier"),
    _blob(
        "SetBlobImmutabilityPolicy",
        "PUT",
        attributes.set_immutability_policy,
        "i",
        "immutabilitypolicies",
    ),
    _blob(
        "DeleteBlobImmutabilityPolicy",
        "DELETE",
        attributes.delete_immutability_policy,
        "i",
        "immutabilitypolicies",
    ),
    _blob("SetBlobLegalHold", "PUT", attributes.set_legal_hold, "i", "legalhold"),
    _blob("QueryBlobContents", "POST", service.refuse, "r", "query"),
    _blob("SetBlobExpiry", "PUT", service.refuse, "w", "expiry"),
)

BLOCKS: Final = (
    _blob("PutBlock", "PUT", blocks.put_block, "cw", "block"),
    _blob("PutBlockFromURL", "PUT", blocks.put_block_from_url, "cw", "block", headers=_FROM_URL),
    _blob("PutBlockList", "PUT", blocks.put_block_list, "cw", "blocklist"),
    _blob("GetBlockList", "GET", blocks.get_block_list, "r", "blocklist"),
)

APPENDING: Final = (
    _blob("AppendBlock", "PUT", append_blobs.append_block, "aw", "appendblock"),
    _blob(
        "AppendBlockFromURL",
        "PUT",
        append_blobs.append_block_from_url,
        "aw",
        "appendblock",
        headers=_FROM_URL,
    ),
    _blob("AppendBlobSeal", "PUT", append_blobs.seal_append_blob, "w", "seal"),
)

PAGES: Final = (
    _blob("PutPage", "PUT", page_blobs.put_page, "w", "page"),
    _blob("PutPageFromURL", "PUT", page_blobs.put_page_from_url, "w", "page", headers=_FROM_URL),
    _blob("GetPageRanges", "GET", page_blobs.get_page_ranges, "r", "pagelist"),
    _blob("IncrementalCopyBlob", "PUT", copies.copy_incrementally, "cw", "incrementalcopy"),
)

# Each request inside shows credentials of its own; to send them together, any will do.
BATCHES: Final = tuple(
    Operation(
        "BlobBatch",
        "POST",
        path,
        batch.submit_batch,
        _ANY_LETTER,
        query,
        level="any",
        sas="account" if path == "/" else "any",
    )
    for path, query in (
        ("/", {"comp": "batch"}),
        # The JavaScript client takes the account in the path for a container.
        ("/", {"comp": "batch", "restype": "container"}),
        ("/{container}", {"restype": "container", "comp": "batch"}),
    )
)

# Who asks for nothing in particular may ask what kind of account this is.
ACCOUNT: Final = tuple(
    Operation(
        "GetAccountInformation",
        method,
        path,
        service.get_account_information,
        _ANY_LETTER,
        {"restype": "account", "comp": "properties"},
        level="any",
    )
    for method in ("GET", "HEAD")
    for path in ("/", "/{container}", "/{container}/{blob...}")
)

# What the ``dfs`` endpoint has beside blobs: who looks for folders that are real asks for these.
DATA_LAKE: Final = (
    Operation(
        "PathList", "GET", "/{container}", service.refuse_path, "l", {"resource": "filesystem"}
    ),
    *(
        Operation("PathGetProperties", "HEAD", path, service.refuse_path, "r", {"action": _ANY})
        for path in ("/{container}", "/{container}/{blob...}")
    ),
    _blob("PathCreate", "PUT", service.refuse_path, "cw", resource=_ANY),
    _blob("PathUpdate", "PATCH", service.refuse_path, "w", action=_ANY),
)

_OF_BLOBS: Final = (*BLOBS, *BLOCKS, *APPENDING, *PAGES)

# A path of one segment, where nothing says that it is a container, is a blob of ``$root``.
ROOT: Final = tuple(replace(row, path="/{blob}", level="object") for row in _OF_BLOBS)

OPERATIONS: Final = (
    *SERVICE,
    *BATCHES,
    *CONTAINERS,
    *_OF_BLOBS,
    *ROOT,
    *ACCOUNT,
    *DATA_LAKE,
)
