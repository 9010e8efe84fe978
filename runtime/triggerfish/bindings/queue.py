"""Queue trigger and queue output: what a message looks like to a function, and back.

Pure translation; taking and completing messages is the listener's.
Behaviour: spec queue-trigger.md, sections 8 to 11.
https://learn.microsoft.com/azure/azure-functions/functions-bindings-storage-queue
"""

from __future__ import annotations

import base64
import binascii
import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any, Final

from triggerfish import lenient_json
from triggerfish.bindings.plan import BY_HAND, BindingFailure, Scope, text_bytes
from triggerfish.dotnet_text import scalar_text
from triggerfish.expressions import BindingData, Template
from triggerfish.model import (
    Datum,
    Delivery,
    Effect,
    PutMessage,
    TriggerEvent,
)
from triggerfish.names import queue_name_problem
from triggerfish.payload import PayloadProperties
from triggerfish.storage.account import Account, Message
from triggerfish_storage.protocol import xml

POISON_SUFFIX: Final = "-poison"
_TIME_TO_LIVE: Final = timedelta(days=7)


class NotBase64(ValueError):  # noqa: N818 - it says what the text is
    """A message text that ``messageEncoding: base64`` cannot decode."""


def decode_text(text: str, encoding: str) -> bytes:
    """Return the body of a message text. Raises ``NotBase64``."""
    if encoding == "none":
        return text.encode()
    try:
        # The .NET decoder tolerates white space and nothing else.
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        pass
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise NotBase64(str(error)) from error


def encode_body(body: bytes, encoding: str) -> str:
    """Return the text that carries ``body``. Raises ``BindingFailure`` for what is no text."""
    if encoding == "base64":
        return base64.b64encode(body).decode("ascii")
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise _unencoded("is not UTF-8 text") from error
    if found := xml.UNFIT.search(text):
        raise _unencoded(f"has the character U+{ord(found[0]):04X}, which XML cannot carry")
    return text


def _unencoded(problem: str) -> BindingFailure:
    return BindingFailure(
        f"The message {problem}, so it cannot be sent with messageEncoding 'none' "
        "(host.json, extensions.queues.messageEncoding)."
    )


@dataclass(frozen=True)
class QueueTrigger:
    """A queueTrigger bound to its queue."""

    function: str
    parameter: str
    queue: str
    binary: bool
    encoding: str
    account: Account

    @property
    def completes_in(self) -> Account:
        return self.account

    @cached_property
    def poison_queue(self) -> str:
        """Where messages go that fail for good; empty where there is no such queue."""
        name = self.queue + POISON_SUFFIX
        if self.queue.endswith(POISON_SUFFIX) or queue_name_problem(name):
            return ""
        return name

    @cached_property
    def reason(self) -> str:
        """Why a received message runs the function, as the log says it."""
        return f"New queue message detected on '{self.queue}'."

    def event(self, message: Message, body: bytes) -> TriggerEvent:
        """Return what a received message gives its function."""
        return self._event(message, body, reason=self.reason)

    async def by_hand(self, text: str, *, now: datetime) -> TriggerEvent:
        message = Message(
            id=str(uuid.uuid4()),
            text="",
            dequeue_count=1,
            inserted_at=now,
            expires_at=now + _TIME_TO_LIVE,
            visible_at=now,
            pop_receipt="",
        )
        return self._event(message, text.encode(), reason=BY_HAND)

    def again(self, delivery: Delivery) -> TriggerEvent:
        record = delivery.metadata
        message = Message(
            id=str(record.get("id", "")),
            text="",
            dequeue_count=int(record.get("dequeueCount", 1)),
            inserted_at=_instant(record.get("insertedAt"), delivery.at),
            expires_at=_instant(record.get("expiresAt"), delivery.at + _TIME_TO_LIVE),
            visible_at=_instant(record.get("visibleAt"), delivery.at),
            pop_receipt=str(record.get("popReceipt", "")),
        )
        reason = f"Replay of '{delivery.id}'."
        return self._event(message, delivery.payload, reason=reason, replay_of=delivery.id)

    def _event(
        self, message: Message, body: bytes, *, reason: str, replay_of: str = ""
    ) -> TriggerEvent:
        text = _text(body)
        payload = PayloadProperties("" if self.binary or text is None else text)
        inserted_on = message.inserted_at.isoformat("T", "milliseconds")
        # Whole seconds, as the service's own times; azure.functions parses these at first try.
        inserted = inserted_on[:19] + inserted_on[23:]
        expires = message.expires_at.isoformat("T", "seconds")
        visible = message.visible_at.isoformat("T", "seconds")
        attempt = message.dequeue_count
        metadata: dict[str, str | Datum] = {
            "Id": message.id,
            "DequeueCount": str(attempt),
            "InsertionTime": inserted,
            "ExpirationTime": expires,
            "NextVisibleTime": visible,
            "PopReceipt": message.pop_receipt,
        }
        metadata.update(_overrides(payload))
        return TriggerEvent(
            function=self.function,
            datum=Datum("bytes", body) if self.binary else Datum("string", text),
            metadata=metadata,
            binding_data=self._binding_data(message, text, payload),
            payload=body,
            source=self.queue,
            reason=reason,
            attempt=attempt,
            details=f"MessageId: {message.id}, DequeueCount: {attempt}, InsertedOn: {inserted_on}",
            record={
                "id": message.id,
                "dequeueCount": attempt,
                "insertedAt": inserted,
                "expiresAt": expires,
                "visibleAt": visible,
                "popReceipt": message.pop_receipt,
            },
            replay_of=replay_of,
            problem="" if self.binary or text is not None else self._not_text(),
        )

    def _not_text(self) -> str:
        return (
            f"Error binding parameter '{self.parameter}': the message is not UTF-8 text. "
            'Declare the trigger with dataType "binary" to receive bytes.'
        )

    def _binding_data(
        self, message: Message, text: str | None, payload: PayloadProperties
    ) -> BindingData:
        own: dict[str, object] = {
            "Id": message.id,
            "DequeueCount": message.dequeue_count,
            "InsertionTime": message.inserted_at,
            "ExpirationTime": message.expires_at,
            "NextVisibleTime": message.visible_at,
            "PopReceipt": message.pop_receipt,
        }
        if text is not None:
            own["QueueTrigger"] = text
        why = _binary_is_no_json if self.binary else payload.why_missing
        return BindingData(payload, own, {self.parameter: text}, why_missing=why)


