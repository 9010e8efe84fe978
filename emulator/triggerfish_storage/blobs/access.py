"""What the Blob service tells those who decide on access: stored policies, and what is public.

Rules: https://learn.microsoft.com/azure/storage/blobs/anonymous-read-access-configure
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from triggerfish_storage.blobs.container_rows import find_container, get_container
from triggerfish_storage.blobs.model import Container
from triggerfish_storage.blobs.request_headers import ROOT_CONTAINER
from triggerfish_storage.blobs.store import BlobStore
from triggerfish_storage.errors import RESOURCE_NOT_FOUND, StorageError
from triggerfish_storage.protocol.operations import Call
from triggerfish_storage.protocol.policies import StoredPolicy, from_json

_OF_BLOBS: Final = frozenset(
    {"GetBlob", "GetBlobProperties", "GetBlobMetadata", "GetBlockList", "GetPageRanges"}
)
_OF_CONTAINERS: Final = frozenset({"ListBlobs", "GetContainerProperties", "GetContainerMetadata"})
_CHALLENGED_SINCE: Final = "2019-12-12"
_PUBLIC: Final = {"": frozenset[str](), "blob": _OF_BLOBS, "container": _OF_BLOBS | _OF_CONTAINERS}


def container_of(call: Call) -> str:
    """Return the container that a call is about, empty where it is about the account."""
    return call.path.get("container", ROOT_CONTAINER if "blob" in call.path else "")


async def stored_policies(store: BlobStore, container: str) -> Sequence[StoredPolicy]:
    """Return a container's stored access policies; raises ContainerNotFound."""
    address = store.at(container)
    found: Container = store.look(lambda tx: get_container(tx, address))
    return from_json(found.policies)


async def is_public(call: Call, store: BlobStore) -> bool:
    """Whether the container lets anybody do this.

    Raises ResourceNotFound where it does not and the request is of before the service asked
    for credentials: the same as if there were nothing, which is what a plain browser is told.
    """
    if call.operation.name in _OF_BLOBS | _OF_CONTAINERS:
        address = store.at(container_of(call))
        container = store.look(lambda tx: find_container(tx, address))
        if container is not None and call.operation.name in _PUBLIC[container.public_access]:
            return True
    if call.headers.get("x-ms-version", "") < _CHALLENGED_SINCE:
        raise StorageError(RESOURCE_NOT_FOUND)
    return False
