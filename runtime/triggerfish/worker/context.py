"""What ``context: func.Context`` holds, and which invocation the running code belongs to.

Behaviour: spec host-and-worker.md, sections 13 and 14.1.
"""

from __future__ import annotations

import threading
from contextvars import ContextVar
from typing import Any, Final

import azure.functions as func

thread_local_storage: Final = threading.local()


class Invocation:
    """One run of one function, as far as its output must be attributed."""

    __slots__ = ("function", "id", "partial")

    def __init__(self, invocation_id: str, function: str) -> None:
        self.id = invocation_id
        self.function = function
        self.partial: dict[str, bytes] = {}  # of stdout and stderr: what lacks its line end


# Follows asyncio tasks and, because each run has a context of its own, nothing else.
current: Final[ContextVar[Invocation | None]] = ContextVar("invocation", default=None)


class Running:
    """The invocations at work, by id: threads of user code name theirs by its id."""

    def __init__(self) -> None:
        self._by_id: dict[str, Invocation] = {}

    def begin(self, invocation: Invocation) -> None:
        """Know an invocation by its id from now on."""
        self._by_id[invocation.id] = invocation

    def end(self, invocation: Invocation) -> None:
        """Forget an invocation; without effect where it is not known."""
        self._by_id.pop(invocation.id, None)

    def here(self) -> Invocation | None:
        """Return the invocation that the running code belongs to, if any."""
        invocation = current.get()
        if invocation is not None:
            return invocation
        name = getattr(thread_local_storage, "invocation_id", None)
        if not isinstance(name, str):
            return None
        return self._by_id.get(name) or _ended(name)


def _ended(name: str) -> Invocation:
    # One for each thread, because it keeps what the thread has printed of a line.
    known: Invocation | None = getattr(thread_local_storage, "_ended", None)
    if known is None or known.id != name:
        thread_local_storage._ended = known = Invocation(name, "")
    return known


class TraceContext(func._abc.TraceContext):  # type: ignore[misc]
    """W3C trace context; empty texts where the trigger brought none."""

    def __init__(self, parent: str, state: str) -> None:
        self._parent = parent
        self._state = state
        self._attributes: dict[str, str] = {}

    @property
    def trace_parent(self) -> str:
        return self._parent

    @property
    def trace_state(self) -> str:
        return self._state

    @property
    def attributes(self) -> dict[str, str]:
        return self._attributes

    Traceparent = trace_parent  # the names of older versions of the library
    Tracestate = trace_state
    Attributes = attributes


class RetryFailure(func._abc.RpcException):  # type: ignore[misc]
    """Why the try before this one failed."""

    def __init__(self, source: str, message: str, stack_trace: str) -> None:
        self._source = source
        self._message = message
        self._stack_trace = stack_trace

    def __str__(self) -> str:
        return f"{self._source}: {self._message}"

    @property
    def source(self) -> str:
        return self._source

    @property
    def message(self) -> str:
        return self._message

    @property
    def stack_trace(self) -> str:
        return self._stack_trace


class RetryContext(func._abc.RetryContext):  # type: ignore[misc]
    """Where this try stands within the function's retry policy."""

    def __init__(self, form: list[Any] | None) -> None:
        count, maximum, failure = form or (0, 0, None)
        self._count = count
        self._maximum = maximum
        self._exception = RetryFailure(*failure) if failure else None

    @property
    def retry_count(self) -> int:
        return int(self._count)

    @property
    def max_retry_count(self) -> int:
        return int(self._maximum)

    @property
    def exception(self) -> RetryFailure | None:
        return self._exception


class Context(func.Context):  # type: ignore[misc]
    """The ``context`` parameter of one invocation."""

    def __init__(
        self,
        invocation: Invocation,
        directory: str,
        trace: tuple[str, str],
        retry: list[Any] | None,
    ) -> None:
        self._invocation = invocation
        self._directory = directory
        self._trace = TraceContext(*trace)
        self._retry = RetryContext(retry)

    @property
    def invocation_id(self) -> str:
        return self._invocation.id

    @property
    def function_name(self) -> str:
        return self._invocation.function

    @property
    def function_directory(self) -> str:
        return self._directory

    @property
    def trace_context(self) -> TraceContext:
        return self._trace

    @property
    def retry_context(self) -> RetryContext:
        return self._retry

    @property
    def thread_local_storage(self) -> Any:
        return thread_local_storage
