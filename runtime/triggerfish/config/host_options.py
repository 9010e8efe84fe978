"""What host.json says, parsed: the values that the host works with.

Behaviour: spec host-and-worker.md, 2; queue-trigger.md, 2; blob-trigger.md, 5;
timer-trigger.md, 8; http-trigger.md, 6.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from triggerfish.model import LogLevel, LogLine, RetryPolicy

MOST_MESSAGES_IN_ONE_RECEIVE: Final = 32


@dataclass(frozen=True, slots=True)
class QueueOptions:
    """``extensions.queues``: how every queue trigger takes and gives up messages."""

    batch_size: int
    new_batch_threshold: int
    max_polling_interval: timedelta
    visibility_timeout: timedelta
    max_dequeue_count: int
    message_encoding: str  # base64 or none


@dataclass(frozen=True, slots=True)
class BlobOptions:
    """``extensions.blobs``: how many blobs all blob triggers together work on."""

    max_degree_of_parallelism: int
    poison_blob_threshold: int

    @property
    def batch_size(self) -> int:
        """How many messages of the internal queue are asked for at once."""
        return min(MOST_MESSAGES_IN_ONE_RECEIVE, self.max_degree_of_parallelism // 2 + 1)

    @property
    def new_batch_threshold(self) -> int:
        """How many may still be in work when the next batch is asked for."""
        return self.max_degree_of_parallelism - self.batch_size


@dataclass(frozen=True, slots=True)
class HttpOptions:
    """``extensions.http``; a limit of None is no limit."""

    route_prefix: str
    max_outstanding_requests: int | None
    max_concurrent_requests: int | None
    custom_headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class SingletonOptions:
    """``singleton``: the leases that keep a listener to one host; None never tries again."""

    listener_lock_period: timedelta
    listener_lock_recovery_interval: timedelta | None


@dataclass(frozen=True, slots=True)
class LoggingOptions:
    """``logging``: levels by category prefix, ``default`` among them."""

    levels: Mapping[str, LogLevel]
    disable_colours: bool


@dataclass(frozen=True, slots=True)
class HostConfig:
    """host.json with the environment's overrides; ``functions`` empty means all of them."""

    function_timeout: timedelta | None
    functions: tuple[str, ...]
    retry: RetryPolicy | None
    watch_files: tuple[str, ...]
    watch_directories: tuple[str, ...]
    metadata_provider_timeout: timedelta
    queues: QueueOptions
    blobs: BlobOptions
    http: HttpOptions
    singleton: SingletonOptions
    logging: LoggingOptions
    extension_bundle_id: str
    extension_bundle_version: str
    notices: tuple[LogLine, ...]