def _binary_is_no_json() -> str:
    return "a message of dataType binary is not read as JSON"


# What ``azure.functions`` reads of a message beside its body.
_SPELLING: Final = {
    name.lower(): name
    for name in (
        "Id",
        "DequeueCount",
        "InsertionTime",
        "ExpirationTime",
        "NextVisibleTime",
        "PopReceipt",
    )
}


def _overrides(payload: PayloadProperties) -> Mapping[str, str | Datum]:
    """Return the properties that win over metadata of the same name, whatever their case.

    The others are for expressions only, so many bodies need not be read at all.
    """
    if not payload.may_be_any or not _may_override(payload.text.lower()):
        return {}
    return {
        _SPELLING[name.lower()]: _property(payload[name])
        for name in payload
        if name.lower() in _SPELLING
    }


def _may_override(lowered: str) -> bool:
    # Searching for texts is twenty times as fast as a pattern, and escapes can spell any name.
    return "\\" in lowered or any(name in lowered for name in _SPELLING)


def _property(value: object) -> str | Datum:
    if isinstance(value, str):
        return value
    return Datum("json", json.dumps(value))


def _text(body: bytes) -> str | None:
    try:
        return body.decode()
    except UnicodeDecodeError:
        return None


def _instant(text: object, default: datetime) -> datetime:
    return datetime.fromisoformat(str(text)).astimezone(UTC) if text else default


# --- output -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class QueueOutput:
    """A queue output bound to its account."""

    name: str
    queue: Template
    encoding: str
    account: Account

    def effects(self, value: Datum, scope: Scope) -> Sequence[Effect]:
        """One message for each body that ``value`` stands for, in order."""
        bodies = message_bodies(value)
        if not bodies:
            return ()
        queue = self._constant_queue or self._checked(scope.render(self.queue))
        return [PutMessage(queue, encode_body(body, self.encoding)) for body in bodies]

    @cached_property
    def _constant_queue(self) -> str:
        return self._checked(self.queue.text) if self.queue.is_constant else ""

    def _checked(self, text: str) -> str:
        queue = text.lower()
        problem = queue_name_problem(queue)
        if problem:
            raise BindingFailure(f"Output '{self.name}': '{text}' is no queue name: {problem}.")
        return queue


def message_bodies(value: Datum) -> Sequence[bytes]:
    """Return the bodies of the messages that an output value stands for (section 11.2)."""
    if value.kind == "bytes":
        return [value.value]
    if value.kind == "json":
        return _json_bodies(json.loads(value.value))
    text: str = value.value
    trimmed = text.strip()
    if trimmed[:1] + trimmed[-1:] not in ("{}", "[]"):
        return [text_bytes(text)]
    try:
        document = lenient_json.loads(trimmed)
    except lenient_json.LenientJsonError as error:
        raise BindingFailure(
            f"The output looks like JSON but is not: {error}. Return bytes to send it as it is."
        ) from error
    return _json_bodies(document)


def _json_bodies(document: Any) -> Sequence[bytes]:
    elements = document if isinstance(document, list) else [document]
    return [text_bytes(_element_text(element)) for element in elements]


def _element_text(element: Any) -> str:
    if isinstance(element, dict | list):
        return lenient_json.indented(element)
    return scalar_text(element)
