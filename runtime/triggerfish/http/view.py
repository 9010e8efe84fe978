"""What the web server needs of the host: the host implements it, tests fake it.

Only names and types; the rules are in the modules that use them.
Behaviour: spec http-trigger.md, section 10.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from triggerfish.config.host_options import HttpOptions
from triggerfish.http.routes import Routes
from triggerfish.model import Function, FunctionError, Invoke, TriggerfishError


class HostState(StrEnum):
    """The states of a host, as ``/admin/host/status`` spells them."""

    DEFAULT = "Default"
    STARTING = "Starting"
    INITIALIZED = "Initialized"
    RUNNING = "Running"
    ERROR = "Error"
    STOPPING = "Stopping"
    STOPPED = "Stopped"
    OFFLINE = "Offline"


class DrainState(StrEnum):
    """How far draining has got, as ``/admin/host/drain/status`` spells it."""

    DISABLED = "Disabled"
    IN_PROGRESS = "InProgress"
    COMPLETED = "Completed"


class NotServed(TriggerfishError):  # noqa: N818 - a state
    """The function was there a moment ago: the host stops, or an edit took it away."""


@dataclass(frozen=True, slots=True)
class DrainStatus:
    """What still runs while the host takes nothing new.

    ``outstanding_retries`` are the invocations that failed and wait for their next try.
    """

    state: DrainState
    outstanding_invocations: int = 0
    outstanding_retries: int = 0


@dataclass(frozen=True, slots=True)
class Replayed:
    """One delivery that a replay was asked for, and what became of it.

    ``new_invocation_id`` is empty for a dry run and where ``error`` says why there is none.
    """

    id: str
    function: str
    new_invocation_id: str = ""
    error: str = ""


class HostView(Protocol):
    """The host, as the web server sees it. What it shows is that of the current generation."""

    @property
    def state(self) -> HostState: ...

    @property
    def id(self) -> str:
        """The host id (host-and-worker.md, 19.1)."""
        ...

    @property
    def uptime_ms(self) -> int: ...

    @property
    def errors(self) -> Sequence[str]:
        """Why the host cannot run; empty where it can."""
        ...

    @property
    def extension_bundle(self) -> Mapping[str, str]:
        """``id`` and ``version`` as host.json names them; empty where it names none."""
        ...

    @property
    def functions(self) -> Sequence[Function]:
        """All functions that were indexed, disabled ones and those in error too."""
        ...

    @property
    def function_errors(self) -> Sequence[FunctionError]: ...

    @property
    def routes(self) -> Routes: ...

    @property
    def http_options(self) -> HttpOptions:
        """``extensions.http`` of host.json."""
        ...

    @property
    def invoke(self) -> Invoke:
        """Run a function of the current generation. Raises ``NotServed``."""
        ...

    @property
    def offline_page(self) -> str:
        """The content of ``app_offline.htm`` while the state is ``OFFLINE``."""
        ...

    @property
    def drain_status(self) -> DrainStatus: ...

    async def started(self) -> None:
        """Return once the host is no longer starting, whatever came of it."""
        ...

    async def workers_answer(self) -> bool:
        """Ask the workers for a sign of life."""
        ...

    async def run_by_hand(self, function: str, text: str) -> None:
        """Take up a manual run and return; it goes on in the background, its end is logged."""
        ...

    async def replay(self, ids: Sequence[str], *, dry: bool) -> Sequence[Replayed]:
        """Deliver again what the ledger holds under ``ids``; only say what would be if dry."""
        ...

    async def restart(self) -> None:
        """Begin to load the app anew and return."""
        ...

    async def drain(self) -> None:
        """Begin to stop the triggers, for what runs to end, and return."""
        ...

    async def resume(self) -> None:
        """Begin to take work again after ``drain`` and return."""
        ...

    async def set_offline(self, offline: bool) -> None:
        """Begin to go offline, or to come back, and return."""
        ...
