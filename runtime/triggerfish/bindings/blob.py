"""Blob trigger, blob input and blob output: what a blob looks like to a function, and back.

Finding blobs is the listener's. Behaviour: spec blob-trigger.md, sections 7 to 10.
https://learn.microsoft.com/azure/azure-functions/functions-bindings-storage-blob
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from triggerfish.bindings.plan import BY_HAND, BindingFailure, Scope, text_bytes
from triggerfish.expressions import BindingData, Template
from triggerfish.model import NOTHING, Datum, Delivery, Effect, PutBlob, TriggerEvent
from triggerfish.names import blob_name_problem, container_name_problem
from triggerfish.path_pattern import PathPattern
from triggerfish.storage.account import Account, Blob, BlobProperties

PARENT_ID: Final = "AzureWebJobsParentId"


@dataclass(frozen=True, slots=True)
class BlobTrigger:
    """A blobTrigger bound to its account; its deliveries are messages in the host's storage."""

    function: str
    parameter: str
    pattern: PathPattern
    account: Account
    completes_in: Account

    def event(self, blob: Blob, *, attempt: int, details: str) -> TriggerEvent:
        """Return what a new blob gives its function."""
        path = f"{blob.properties.container}/{blob.properties.name}"
        return self._event(
            path,
            blob.content,
            describe(blob.properties),
            reason=f"New blob detected: {path}",
            attempt=attempt,
            details=details,
        )

    async def by_hand(self, text: str, *, now: datetime) -> TriggerEvent:
        container, _, name = text.partition("/")
        blob = await self.account.blobs.get(container, name) if name else None
        if blob is None:
            raise BindingFailure(
                f"There is no blob '{text}': the input of a manual run of a blob function is "
                "the path container/blob of an existing blob."
            )
        return self._event(text, blob.content, describe(blob.properties), reason=BY_HAND)

    def again(self, delivery: Delivery) -> TriggerEvent:
        if not delivery.metadata:  # a run by hand that was refused
            raise BindingFailure("It had no blob: there is nothing to deliver again.")
        return self._event(
            delivery.source,
            delivery.payload,
            delivery.metadata,
            reason=f"Replay of '{delivery.id}'.",
            attempt=delivery.attempt,
            replay_of=delivery.id,
        )

    def _event(
        self,
        path: str,
        content: bytes,
        record: Mapping[str, Any],
        *,
        reason: str,
        attempt: int = 1,
        details: str = "",
        replay_of: str = "",
    ) -> TriggerEvent:
        container, _, name = path.partition("/")
        match = self.pattern.match(container, name)
        captured = match or {}
        uri, properties, metadata = record["Uri"], record["Properties"], record["Metadata"]
        return TriggerEvent(
            function=self.function,
            datum=Datum("bytes", content),
            metadata={
                "BlobTrigger": path,
                "Uri": uri,
                "Properties": Datum("json", json.dumps(properties)),
                "Metadata": Datum("json", json.dumps(metadata)),
                # What is captured wins, without regard to case: {uri} hides Uri (section 7).
                **{_SPELLING.get(k.lower(), k): v for k, v in captured.items()},
            },
            binding_data=BindingData(
                captured,
                # A URI renders as nothing; None stands for that (section 7).
                {"BlobTrigger": path, "Uri": None, "Properties": properties, "Metadata": metadata},
                {self.parameter: content},
                why_missing=str if match is not None else lambda: self._unmatched(path),
            ),
            payload=content,
            source=path,
            reason=reason,
            attempt=attempt,
            details=details,
            record=record,
            replay_of=replay_of,
        )

    def _unmatched(self, path: str) -> str:
        return f"the blob '{path}' does not fit the trigger's path '{self.pattern.text}'"


_SPELLING: Final = {name.lower(): name for name in ("BlobTrigger", "Uri", "Properties", "Metadata")}


def describe(blob: BlobProperties) -> dict[str, Any]:
    """Return the JSON-able description of a blob that functions and the ledger are given."""
    return {
        "Uri": blob.uri,
        "Properties": {
            "LastModified": _iso(blob.modified_at),
            "CreatedOn": _iso(blob.created_at),
            "ContentLength": blob.length,
            "Length": blob.length,
            "ContentType": blob.content_type,
            "ContentMD5": blob.content_md5,
            "ContentHash": blob.content_md5,
            "ContentEncoding": blob.content_encoding,
            "ContentLanguage": blob.content_language,
            "ContentDisposition": blob.content_disposition,
            "CacheControl": blob.cache_control,
            "ETag": blob.etag,
            "BlobType": blob.blob_type,
            "LeaseStatus": blob.lease_status,
            "LeaseState": blob.lease_state,
        },
        "Metadata": dict(blob.metadata),
    }


def _iso(instant: datetime) -> str:
    return instant.isoformat(timespec="seconds")


@dataclass(frozen=True, slots=True)
class BlobInput:
    """A blob input bound to its account."""

    name: str
    path: Template
    binary: bool
    account: Account

    async def fetch(self, scope: Scope) -> Datum:
        """Return the blob as text or bytes, or nothing where it or its container is missing."""
        container, blob_name = _resolve(self.name, self.path, scope)
        blob = await self.account.blobs.get(container, blob_name)
        if blob is None:
            return NOTHING
        if self.binary:
            return Datum("bytes", blob.content)
        return Datum("string", blob.content.decode("utf-8-sig", errors="replace"))


@dataclass(frozen=True, slots=True)
class BlobOutput:
    """A blob output bound to its account."""

    name: str
    path: Template
    account: Account

    def effects(self, value: Datum, scope: Scope) -> Sequence[Effect]:
        """One block blob, written whole; the text is not looked into."""
        container, blob = _resolve(self.name, self.path, scope)
        content = text_bytes(value.value) if isinstance(value.value, str) else value.value
        return [PutBlob(container, blob, content, {PARENT_ID: scope.invocation_id})]


def _resolve(binding: str, path: Template, scope: Scope) -> tuple[str, str]:
    text = scope.render(path)
    container, _, blob = text.partition("/")
    problem = container_name_problem(container) or blob_name_problem(blob)
    if problem:
        raise BindingFailure(f"Binding '{binding}': '{text}' is no path container/blob: {problem}")
    return container, blob
