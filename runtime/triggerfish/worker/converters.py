"""Values in and out, by the converters that azure.functions registers for its bindings.

A binding type that the library does not know is generic: text, bytes and JSON pass as
they are. Types are looked up once, when a function is loaded; what is left for each
invocation is a call. Behaviour: spec host-and-worker.md, section 11; queue-trigger.md, 9
and 11.1; blob-trigger.md, 7, 9 and 10; http-trigger.md, 4 and 5.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple

from azure.functions import get_binding_registry, meta
from azure.functions import queue as library_queue

from .http_values import encode_response, request_datum

Metadata = Mapping[str, Any]
Decode = Callable[[str, Any, Metadata], Any]
Encode = Callable[[Any], "tuple[str, Any]"]


class Binding(NamedTuple):
    """One binding of a function: what the worker needs to know of it."""

    name: str
    type: str
    direction: str
    data_type: str = ""

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> Binding:
        """Return the binding of a function.json entry, enums of decorators included."""
        return cls(
            str(document.get("name") or ""),
            str(document.get("type") or ""),
            str(document.get("direction") or "in").lower(),
            str(document.get("dataType") or "").lower(),
        )


class BindingError(Exception):
    """A value that a binding cannot take or give."""


class GenericConverter:
    """For binding types that the library does not register, and for ``str`` and ``bytes``."""

    @staticmethod
    def check_input_type_annotation(annotation: type) -> bool:
        return issubclass(annotation, (str, bytes))

    @staticmethod
    def check_output_type_annotation(annotation: type) -> bool:
        return issubclass(annotation, (str, bytes, bytearray))

    @staticmethod
    def has_implicit_output() -> bool:
        return True

    @staticmethod
    def has_trigger_support() -> bool:
        return False

    @staticmethod
    def decode(data: Any, *, trigger_metadata: Any) -> Any:
        if data.type not in ("string", "bytes", "json", None):
            raise BindingError(f"a value of kind '{data.type}' cannot become str or bytes")
        return data.value

    @staticmethod
    def encode(value: Any, *, expected_type: Any) -> Any:
        if isinstance(value, str):
            return meta.Datum(value, "string")
        if isinstance(value, (bytes, bytearray)):
            return meta.Datum(bytes(value), "bytes")
        if isinstance(value, (dict, list, int, float)):
            return meta.Datum(json.dumps(value), "json")
        raise BindingError(f"{type(value).__name__} is no str, bytes, dict, list or number")


GENERIC: Final = GenericConverter()


def converter_of(binding_type: str) -> Any:
    """Return the library's converter of a type in any spelling, else the generic one."""
    registry = get_binding_registry()
    found = registry.get(binding_type)
    if found is None:
        wanted = binding_type.lower()
        names = (n for n in registry._bindings if isinstance(n, str) and n.lower() == wanted)
        found = registry.get(next(names, None))
    return GENERIC if found is None else found


def decoder(binding: Binding, annotation: Any) -> Decode:
    """Return what makes the parameter of an input from what the host sent."""
    if annotation in (str, bytes):  # the annotation never converts; it asks for the raw value
        return _decode_with(GENERIC)
    converter = converter_of(binding.type)
    if converter is library_queue.QueueMessageInConverter:
        return _decode_queue_message
    return _decode_with(converter)


def wants_metadata(binding: Binding, annotation: Any) -> bool:
    """Whether the parameter shows anything but the value itself."""
    is_raw = annotation in (str, bytes)
    return not is_raw and bool(converter_of(binding.type).has_trigger_support())


def encoder(binding: Binding, annotation: Any) -> Encode:
    """Return what makes a value for the host from one that user code gave."""
    if binding.type.lower() == "http":
        return encode_response
    return _encode_with(converter_of(binding.type), annotation)


def generic_encoder() -> Encode:
    """Return the encoder of a return value that belongs to no binding."""
    return _encode_with(GENERIC, None)


def _decode_with(converter: Any) -> Decode:
    wants_metadata = converter.has_trigger_support()
    datum, convert = meta.Datum, converter.decode

    def decode(kind: str, value: Any, metadata: Metadata) -> Any:
        if kind == "http":
            data = request_datum(*value)
        else:
            data = datum(value, None if kind == "none" else kind)
        if not wants_metadata:
            return convert(data, trigger_metadata=None)
        fields = {name: datum(text, form) for name, (form, text) in metadata.items()}
        return convert(data, trigger_metadata=fields)

    return decode


_decode_with_the_library: Final = _decode_with(library_queue.QueueMessageInConverter)


def _decode_queue_message(kind: str, value: Any, metadata: Metadata) -> Any:
    # The library tries a dozen formats with strptime for each of three times: 50 to 130 us,
    # more than all else an invocation costs. What does not look as usual is left to it.
    try:
        return library_queue.QueueMessage(
            id=_text(metadata["Id"]),
            body=value,
            dequeue_count=int(_text(metadata["DequeueCount"])),
            expiration_time=_instant(metadata["ExpirationTime"]),
            insertion_time=_instant(metadata["InsertionTime"]),
            time_next_visible=_instant(metadata["NextVisibleTime"]),
            pop_receipt=_text(metadata["PopReceipt"]),
        )
    except (KeyError, ValueError, TypeError):
        return _decode_with_the_library(kind, value, metadata)


def _text(field: tuple[str, Any]) -> str:
    kind, value = field
    if kind != "string":
        raise ValueError(kind)
    return str(value)


def _instant(field: tuple[str, Any]) -> datetime:
    text = _text(field)
    if not text.endswith("+00:00"):
        raise ValueError(text)
    return datetime.fromisoformat(text)


def _encode_with(converter: Any, annotation: Any) -> Encode:
    convert = converter.encode

    def encode(value: Any) -> tuple[str, Any]:
        data = convert(value, expected_type=annotation)
        if data is None or data.type is None or data.value is None:
            return "none", None
        if data.type in ("string", "json", "bytes"):
            return data.type, data.value
        return "json", json.dumps(data.python_value)

    return encode
