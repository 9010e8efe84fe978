"""Invocations and results between the model and frames. Pure.

The forms are described in ``triggerfish.worker.frames``, which both ends share.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from triggerfish.model import (
    NOTHING,
    Datum,
    Failure,
    FailureKind,
    HttpResponseData,
    InvocationRequest,
    InvocationResult,
    LogLevel,
    LogLine,
    RetryContext,
)
from triggerfish.worker import frames
from triggerfish.worker.frames import INLINE_CHARACTERS, Head, Payload


def invoke_frame(number: int, request: InvocationRequest) -> bytes:
    """Return the frame that has a worker run ``request`` as its invocation ``number``."""
    parts: list[bytes] = []
    inputs = {name: _pack(datum, parts) for name, datum in request.inputs.items()}
    metadata: dict[str, Any] = {}
    copies: dict[str, str] = {}
    for name, value in request.metadata.items():
        if not isinstance(value, str):
            metadata[name] = _pack(value, parts)
        elif len(value) <= INLINE_CHARACTERS:
            metadata[name] = value
        elif source := _input_like(request, value):
            copies[name] = source
        else:
            metadata[name] = frames.pack("string", value, parts)
    head = [
        frames.INVOKE,
        number,
        request.id,
        request.function,
        inputs,
        metadata,
        copies,
        request.trace_parent,
        request.trace_state,
        _retry(request.retry),
    ]
    return frames.encode(head, parts)


def result(head: Head, payload: bytes) -> InvocationResult:
    """Return what a worker says an invocation gave."""
    if head[0] == frames.RAISED:
        _, _, kind, name, message, traceback = head
        return InvocationResult(failure=Failure(FailureKind(kind), name, message, traceback))
    return InvocationResult(outputs=_outputs(head[2], payload))


def failed(kind: FailureKind, name: str, message: str, traceback: str = "") -> InvocationResult:
    """Return the result of an invocation that the pool, not user code, makes fail."""
    return InvocationResult(failure=Failure(kind, name, message, traceback))


def log_line(head: Head) -> LogLine:
    """Return what user code printed or logged."""
    _, level, category, text, invocation_id, function = head
    return LogLine(LogLevel(level), category, text, invocation_id, function)


def _input_like(request: InvocationRequest, text: str) -> str:
    """Return the input that holds the very same text: a message's metadata repeats it."""
    return next((name for name, datum in request.inputs.items() if datum.value is text), "")


def _outputs(forms: Mapping[str, Any], payload: bytes) -> Mapping[str, Datum]:
    values = Payload(payload)
    return {name: _datum(*values.unpack(form)) for name, form in forms.items()}


def _datum(kind: Any, value: Any) -> Datum:
    if kind == "none":
        return NOTHING
    if kind == "http":
        (status, headers), body = value
        pairs = tuple((str(name), str(text)) for name, text in headers)
        return Datum("http", HttpResponseData(status=int(status), headers=pairs, body=body))
    return Datum(kind, value)


def _pack(datum: Datum, parts: list[bytes]) -> Any:
    if datum.kind == "http":
        request = datum.value
        fields = [
            request.method,
            request.url,
            dict(request.headers),
            dict(request.params),
            dict(request.route_params),
        ]
        return frames.pack_http(fields, request.body, parts)
    return frames.pack(datum.kind, datum.value, parts)


def _retry(retry: RetryContext | None) -> list[Any] | None:
    if retry is None:
        return None
    failure = retry.failure
    reason = [failure.type, failure.message, failure.traceback] if failure else None
    return [retry.count, retry.maximum, reason]
