"""Which binding types there are, and how a loaded function is bound to accounts.

A new kind of binding is a module in this folder and a row in one of the tables below.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, TypeVar

from triggerfish.bindings.blob import BlobInput, BlobOutput, BlobTrigger
from triggerfish.bindings.http import HttpTrigger
from triggerfish.bindings.plan import BoundInput, BoundOutput, BoundTrigger, Plan
from triggerfish.bindings.queue import QueueOutput, QueueTrigger
from triggerfish.bindings.timer import timer_trigger
from triggerfish.bindings.warmup import WarmupTrigger
from triggerfish.expressions import Template
from triggerfish.model import Binding, Function, RetryPolicy, TriggerfishError
from triggerfish.path_pattern import PathPattern
from triggerfish.storage.account import Account

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Services:
    """What binding a function may draw on. ``account_of`` takes a binding's ``connection``."""

    account_of: Callable[[str], Account]
    host_account: Account
    message_encoding: str
    retry: RetryPolicy | None  # host.json's, for functions without their own


def bind(function: Function, services: Services) -> Plan:
    """Return the plan of a function whose settings are resolved and validated."""
    http_output = next((b.name for b in function.outputs if b.type == "http"), "")
    return Plan(
        function=function,
        trigger=_row(TRIGGERS, function.trigger)(function, function.trigger, services),
        inputs=tuple(_row(INPUTS, binding)(binding, services) for binding in function.inputs),
        outputs=tuple(
            _row(OUTPUTS, binding)(binding, services)
            for binding in function.outputs
            if binding.type != "http"  # the response is no effect: it goes back to the caller
        ),
        retry=function.retry or services.retry,
        http_output=http_output,
    )


def _queue_trigger(function: Function, binding: Binding, services: Services) -> BoundTrigger:
    return QueueTrigger(
        function=function.name,
        parameter=binding.name,
        queue=str(binding.properties["queueName"]).lower(),
        binary=binding.data_type == "binary",
        encoding=services.message_encoding,
        account=services.account_of(binding.connection),
    )


def _blob_trigger(function: Function, binding: Binding, services: Services) -> BoundTrigger:
    return BlobTrigger(
        function=function.name,
        parameter=binding.name,
        pattern=PathPattern.parse(str(binding.properties["path"])),
        account=services.account_of(binding.connection),
        completes_in=services.host_account,
    )


def _timer_trigger(function: Function, binding: Binding, _services: Services) -> BoundTrigger:
    return timer_trigger(function.name, binding)


def _http_trigger(function: Function, binding: Binding, _services: Services) -> BoundTrigger:
    methods = binding.properties.get("methods") or "post"
    allowed = [str(m).upper() for m in ([methods] if isinstance(methods, str) else methods)]
    return HttpTrigger(
        function=function.name,
        parameter=binding.name,
        method="POST" if "POST" in allowed else allowed[0],
    )


def _warmup_trigger(function: Function, _binding: Binding, _services: Services) -> BoundTrigger:
    return WarmupTrigger(function.name)


def _blob_input(binding: Binding, services: Services) -> BoundInput:
    return BlobInput(
        name=binding.name,
        path=Template.parse(str(binding.properties["path"])),
        binary=binding.data_type in ("binary", "stream"),
        account=services.account_of(binding.connection),
    )


def _blob_output(binding: Binding, services: Services) -> BoundOutput:
    return BlobOutput(
        name=binding.name,
        path=Template.parse(str(binding.properties["path"])),
        account=services.account_of(binding.connection),
    )


def _queue_output(binding: Binding, services: Services) -> BoundOutput:
    return QueueOutput(
        name=binding.name,
        queue=Template.parse(str(binding.properties["queueName"])),
        encoding=services.message_encoding,
        account=services.account_of(binding.connection),
    )


TRIGGERS: Final[Mapping[str, Callable[[Function, Binding, Services], BoundTrigger]]] = {
    "queuetrigger": _queue_trigger,
    "blobtrigger": _blob_trigger,
    "timertrigger": _timer_trigger,
    "httptrigger": _http_trigger,
    "warmuptrigger": _warmup_trigger,
}
INPUTS: Final[Mapping[str, Callable[[Binding, Services], BoundInput]]] = {"blob": _blob_input}
OUTPUTS: Final[Mapping[str, Callable[[Binding, Services], BoundOutput]]] = {
    "blob": _blob_output,
    "queue": _queue_output,
}


def _row(table: Mapping[str, T], binding: Binding) -> T:
    row = table.get(binding.type.lower())
    if row is None:
        raise TriggerfishError(
            f"Binding '{binding.name}': type '{binding.type}' with direction "
            f"'{binding.direction}' is not supported by this host. Use the service's SDK in the "
            "function instead; the README says which types are supported."
        )
    return row
