"""The notices of the internal queue between scan and functions: their form, and their names.

Pure. Behaviour: spec blob-trigger.md, section 5.
"""

from __future__ import annotations

import json
from typing import NamedTuple

from triggerfish.bindings.queue import NotBase64, decode_text, encode_body
from triggerfish.storage.account import BlobProperties


class Notice(NamedTuple):
    """One version of a blob that a function is to be given; ``etag`` keeps its quotes."""

    function_id: str
    container: str
    name: str
    etag: str


def internal_queue(host_id: str) -> str:
    """Return the name of the queue that a host's notices are in."""
    return f"azure-webjobs-blobtrigger-{host_id}"


def function_id(function: str) -> str:
    """Return a function's id as receipts and notices carry it."""
    return f"Host.Functions.{function}"


def notice_text(function: str, blob: BlobProperties) -> str:
    """Return the text of the message that asks for ``blob`` to be given to ``function``."""
    document = {
        "Type": "BlobTrigger",
        "FunctionId": function_id(function),
        "BlobType": blob.blob_type,
        "ContainerName": blob.container,
        "BlobName": blob.name,
        "ETag": blob.etag,
    }
    return encode_body(json.dumps(document, indent=2, ensure_ascii=False).encode(), "base64")


def read_notice(text: str) -> Notice | None:
    """Return the notice that a message's text is, None where it is none."""
    try:
        document = json.loads(decode_text(text, "base64"))
        keys = ("FunctionId", "ContainerName", "BlobName", "ETag")
        return Notice(*(str(document[key]) for key in keys))
    except (NotBase64, ValueError, LookupError, TypeError):
        return None
