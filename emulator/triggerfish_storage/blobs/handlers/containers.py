"""Operations on containers, and listing what is in them.

Protocol: https://learn.microsoft.com/rest/api/storageservices/operations-on-containers
"""

from __future__ import annotations

from typing import Final

from triggerfish_storage import errors as common
from triggerfish_storage.blobs import containers, list_wire
from triggerfish_storage.blobs.encryption_headers import default_scope_of
from triggerfish_storage.blobs.listing import PAGE_LIMIT, Listing, Position, list_plainly
from triggerfish_storage.blobs.names import parse_marker
from triggerfish_storage.blobs.request_headers import conditions_of, container_address
from triggerfish_storage.blobs.response_headers import container_headers, stamp
from triggerfish_storage.blobs.store import BlobStore
from triggerfish_storage.errors import StorageError
from triggerfish_storage.protocol.operations import Call, Reply
from triggerfish_storage.protocol.policies import (
    from_json,
    read_policies,
    to_json,
    write_policies,
)

_POLICIES_LIMIT_BYTES: Final = 64 * 1024
_PUBLIC_ACCESS: Final = ("container", "blob")
_LISTABLE: Final = frozenset(
    {
        "metadata",
        "snapshots",
        "uncommittedblobs",
        "copy",
        "deleted",
        "tags",
        "versions",
        "deletedwithversions",
        "immutabilitypolicy",
        "legalhold",
        "permissions",
    }
)


async def create_container(call: Call, store: BlobStore) -> Reply:
    """Create Container."""
    container = await store.create_container(
        container_address(call).container,
        now=call.now,
        metadata=call.metadata(),
        public_access=_public_access(call),
        default_scope=default_scope_of(call),
    )
    return Reply(201, headers=stamp(container))


async def get_container_properties(call: Call, store: BlobStore) -> Reply:
    """Get Container Properties, also known as Get Container Metadata."""
    address, conditions = container_address(call), conditions_of(call)
    container = store.look(lambda tx: containers.read_container(tx, address, conditions, call.now))
    return Reply(200, headers=container_headers(container, call.now))


async def delete_container(call: Call, store: BlobStore) -> Reply:
    """Delete Container."""
    await store.delete_container(
        container_address(call).container, conditions=conditions_of(call), now=call.now
    )
    return Reply(202)


async def set_container_metadata(call: Call, store: BlobStore) -> Reply:
    """Set Container Metadata: replaces all of it."""
    address, metadata, conditions = container_address(call), call.metadata(), conditions_of(call)
    container = await store.write(
        lambda tx: containers.set_metadata(
            tx, address, metadata, conditions=conditions, now=call.now
        ),
        changed=address,
    )
    return Reply(200, headers=stamp(container))


async def get_container_acl(call: Call, store: BlobStore) -> Reply:
    """Get Container ACL: stored access policies and public access."""
    address, conditions = container_address(call), conditions_of(call)
    container = store.look(lambda tx: containers.read_container(tx, address, conditions, call.now))
    headers = stamp(container)
    if container.public_access:
        headers["x-ms-blob-public-access"] = container.public_access
    return Reply(200, write_policies(from_json(container.policies)), headers)


async def set_container_acl(call: Call, store: BlobStore) -> Reply:
    """Set Container ACL: replaces stored access policies and public access."""
    address, conditions, access = container_address(call), conditions_of(call), _public_access(call)
    policies = to_json(read_policies(await call.body.read(_POLICIES_LIMIT_BYTES)))
    container = await store.write(
        lambda tx: containers.set_policies(
            tx, address, policies, access, conditions=conditions, now=call.now
        ),
        changed=address,
    )
    return Reply(200, headers=stamp(container))


async def list_blobs_of_container(call: Call, store: BlobStore) -> Reply:
    """List Blobs, flat or by hierarchy."""
    address = container_address(call)
    include = call.words("include", _LISTABLE)
    if "tags" in include and not call.allows("t"):
        raise StorageError(common.AUTHORIZATION_PERMISSION_MISMATCH)
    if not store.keeps_versions:
        include -= {"versions"}
    listing = _listing(call, include)
    body = await store.read(
        lambda tx: list_wire.blob_page(
            list_plainly(tx, address, listing),
            listing,
            include,
            endpoint=call.endpoint,
            container=address.container,
            marker=call.text("marker", ""),
            maxresults=call.text("maxresults", ""),
            now=call.now,
        )
    )
    return Reply(200, body)


def _listing(call: Call, include: frozenset[str]) -> Listing:
    """Return what a request wants listed."""
    start = parse_marker(call.text("marker", ""))
    listing = Listing(
        prefix=call.text("prefix", ""),
        end=call.text("endbefore", ""),
        delimiter=call.text("delimiter", ""),
        start=max(start, Position(call.text("startfrom", ""))),
        limit=call.page_limit(PAGE_LIMIT),
        snapshots="snapshots" in include,
        versions="versions" in include,
        versions_only="deletedwithversions" in include,
        deleted="deleted" in include,
        uncommitted="uncommittedblobs" in include,
    )
    if listing.snapshots and listing.delimiter:
        raise StorageError(
            common.INVALID_QUERY_PARAMETER_VALUE,
            QueryParameterName="include",
            QueryParameterValue=call.text("include"),
            Reason="Snapshots are listed flat only.",
        )
    return listing


def _public_access(call: Call) -> str:
    access = call.header("x-ms-blob-public-access", "")
    if access and access not in _PUBLIC_ACCESS:
        raise call.bad_header("x-ms-blob-public-access")
    return access
