"""What the Blob service tells those who decide on access: stored policies, and what is public.

Rules: https://learn.microsoft.com/azure/storage/blobs/anonymous-read-access-configure
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from triggerfish_storage.blobs.container_rows import find_container, get_container
from triggerfish_storage.blobs.model import Container
from triggerfish_storage.blobs.store import BlobStore
from triggerfish_storage.protocol.operations import Call
from triggerfish_storage.protocol.policies import StoredPolicy, from_json

_OF_BLOBS: Final = frozenset({"GetBlob", "GetBlobProperties", "GetBlobMetadata", "GetBlockList"})
_OF_CONTAINERS: Final = frozenset({"ListBlobs", "GetContainerProperties", "GetContainerMetadata"})
_PUBLIC: Final = {"": frozenset[str](), "blob": _OF_BLOBS, "container": _OF_BLOBS | _OF_CONTAINERS}


async def stored_policies(store: BlobStore, container: str) -> Sequence[StoredPolicy]:
    """Return a container's stored access policies; raises ContainerNotFound."""
    address = store.at(container)
    found: Container = store.look(lambda tx: get_container(tx, address))
    return from_json(found.policies)


async def is_public(call: Call, store: BlobStore) -> bool:
    """Whether the container lets anybody do this."""
    if call.operation.name not in _OF_BLOBS | _OF_CONTAINERS:
        return False
    address = store.at(call.path["container"])
    container = store.look(lambda tx: find_container(tx, address))
    return container is not None and call.operation.name in _PUBLIC[container.public_access]
