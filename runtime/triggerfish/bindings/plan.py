"""What a kind of binding offers the host: the protocols that every module in this folder fits.

A function's bindings are bound once, when the app has loaded: settings replaced, templates
parsed, accounts opened. What is left for each invocation is then small.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Final, NamedTuple, Protocol

from triggerfish.expressions import Template
from triggerfish.model import (
    Datum,
    Delivery,
    Effect,
    Function,
    RetryPolicy,
    TriggerEvent,
    TriggerfishError,
)
from triggerfish.storage.account import Account

# The reason of whatever no event started: a request, or a run by hand.
BY_HAND: Final = "This function was programmatically called via the host APIs."


class BindingFailure(TriggerfishError):  # noqa: N818 - the outcome it becomes
    """An input that could not be prepared, or an output that could not be written."""


def text_bytes(text: str) -> bytes:
    """Return an output as UTF-8. Raises ``BindingFailure`` where it holds half a character."""
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise BindingFailure(f"The output cannot be written as UTF-8: {error}.") from error


class Scope(NamedTuple):
    """What the bindings of one invocation may draw on."""

    invocation_id: str
    function: str
    now: datetime
    data: Mapping[str, object]

    def render(self, template: Template) -> str:
        """Return the text of ``template`` for this invocation. Raises ``ExpressionError``."""
        return template.render(self.data, function=self.function, now=self.now)


class BoundTrigger(Protocol):
    """A trigger ready for events. Listeners know more about their own kind than this."""

    @property
    def completes_in(self) -> Account | None:
        """The account that a delivery is completed in; None where there is nothing to do."""
        ...

    async def by_hand(self, text: str, *, now: datetime) -> TriggerEvent:
        """Return the event of a manual run (http-trigger.md, 10.2)."""
        ...

    def again(self, delivery: Delivery) -> TriggerEvent:
        """Return the event of ``delivery`` as it was, for a replay.

        Raises ``BindingFailure`` where there was none.
        """
        ...


class BoundInput(Protocol):
    """An input binding ready to fetch."""

    @property
    def name(self) -> str: ...

    async def fetch(self, scope: Scope) -> Datum:
        """Return the parameter's value. Raises ``TriggerfishError``."""
        ...


class BoundOutput(Protocol):
    """An output binding ready to say what a value changes."""

    @property
    def name(self) -> str: ...

    @property
    def account(self) -> Account: ...

    def effects(self, value: Datum, scope: Scope) -> Sequence[Effect]:
        """Return what writing ``value`` means. Raises ``TriggerfishError``."""
        ...


@dataclass(frozen=True)
class Plan:
    """A function with its bindings bound: all that the dispatcher needs to run it."""

    function: Function
    trigger: BoundTrigger
    inputs: tuple[BoundInput, ...]
    outputs: tuple[BoundOutput, ...]
    retry: RetryPolicy | None
    http_output: str = ""  # the name of the http output binding, empty where there is none

    @cached_property
    def parameter(self) -> str:
        """The name of the trigger's parameter."""
        return self.function.trigger.name

    @cached_property
    def kind(self) -> str:
        """The type of the trigger."""
        return self.function.trigger.type

    @property
    def answers(self) -> bool:
        """Whether somebody waits for a response."""
        return self.kind == "httpTrigger"
