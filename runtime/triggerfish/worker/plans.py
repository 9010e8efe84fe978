"""A function made ready to run: what it takes and gives is worked out once, when it is loaded.

Behaviour: spec host-and-worker.md, sections 10 and 11.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any, Final

import azure.functions as func

from . import frames
from .context import Context, Invocation
from .converters import (
    Binding,
    BindingError,
    Encode,
    converter_of,
    decoder,
    encoder,
    generic_encoder,
    wants_metadata,
)
from .frames import Head, Payload
from .signature import RETURN, Parameter, check


class Out(func.Out):  # type: ignore[misc]
    """An output parameter; what was set last is written once the function has returned."""

    def __init__(self) -> None:
        self._value: Any = None

    def set(self, val: Any) -> None:
        self._value = val

    def get(self) -> Any:
        return self._value


class Plan:
    """How one function is called, and what its values become."""

    def __init__(
        self, name: str, function: Callable[..., Any], bindings: Sequence[Binding], directory: str
    ) -> None:
        signature = check(name, function, bindings)
        self.name = name
        self.function = function
        self.is_async = inspect.iscoroutinefunction(function)
        self._directory = directory
        self._wants_context = signature.wants_context
        self._inputs = [
            (p.binding.name, p.binding.type, decoder(p.binding, p.annotation))
            for p in signature.inputs
        ]
        self._wants_metadata = any(
            wants_metadata(p.binding, p.annotation) for p in signature.inputs
        )
        self._outputs = [_output(p) for p in signature.outputs]
        self._returns = _output(signature.returns) if signature.returns else None
        self._implicit_return = _implicit_return(bindings)

    def arguments(self, invocation: Invocation, head: Head, payload: bytes) -> dict[str, Any]:
        """Return the arguments of one call. Raises ``BindingError``."""
        _, _, _, _, inputs, metadata, copies, trace_parent, trace_state, retry = head
        values = Payload(payload)
        unpack = values.unpack
        given = {name: unpack(form) for name, form in inputs.items()}
        fields: dict[str, tuple[str, Any]] = {}
        if self._wants_metadata:
            for name, form in metadata.items():
                fields[name] = ("string", form) if form.__class__ is str else unpack(form)
            for name, source in copies.items():
                fields[name] = given[source]
        arguments: dict[str, Any] = {}
        for name, binding_type, decode in self._inputs:
            kind, value = given.get(name, ("none", None))
            try:
                arguments[name] = decode(kind, value, fields)
            except Exception as error:
                raise BindingError(
                    f"parameter '{name}' ({binding_type}) cannot be made from what arrived: "
                    f"{_reason(error)}"
                ) from error
        for name, _, _ in self._outputs:
            arguments[name] = Out()
        if self._wants_context:
            trace = (trace_parent, trace_state)
            arguments["context"] = Context(invocation, self._directory, trace, retry)
        return arguments

    def results(self, arguments: dict[str, Any], value: Any, parts: list[bytes]) -> dict[str, Any]:
        """Return outputs by binding name, packed. Raises ``BindingError``."""
        outputs: dict[str, Any] = {}
        for name, binding_type, encode in self._outputs:
            given = arguments[name].get()
            if given is not None:
                outputs[name] = _packed(name, binding_type, encode, given, parts)
        if self._returns is not None:
            name, binding_type, encode = self._returns
            if value is not None:
                outputs[name] = _packed(name, binding_type, encode, value, parts)
            elif binding_type.lower() == "http":
                raise BindingError(
                    f"function '{self.name}' returned None, but its http output needs a str or "
                    "an azure.functions.HttpResponse"
                )
        elif value is not None:
            if self._implicit_return is None:
                raise BindingError(
                    f"function '{self.name}' without a $return binding returned a non-None value"
                )
            outputs[RETURN] = _packed(RETURN, "generic", self._implicit_return, value, parts)
        return outputs


def _output(parameter: Parameter) -> tuple[str, str, Encode]:
    binding = parameter.binding
    return binding.name, binding.type, encoder(binding, parameter.annotation)


def _implicit_return(bindings: Sequence[Binding]) -> Encode | None:
    # A binding that the library does not know may take the return value by a way of its own.
    for binding in bindings:
        implicit = getattr(converter_of(binding.type), "has_implicit_output", None)
        if implicit is not None and implicit():
            return generic_encoder()
    return None


def _packed(name: str, binding_type: str, encode: Encode, value: Any, parts: list[bytes]) -> Any:
    try:
        kind, data = encode(value)
    except Exception as error:
        raise BindingError(
            f"a value of type {type(value).__name__} cannot be written to '{name}' "
            f"({binding_type}): {_reason(error, binding_type)}"
        ) from error
    if kind == "http":
        fields, body = data
        return frames.pack_http(fields, body, parts)
    return frames.pack(kind, data, parts)


_TAKEN: Final = {
    "http": "a str or an azure.functions.HttpResponse",
    "queue": "a str, bytes, an azure.functions.QueueMessage, or a list of str and QueueMessage",
    "blob": "a str, bytes, or an object with read()",
}


def _reason(error: Exception, binding_type: str = "") -> str:
    if isinstance(error, NotImplementedError):
        said = f"{error}; " if str(error) else ""
        taken = _TAKEN.get(binding_type.lower())
        return f"{said}give it {taken}" if taken else f"{said}the binding does not take this type"
    return f"{type(error).__name__}: {error}"
