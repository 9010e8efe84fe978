"""The nouns of the host: functions, bindings, invocations, and the effects they have.

Pure values; no I/O, no clock, no globals. Every layer of the host speaks in these. What is made
anew for every message is a named tuple: a frozen dataclass takes three times as long to make.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import IntEnum, StrEnum
from types import MappingProxyType
from typing import Any, Final, Literal, NamedTuple, Protocol

RETURN: Final = "$return"


class TriggerfishError(Exception):
    """Something the user can mend; the message names the file and key and says how."""


@dataclass(frozen=True, slots=True)
class Binding:
    """One binding of a function, from function.json or a decorator.

    ``type`` keeps the spelling of the registry (``queueTrigger``); ``properties`` holds every
    other key as written (``queueName``), with ``%setting%`` not yet replaced.
    """

    name: str
    type: str
    direction: Literal["in", "out"]
    properties: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_trigger(self) -> bool:
        return self.type.lower().endswith("trigger")

    @property
    def data_type(self) -> str:
        """``string``, ``binary`` or ``stream``, lower-cased; empty where none was given."""
        return str(self.properties.get("dataType") or "").lower()

    @property
    def connection(self) -> str:
        """The setting that names the account; empty means the host's own storage."""
        return str(self.properties.get("connection") or "")


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often a failed run is tried again inside one delivery (host-and-worker.md, 17)."""

    strategy: Literal["fixedDelay", "exponentialBackoff"]
    max_retry_count: int
    delay: timedelta = timedelta()
    minimum: timedelta = timedelta()
    maximum: timedelta = timedelta()


@dataclass(frozen=True, slots=True)
class Function:
    """One function of the app, as discovered and loaded."""

    name: str
    bindings: tuple[Binding, ...]
    directory: str
    script_file: str
    entry_point: str = "main"
    retry: RetryPolicy | None = None
    disabled: bool = False

    @property
    def trigger(self) -> Binding:
        return next(binding for binding in self.bindings if binding.is_trigger)

    @property
    def inputs(self) -> tuple[Binding, ...]:
        """Input bindings other than the trigger."""
        return tuple(b for b in self.bindings if b.direction == "in" and not b.is_trigger)

    @property
    def outputs(self) -> tuple[Binding, ...]:
        return tuple(b for b in self.bindings if b.direction == "out")


@dataclass(frozen=True, slots=True)
class FunctionError:
    """A function that cannot run, and why; the others do."""

    function: str
    message: str


# --- values that cross to a worker ------------------------------------------------------------

DatumKind = Literal["none", "string", "bytes", "json", "http"]


class Datum(NamedTuple):
    """A value on its way between host and worker.

    ``string`` holds ``str``, ``bytes`` holds ``bytes``, ``json`` holds JSON text as ``str``,
    ``http`` holds an ``HttpRequestData`` or ``HttpResponseData``, ``none`` holds ``None``.
    """

    kind: DatumKind
    value: Any = None


@dataclass(frozen=True, slots=True)
class HttpRequestData:
    """An HTTP request as an httpTrigger function sees it (http-trigger.md, 4)."""

    method: str
    url: str
    headers: Mapping[str, str]
    params: Mapping[str, str]
    route_params: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class HttpResponseData:
    """What ``func.HttpResponse`` holds; ``headers`` may repeat a name (``Set-Cookie``)."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


NOTHING: Final = Datum("none")


# --- invocations ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RetryContext:
    """Where a run stands within its retry policy."""

    count: int = 0
    maximum: int = 0
    failure: Failure | None = None


class InvocationRequest(NamedTuple):
    """What a worker needs to run a function once.

    ``metadata`` is the trigger's binding data as ``azure.functions`` decodes it: texts as they
    are, and JSON documents for what is not text.
    """

    id: str
    function: str
    inputs: Mapping[str, Datum]
    metadata: Mapping[str, str | Datum]
    trace_parent: str = ""
    trace_state: str = ""
    retry: RetryContext | None = None


