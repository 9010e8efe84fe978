"""A function that is run as a worker would: what it is given, and what its values become."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import azure.functions as func
import pytest

from triggerfish.worker.context import Invocation
from triggerfish.worker.converters import Binding
from triggerfish.worker.frames import Payload, pack, pack_http
from triggerfish.worker.plans import Plan

Value = tuple  # kind and value


def _call(
    function: Callable[..., Any],
    *bindings: Binding,
    inputs: dict[str, Value] | None = None,
    metadata: dict[str, Any] | None = None,
) -> dict[str, Value]:
    """Run ``function`` as a worker would, and return its outputs as the host reads them."""
    plan = Plan("F", function, bindings, "/app/F")
    parts: list[bytes] = []
    packed = {name: _pack(value, parts) for name, value in (inputs or {}).items()}
    fields = {name: _pack(value, parts) for name, value in (metadata or {}).items()}
    head = ["i", 1, "id", "F", packed, fields, {}, "", "", None]
    arguments = plan.arguments(Invocation("id", "F"), head, b"".join(parts))
    produced: list[bytes] = []
    forms = plan.results(arguments, plan.function(**arguments), produced)
    reader = Payload(b"".join(produced))
    return {name: reader.unpack(form) for name, form in forms.items()}


def _pack(value: Any, parts: list[bytes]) -> Any:
    if isinstance(value, str):
        return value
    kind, data = value
    if kind == "http":
        return pack_http(data[:-1], data[-1], parts)
    return pack(kind, data, parts)


def _given(binding: Binding, value: Value, metadata: Any = None, annotation: Any = None) -> Any:
    """Return the argument that a parameter for ``binding`` gets."""
    seen = []

    def function(p):
        seen.append(p)

    if annotation is not None:
        function.__annotations__["p"] = annotation
    _call(function, binding, inputs={"p": value}, metadata=metadata)
    return seen[0]


def _written(binding_type: str, value: Any, annotation: Any = None) -> Value:
    """Return what the host gets for ``value`` as return value and as output parameter."""

    def returns(t):
        return value

    def sets(t, out):
        out.set(value)

    if annotation is not None:
        sets.__annotations__["out"] = func.Out[annotation]
    trigger = Binding("t", "timerTrigger", "in")
    inputs = {"t": ("json", "{}")}
    by_return = _call(returns, trigger, Binding("$return", binding_type, "out"), inputs=inputs)
    by_parameter = _call(sets, trigger, Binding("out", binding_type, "out"), inputs=inputs)
    assert by_return.get("$return") == by_parameter.get("out")
    return by_return.get("$return", ("none", None))


def _request(body: bytes = b"", **changes: Any) -> Value:
    fields = {
        "method": "POST",
        "url": "http://localhost:7071/api/items/5?q=1",
        "headers": {"content-type": "application/json", "x-empty": ""},
        "params": {"q": "1"},
        "route_params": {"id": "5"},
        **changes,
    }
    return ("http", [*fields.values(), body])


@pytest.fixture
def call():
    """Run a function with bindings, and return its outputs as the host reads them."""
    return _call


@pytest.fixture
def given():
    """Return the argument that a parameter for a binding gets."""
    return _given


@pytest.fixture
def written():
    """Return what the host gets for a value that a function returns or sets."""
    return _written


@pytest.fixture
def http_request():
    """Make a request as the host sends it, with these changes."""
    return _request
