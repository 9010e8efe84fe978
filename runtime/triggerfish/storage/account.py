"""The storage port: what the host needs of a storage account, and nothing more.

Two implementations pass one conformance suite: ``embedded`` calls the stores in this
process, ``azure`` goes through the official SDK to any endpoint. Callers never learn
which one they have. All methods are safe to use from many tasks at once, and raise
``AccountError`` for whatever the account refuses: ``Unavailable`` where it is out of reach, and
what their docstrings name. Instants are aware UTC; ``text`` of a message is as it goes over the
wire (base64 is not undone here).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol
from urllib.parse import quote

from triggerfish.model import Effect, TriggerfishError
from triggerfish_storage.changes import Watch


class AccountError(TriggerfishError):
    """The account refused or failed; the message says what was asked and of whom."""


class NotFound(AccountError):  # noqa: N818 - the service's word
    """The queue, message, container or blob is not there (or no longer)."""


class Conflict(AccountError):  # noqa: N818 - the service's word
    """A condition did not hold: it exists already, the etag differs, or it is leased."""


class Unavailable(AccountError):  # noqa: N818 - the service's word
    """The account cannot be reached or fails for now (5xx): asking again later may help."""


class Message(NamedTuple):
    """A queue message as received; ``pop_receipt`` is empty when only peeked at."""

    id: str
    text: str
    dequeue_count: int
    inserted_at: datetime
    expires_at: datetime
    visible_at: datetime
    pop_receipt: str


@dataclass(frozen=True, slots=True)
class BlobProperties:
    """What a blob trigger shows of a blob; ``etag`` keeps its quotes."""

    container: str
    name: str
    uri: str
    etag: str
    blob_type: str  # BlockBlob, AppendBlob or PageBlob
    length: int
    created_at: datetime
    modified_at: datetime
    content_type: str = "application/octet-stream"
    content_md5: str = ""
    content_encoding: str = ""
    content_language: str = ""
    content_disposition: str = ""
    cache_control: str = ""
    lease_status: str = "unlocked"
    lease_state: str = "available"
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Blob:
    """A blob read whole."""

    properties: BlobProperties
    content: bytes


class Queues(Protocol):
    """Queue service of one account."""

    async def create(self, queue: str) -> None:
        """Create ``queue``; no error where it exists."""
        ...

    async def exists(self, queue: str) -> bool:
        """Return whether there is such a queue."""
        ...

    async def put(self, queue: str, text: str, *, after: timedelta = timedelta()) -> str:
        """Add a message, visible ``after``; return its id. Raises ``NotFound``.

        Where not embedded, lengths of time are rounded up to whole seconds.
        """
        ...

    async def take(self, queue: str, *, count: int, hide_for: timedelta) -> list[Message]:
        """Receive up to ``count`` (1-32) messages and hide them. Raises ``NotFound``."""
        ...

    async def peek(self, queue: str, *, count: int) -> list[Message]:
        """Return up to ``count`` visible messages unchanged. Raises ``NotFound``."""
        ...

    async def renew(
        self, queue: str, message_id: str, pop_receipt: str, *, hide_for: timedelta
    ) -> str:
        """Hide a received message anew; return the new pop receipt.

        Raises ``NotFound`` where it is gone or somebody else's.
        """
        ...

    async def count(self, queue: str) -> int:
        """Return the number of messages, hidden ones too. Raises ``NotFound``."""
        ...


class Blobs(Protocol):
    """Blob service of one account."""

    async def create_container(self, container: str) -> None:
        """Create ``container``; no error where it exists."""
        ...

    async def get(self, container: str, blob: str) -> Blob | None:
        """Return a blob with its content, or None where it or its container is missing."""
        ...

    async def properties(self, container: str, blob: str) -> BlobProperties | None:
        """Return what is known of a blob, or None where it or its container is missing."""
        ...

    def list(self, container: str, *, prefix: str = "") -> AsyncIterator[BlobProperties]:
        """Go through the blobs by name; nothing where the container is missing."""
        ...

    async def put(
        self,
        container: str,
        blob: str,
        content: bytes,
        *,
        metadata: Mapping[str, str] | None = None,
        only_if_absent: bool = False,
        lease_id: str = "",
    ) -> str:
        """Write a block blob, creating its container; return the etag.

        Raises ``Conflict`` where ``only_if_absent`` and it exists, or it is leased otherwise.
        """
        ...

    async def set_metadata(
        self, container: str, blob: str, metadata: Mapping[str, str], *, lease_id: str = ""
    ) -> None:
        """Replace the metadata. Raises ``NotFound`` or ``Conflict``."""
        ...

    async def delete(self, container: str, blob: str) -> None:
        """Delete a blob; no error where it is missing."""
        ...

    async def acquire_lease(self, container: str, blob: str, *, seconds: int) -> str:
        """Lease a blob for 15-60 seconds; return the lease id. Raises ``Conflict``."""
        ...

    async def renew_lease(self, container: str, blob: str, lease_id: str) -> None:
        """Raises ``Conflict`` or ``NotFound`` where the lease is lost."""
        ...

    async def release_lease(self, container: str, blob: str, lease_id: str) -> None:
        """End a lease; no error where it is lost already."""
        ...


class Account(Protocol):
    """One storage account, open until its owner closes it."""

    @property
    def name(self) -> str:
        """The account's name, as log lines show it."""
        ...

    @property
    def is_embedded(self) -> bool:
        """Whether its stores live in this process and announce what changes at once."""
        ...

    @property
    def queues(self) -> Queues: ...

    @property
    def blobs(self) -> Blobs: ...

    async def apply(self, effects: Sequence[Effect]) -> None:
        """Apply what one invocation did.

        Embedded: all or nothing, in one transaction. Otherwise outputs first, those of one
        queue in order, and once all are written the completions. Missing queues and containers
        are created. A message that is gone or somebody else's is neither deleted nor released,
        and that is no error. Raises ``Conflict`` for a blob that is leased or no block blob.
        """
        ...

    def watch_queue(self, queue: str) -> AbstractContextManager[Watch]:
        """Watch for new or released messages.

        Where not embedded, the event comes only for what this process put itself.
        """
        ...

    def watch_container(self, container: str) -> AbstractContextManager[Watch]:
        """Watch for written and deleted blobs, by name; nothing comes where not embedded."""
        ...

    async def next_visible(self, queue: str, *, after: datetime) -> datetime | None:
        """When the next message becomes visible ``after``; None if none, or not embedded."""
        ...


def blob_uri(endpoint: str, container: str, blob: str) -> str:
    """Return the address of a blob; ``endpoint`` is its account's, without a slash at the end."""
    return f"{endpoint}/{container}/{quote(blob, safe='~/')}"


def merged_metadata(existing: Mapping[str, str], added: Mapping[str, str]) -> dict[str, str]:
    """Return ``existing`` with ``added``, whose keys win in whatever case they are written."""
    names = {name.lower() for name in added}
    kept = {name: value for name, value in existing.items() if name.lower() not in names}
    return {**kept, **added}
