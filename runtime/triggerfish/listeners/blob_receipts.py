"""Receipts: each version of a blob starts each function once.

A receipt is an empty blob in the host's storage. Complete means queued, not executed.
Where the stores live in this process, receipt and queue message are written as one;
elsewhere a lease guards the steps, as the real host does.
Behaviour: spec blob-trigger.md, sections 4 and 5.
"""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Final

from triggerfish.bindings.queue import encode_body
from triggerfish.model import PutBlob, PutMessage
from triggerfish.storage.account import Account, BlobProperties, Conflict, NotFound

HOST_CONTAINER: Final = "azure-webjobs-hosts"
_INCOMPLETE: Final = {"Incomplete": "Incomplete"}
_LEASE_SECONDS: Final = 30


def internal_queue(host_id: str) -> str:
    """Return the name of the queue between scan and functions."""
    return f"azure-webjobs-blobtrigger-{host_id}"


def function_id(function: str) -> str:
    """Return a function's id as receipts and messages carry it."""
    return f"Host.Functions.{function}"


def internal_message(function: str, blob: BlobProperties) -> str:
    """Return the text of the message that asks for ``blob`` to be given to ``function``."""
    document = {
        "Type": "BlobTrigger",
        "FunctionId": function_id(function),
        "BlobType": blob.blob_type,
        "ContainerName": blob.container,
        "BlobName": blob.name,
        "ETag": blob.etag,
    }
    return encode_body(json.dumps(document, indent=2, ensure_ascii=False).encode(), "base64")


class Receipts:
    """The receipts of one host, in its storage; one object for all who scan in this process."""

    def __init__(self, account: Account, host_id: str) -> None:
        self.account = account
        self.host_id = host_id
        self._at_work: set[str] = set()

    @property
    def prefix(self) -> str:
        """What every receipt's name begins with."""
        return f"blobreceipts/{self.host_id}/"

    def name(self, function: str, blob: BlobProperties) -> str:
        """Return the receipt's name; the etag keeps its quotes."""
        return f"{self.prefix}{function_id(function)}/{blob.etag}/{blob.container}/{blob.name}"

    def blob_of(self, receipt: str) -> tuple[str, str] | None:
        """Return container and name of the blob that a receipt's name is about."""
        parts = receipt.removeprefix(self.prefix).split("/", 3)
        return (parts[2], parts[3]) if len(parts) == 4 else None

    async def queue_once(self, function: str, blob: BlobProperties) -> bool:
        """Queue ``blob`` for ``function`` unless it was before; return whether it was now.

        Raises ``Conflict`` where somebody else is at it: ask again in the next round.
        """
        receipt = self.name(function, blob)
        if receipt in self._at_work:  # an old state of the app that still drains
            raise Conflict(f"The receipt {receipt} is being written.")
        self._at_work.add(receipt)
        try:
            return await self._queue_once(receipt, function, blob)
        finally:
            self._at_work.remove(receipt)

    async def _queue_once(self, receipt: str, function: str, blob: BlobProperties) -> bool:
        known = await self.account.blobs.properties(HOST_CONTAINER, receipt)
        if known is not None and "Incomplete" not in known.metadata:
            return False
        message = PutMessage(internal_queue(self.host_id), internal_message(function, blob))
        if self.account.is_embedded:
            await self.account.apply([PutBlob(HOST_CONTAINER, receipt, b""), message])
            return True
        return await self._queue_under_lease(receipt, message, exists=known is not None)

    async def _queue_under_lease(self, receipt: str, message: PutMessage, *, exists: bool) -> bool:
        blobs = self.account.blobs
        if not exists:
            with suppress(Conflict):  # another host was first: the lease decides
                await blobs.put(
                    HOST_CONTAINER, receipt, b"", metadata=_INCOMPLETE, only_if_absent=True
                )
        lease = await blobs.acquire_lease(HOST_CONTAINER, receipt, seconds=_LEASE_SECONDS)
        try:
            known = await blobs.properties(HOST_CONTAINER, receipt)
            if known is None:
                raise NotFound(f"The receipt {receipt} was deleted meanwhile.")
            if "Incomplete" not in known.metadata:
                return False
            await self.account.apply([message])
            await blobs.set_metadata(HOST_CONTAINER, receipt, {}, lease_id=lease)
            return True
        finally:
            await blobs.release_lease(HOST_CONTAINER, receipt, lease)
