"""What the ledger keeps of a delivery: values only, no SQL, no I/O.

``End`` and ``Written`` come from the dispatcher; the rest is what queries return.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, NamedTuple

from triggerfish.model import Delivery, Failure, LogLevel

FILE_NAME: Final = "history.db"


class Status(StrEnum):
    """How a delivery stands."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    INTERRUPTED = "interrupted"  # the host ended before the function did


class Written(NamedTuple):
    """One output of a run: ``target`` is ``container/blob`` or a queue."""

    binding: str
    target: str
    content: bytes


class End(NamedTuple):
    """How a delivery ended; ``tries`` counts the runs of a retry policy, 1 without one."""

    failure: Failure | None
    duration_seconds: float
    tries: int = 1
    outputs: Sequence[Written] = ()
    interrupted: bool = False


class Line(NamedTuple):
    """A line of log; ``offset_ms`` counts from the begin of the delivery, -1 is after its end."""

    offset_ms: int
    level: LogLevel
    category: str
    message: str


class Output(NamedTuple):
    """What was kept of one output: all of it where ``head`` is as long as ``size_bytes``."""

    binding: str
    target: str
    size_bytes: int
    head: bytes


@dataclass(frozen=True, slots=True)
class Summary:
    """One line of a list: a delivery without its payload, logs and outputs.

    ``number`` grows with every delivery. ``event`` is shared by all deliveries of one message
    or one version of a blob, replays included; empty where there is nothing to share.
    ``poisoned`` says why the message went to its poison queue, empty where it did not.
    ``preview`` is how the payload begins.
    """

    number: int
    id: str
    event: str
    function: str
    trigger: str
    source: str
    at: datetime
    attempt: int
    status: Status
    duration: timedelta | None
    tries: int
    failure: Failure | None
    poisoned: str
    replay_of: str
    payload_size: int
    preview: bytes

    @property
    def was_refused(self) -> bool:
        """Whether no function was run, because the message could not be given to one."""
        return self.status is Status.FAILED and self.tries == 0

    @property
    def label(self) -> str:
        """The status in one word, as lists show it."""
        if self.was_refused:
            return "refused"
        return "poisoned" if self.poisoned else self.status.value


@dataclass(frozen=True, slots=True)
class Entry:
    """Everything that is known of one delivery.

    ``others`` are the other deliveries of the same event, oldest first. ``outputs_lost`` and
    ``lines_lost`` count outputs and log lines beyond what is kept.
    """

    summary: Summary
    delivery: Delivery
    outputs: tuple[Output, ...]
    outputs_lost: int
    lines: tuple[Line, ...]
    lines_lost: int
    others: tuple[Summary, ...]

    @property
    def payload_is_whole(self) -> bool:
        """Whether the exact payload was kept; one beyond the limit of the ledger is not."""
        return len(self.delivery.payload) == self.summary.payload_size
