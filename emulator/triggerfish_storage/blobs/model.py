"""The nouns of the Blob service: frozen values that rules, rows and wire share.

Pure: no I/O, no clock, no SQL. Property names follow the service's own. What listings make by
the thousand is a named tuple, which costs a quarter of a frozen dataclass.

Properties: https://learn.microsoft.com/rest/api/storageservices/get-blob-properties
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from math import ceil
from types import MappingProxyType
from typing import Final, Literal, NamedTuple

from triggerfish_storage.clock import micros

BlobType = Literal["BlockBlob", "AppendBlob", "PageBlob"]
Priority = Literal["Standard", "High"]
ImmutabilityMode = Literal["", "Unlocked", "Locked"]
LeaseState = Literal["available", "leased", "expired", "breaking", "broken"]

CURRENT: Final = 2**63 - 1
INFINITE: Final = -1
_TICKS_AT_1970: Final = 621_355_968_000_000_000


class Address(NamedTuple):
    """Where a blob (or, without ``blob``, a container) is.

    ``snapshot`` is the instant of a snapshot in microseconds; ``CURRENT`` is the blob itself.
    With ``is_version`` it is the id of a version, which may be the current one.
    """

    account: str
    container: str
    blob: str = ""
    snapshot: int = CURRENT
    is_version: bool = False

    @property
    def is_snapshot(self) -> bool:
        return self.snapshot != CURRENT


@dataclass(frozen=True, slots=True)
class Lease:
    """A lease as it was last acted on; its state also depends on the time."""

    id: str
    seconds: int  # 15 to 60, or INFINITE
    until: datetime | None  # when it expires, or ends breaking
    is_breaking: bool = False

    def state(self, now: datetime) -> LeaseState:
        """Return what the lease is at ``now``; a blob without one is ``available``."""
        over = self.until is not None and self.until <= now
        if self.is_breaking:
            return "broken" if over else "breaking"
        return "expired" if over else "leased"

    def seconds_left(self, now: datetime) -> int:
        """Return in how many seconds it is over, rounded up; 0 where it is or never will be."""
        if self.until is None or self.until <= now:
            return 0
        return ceil((self.until - now).total_seconds())


class Encryption(NamedTuple):
    """With whose key a blob is encrypted: that of a scope, or one that a customer shows.

    Of that key nothing is kept but its SHA-256, in base64 as headers carry it. Without either it
    is the account's own key, which is None elsewhere.
    """

    scope: str = ""
    key_sha256: str = ""


class DefaultScope(NamedTuple):
    """The encryption scope of a container's blobs, unless their writers name another one."""

    name: str
    denies_override: bool = False


class Rehydration(NamedTuple):
    """How an archived blob comes back: it is in ``tier`` from ``until`` on."""

    tier: str
    priority: Priority
    until: datetime


class ContentHeaders(NamedTuple):
    """What a blob says of its content when it is downloaded; empty means not given."""

    content_type: str = "application/octet-stream"
    content_encoding: str = ""
    content_language: str = ""
    content_disposition: str = ""
    cache_control: str = ""


class Draft(NamedTuple):
    """What the writer of a new blob says of it, beside its bytes."""

    headers: ContentHeaders = ContentHeaders()
    metadata: Mapping[str, str] = MappingProxyType({})
    tags: Mapping[str, str] = MappingProxyType({})
    tier: str = ""
    md5: bytes = b""
    immutable_until: datetime | None = None
    immutability_mode: str = ""
    legal_hold: bool = False
    encryption: Encryption | None = None


@dataclass(frozen=True, slots=True)
class Copy:
    """The last copy operation that had a blob as its destination."""

    id: str
    source: str
    status: str
    progress: str
    completed: datetime | None
    description: str = ""
    is_incremental: bool = False
    destination_snapshot: int | None = None  # that it made, where it is incremental


@dataclass(frozen=True, slots=True)
class Container:
    """One container and what it is set to."""

    id: int
    account: str
    name: str
    etag: int
    modified: datetime
    metadata: Mapping[str, str] = field(default_factory=dict)
    public_access: str = ""  # blob, container, or nobody
    policies: str = "[]"
    lease: Lease | None = None
    default_scope: DefaultScope | None = None


class Blob(NamedTuple):
    """One blob or snapshot: everything but its bytes."""

    id: int
    container_id: int
    name: str
    snapshot: int
    type: BlobType
    etag: int
    created: datetime
    modified: datetime
    length: int
    headers: ContentHeaders
    md5: bytes
    metadata: Mapping[str, str] = MappingProxyType({})
    tags: Mapping[str, str] = MappingProxyType({})
    tier: str = ""  # empty: inferred
    tier_changed: datetime | None = None
    lease: Lease | None = None
    sequence_number: int = 0
    block_count: int = 0
    is_sealed: bool = False
    copy: Copy | None = None
    immutable_until: datetime | None = None
    immutability_mode: str = ""
    legal_hold: bool = False
    deleted: datetime | None = None
    expires: datetime | None = None  # when what is deleted goes for good
    encryption: Encryption | None = None
    rehydration: Rehydration | None = None

    @property
    def is_snapshot(self) -> bool:
        """Whether this is not the blob itself, but a snapshot or an earlier version."""
        return self.snapshot != CURRENT

    @property
    def is_incremental(self) -> bool:
        """Whether this only holds snapshots together that are copies of another blob's."""
        return self.copy is not None and self.copy.is_incremental and not self.is_snapshot

    @property
    def version(self) -> int:
        """The id of the version that this is, where versions are kept, in microseconds."""
        return micros(self.created)

    @property
    def is_earlier_version(self) -> bool:
        return self.snapshot == self.version


@dataclass(frozen=True, slots=True)
class Conditions:
    """What a request asks of a resource before it is carried out."""

    if_match: str = ""
    if_none_match: str = ""
    if_modified_since: datetime | None = None
    if_unmodified_since: datetime | None = None
    if_tags: str = ""
    lease_id: str = ""
    create_only: bool = False  # the caller may create blobs, but not overwrite them


NO_CONDITIONS: Final = Conditions()


def etag_text(number: int) -> str:
    """Return a change number as an etag, quotes included, as Azure's look."""
    return f'"{etag_digits(number)}"'


def etag_digits(number: int) -> str:
    """Return it without quotes, as listings show it."""
    return f"0x{number * 10 + _TICKS_AT_1970:X}"


def etag_number(text: str) -> int:
    """Undo ``etag_text``, with or without quotes; raises ValueError for others."""
    return (int(text.strip('"'), 16) - _TICKS_AT_1970) // 10
