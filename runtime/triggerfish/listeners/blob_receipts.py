"""Receipts: each version of a blob starts each function once.

A receipt is an empty blob in the host's storage. Complete means queued, not executed.
Where the stores live in this process, receipt and queue message are written as one;
elsewhere a lease guards the steps, as the real host does.
Behaviour: spec blob-trigger.md, sections 4 and 5.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, Protocol

from triggerfish.listeners.blob_notices import function_id, internal_queue, notice_text
from triggerfish.model import PutBlob, PutMessage
from triggerfish.names import LONGEST_BLOB_NAME
from triggerfish.storage.account import Account, BlobProperties, Conflict

HOST_CONTAINER: Final = "azure-webjobs-hosts"
_INCOMPLETE: Final = {"Incomplete": "Incomplete"}
_LEASE_SECONDS: Final = 30


class BlobVersion(Protocol):
    """One version of a blob, as a receipt names it; ``etag`` keeps its quotes."""

    @property
    def container(self) -> str: ...

    @property
    def name(self) -> str: ...

    @property
    def etag(self) -> str: ...


class Known(Protocol):
    """What was queued before, as far as a scan asks."""

    async def has(self, function: str, blob: BlobProperties) -> bool:
        """Return whether ``blob`` as it is was queued for ``function``."""
        ...


class Receipts:
    """The receipts of one host, in its storage; one object for all who scan in this process."""

    def __init__(self, account: Account, host_id: str) -> None:
        self.account = account
        self.host_id = host_id
        self._at_work: set[str] = set()
        self._prefix = f"blobreceipts/{host_id}/"

    def name(self, function: str, blob: BlobVersion) -> str:
        """Return the receipt's name; the etag keeps its quotes."""
        name = f"{self._folder(function)}{blob.etag}/{blob.container}/{blob.name}"
        if len(name) <= LONGEST_BLOB_NAME:
            return name
        digest = sha256(blob.name.encode()).hexdigest()
        return f"{name[: LONGEST_BLOB_NAME - len(digest) - 1]}~{digest}"

    def blob_of(self, receipt: str) -> tuple[str, str] | None:
        """Return container and name of the blob that a receipt is about; None for other names."""
        parts = receipt.removeprefix(self._prefix).split("/", 3)
        if len(parts) < 4 or not receipt.startswith(self._prefix):
            return None
        return parts[2], parts[3]

    async def known(self, functions: Iterable[str]) -> Known:
        """Return what was queued for ``functions``; raises ``AccountError``.

        Where each receipt costs a request, they are listed together.
        """
        if self.account.is_embedded:
            return _LookedUp(self)
        names: set[str] = set()
        for function in functions:
            async for receipt in self.account.blobs.list(
                HOST_CONTAINER, prefix=self._folder(function)
            ):
                if _is_complete(receipt):
                    names.add(receipt.name)
        return _Listed(self, names)

    async def is_queued(self, function: str, blob: BlobProperties) -> bool:
        """Return whether ``blob`` as it is was queued for ``function``."""
        found = await self.account.blobs.properties(HOST_CONTAINER, self.name(function, blob))
        return found is not None and _is_complete(found)

    async def queue_once(self, function: str, blob: BlobProperties) -> bool:
        """Queue ``blob`` for ``function`` unless it was before; return whether it was now.

        Raises ``Conflict`` where somebody else is at it: ask again in the next round.
        """
        receipt = self.name(function, blob)
        if receipt in self._at_work:  # an old state of the app that still drains
            raise Conflict(f"The receipt {receipt} is being written.")
        self._at_work.add(receipt)
        try:
            if await self.is_queued(function, blob):
                return False
            message = PutMessage(internal_queue(self.host_id), notice_text(function, blob))
            if self.account.is_embedded:
                await self.account.apply([PutBlob(HOST_CONTAINER, receipt, b""), message])
                return True
            return await self._queue_under_lease(receipt, message)
        finally:
            self._at_work.remove(receipt)

    async def forget(self, function: str, blob: BlobVersion) -> None:
        """Have ``blob`` queued for ``function`` anew by the next scan that looks at it."""
        await self.account.blobs.delete(HOST_CONTAINER, self.name(function, blob))

    async def _queue_under_lease(self, receipt: str, message: PutMessage) -> bool:
        blobs = self.account.blobs
        with suppress(Conflict):  # another host was first: the lease decides
            await blobs.put(HOST_CONTAINER, receipt, b"", metadata=_INCOMPLETE, only_if_absent=True)
        lease = await blobs.acquire_lease(HOST_CONTAINER, receipt, seconds=_LEASE_SECONDS)
        try:
            found = await blobs.properties(HOST_CONTAINER, receipt)
            if found is not None and _is_complete(found):
                return False
            await self.account.apply([message])
            await blobs.set_metadata(HOST_CONTAINER, receipt, {}, lease_id=lease)
        finally:
            await blobs.release_lease(HOST_CONTAINER, receipt, lease)
        return True

    def _folder(self, function: str) -> str:
        return f"{self._prefix}{function_id(function)}/"


@dataclass(frozen=True, slots=True)
class _LookedUp:
    """Asks for each receipt."""

    receipts: Receipts

    async def has(self, function: str, blob: BlobProperties) -> bool:
        return await self.receipts.is_queued(function, blob)


@dataclass(frozen=True, slots=True)
class _Listed:
    """Knows the receipts there were when they were listed."""

    receipts: Receipts
    names: AbstractSet[str]

    async def has(self, function: str, blob: BlobProperties) -> bool:
        return self.receipts.name(function, blob) in self.names


def _is_complete(receipt: BlobProperties) -> bool:
    return "incomplete" not in map(str.lower, receipt.metadata)