class FailureKind(StrEnum):
    """Who failed."""

    USER = "user"  # the function raised
    BINDING = "binding"  # an input could not be prepared or an output not be written
    TIMEOUT = "timeout"  # functionTimeout passed
    CRASH = "crash"  # its worker process ended


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an invocation failed. ``traceback`` is text, empty where there is none."""

    kind: FailureKind
    type: str
    message: str
    traceback: str = ""

    def __str__(self) -> str:
        return f"{self.type}: {self.message}" if self.message else self.type


class InvocationResult(NamedTuple):
    """What a run gave: values by binding name (``$return`` among them), or a failure."""

    outputs: Mapping[str, Datum] = MappingProxyType({})
    failure: Failure | None = None


class LogLevel(IntEnum):
    """Levels of the Functions host; ``NONE`` silences."""

    TRACE = 0
    DEBUG = 1
    INFORMATION = 2
    WARNING = 3
    ERROR = 4
    CRITICAL = 5
    NONE = 6


class LogLine(NamedTuple):
    """One line of log, with the invocation it belongs to where it belongs to one."""

    level: LogLevel
    category: str
    message: str
    invocation_id: str = ""
    function: str = ""


Log = Callable[[LogLine], None]


# --- effects ----------------------------------------------------------------------------------


class PutBlob(NamedTuple):
    """Create or overwrite a block blob; its container is created where missing.

    ``metadata`` is added to the user metadata that an existing blob has (blob-trigger.md, 10).
    """

    container: str
    blob: str
    content: bytes
    metadata: Mapping[str, str] = MappingProxyType({})


class PutMessage(NamedTuple):
    """Add a message (``text`` as it goes over the wire); its queue is created where missing."""

    queue: str
    text: str


class DeleteMessage(NamedTuple):
    """Complete a trigger message; without effect where somebody else completed or took it."""

    queue: str
    id: str
    pop_receipt: str


class ReleaseMessage(NamedTuple):
    """Give a trigger message back, visible after ``after``; without effect as above."""

    queue: str
    id: str
    pop_receipt: str
    after: timedelta = timedelta()


Effect = PutBlob | PutMessage | DeleteMessage | ReleaseMessage


class Delivery(NamedTuple):
    """One event given to a function: what the ledger keeps and replay sends again.

    ``payload`` is the exact bytes of the trigger (message body, blob content, request body;
    empty for a timer). ``metadata`` is JSON-able. ``source`` names where it came from
    (queue, container/blob, URL). ``attempt`` is the dequeue count where there is one.
    """

    id: str
    function: str
    trigger: str
    source: str
    payload: bytes
    metadata: Mapping[str, Any]
    attempt: int
    reason: str
    at: datetime
    replay_of: str = ""


class TriggerEvent(NamedTuple):
    """What a listener (or a request, or a replay) gives the dispatcher to run a function.

    ``datum`` is the trigger parameter, ``metadata`` what ``azure.functions`` decodes beside it,
    ``binding_data`` what ``{expressions}`` may name (binding-expressions.md, 6). ``payload``,
    ``source``, ``attempt``, ``record`` and ``reason`` are for the ledger and the log; ``record``
    is JSON-able and lets a replay build this event again. ``details`` is the text of the
    ``Trigger Details:`` line, empty where there is none. ``problem`` says why the trigger's
    value cannot be bound: the invocation then fails before the function runs.
    """

    function: str
    datum: Datum
    metadata: Mapping[str, str | Datum]
    binding_data: Mapping[str, object]
    payload: bytes
    source: str
    reason: str
    attempt: int = 1
    details: str = ""
    record: Mapping[str, Any] = MappingProxyType({})
    trace_parent: str = ""
    trace_state: str = ""
    replay_of: str = ""
    problem: str = ""


class Outcome(NamedTuple):
    """How a delivery ended, retries included; ``response`` is the http output's value."""

    invocation_id: str
    failure: Failure | None = None
    response: Datum = NOTHING

    @property
    def succeeded(self) -> bool:
        return self.failure is None


OnSuccess = Callable[[], Awaitable[Sequence[Effect]]]


class Invoke(Protocol):
    """The dispatcher, as listeners see it."""

    async def __call__(self, event: TriggerEvent, on_success: OnSuccess | None = None) -> Outcome:
        """Run the function for ``event``, retries included, and write what it put out.

        ``on_success`` is asked once the function has succeeded; its effects belong to the
        trigger's account and are applied as one with the outputs, last. Never raises for what
        user code does: that is the outcome's ``failure``.
        """
        ...
