"""The naming rules of queues, containers, blobs and tables, checked before anything is sent.

Each function returns what is wrong with a name, as the end of a sentence, or None. Pure.
Rules: https://learn.microsoft.com/rest/api/storageservices/naming-queues-and-metadata (queues),
naming-and-referencing-containers--blobs--and-metadata, understanding-the-table-service-data-model
"""

from __future__ import annotations

import re
from typing import Final

_QUEUE: Final = re.compile(r"[a-z0-9](?:-?[a-z0-9])*", re.ASCII)
_TABLE: Final = re.compile(r"[A-Za-z][A-Za-z0-9]{2,62}", re.ASCII)
_DASHED_RULE: Final = (
    "must have 3 to 63 characters, lower-case letters, digits and single dashes, "
    "and start and end with a letter or digit"
)
# The service's own: for blobs without a container, of a static website, and of its logs.
_SYSTEM_CONTAINERS: Final = ("$root", "$web", "$logs")
LONGEST_BLOB_NAME: Final = 1024


def queue_name_problem(name: str) -> str | None:
    """Return what is wrong with ``name`` for a queue, None where nothing is."""
    return None if _is_dashed_name(name) else f"a queue name {_DASHED_RULE}"


def container_name_problem(name: str) -> str | None:
    """Return what is wrong with ``name`` for a blob container, None where nothing is."""
    if _is_dashed_name(name) or name in _SYSTEM_CONTAINERS:
        return None
    return f"a container name {_DASHED_RULE}"


def blob_name_problem(name: str) -> str | None:
    """Return what is wrong with ``name`` for a blob, None where nothing is."""
    if not 1 <= len(name) <= LONGEST_BLOB_NAME:
        return f"a blob name must have 1 to {LONGEST_BLOB_NAME} characters"
    if name.endswith((".", "/")):
        return "a blob name must not end in '.' or '/'"
    if "\\" in name:
        return "a blob name must not contain a backslash"
    return None


def table_name_problem(name: str) -> str | None:
    """Return what is wrong with ``name`` for a table, None where nothing is."""
    if _TABLE.fullmatch(name):
        return None
    return "a table name must have 3 to 63 letters and digits and start with a letter"


def _is_dashed_name(name: str) -> bool:
    return 3 <= len(name) <= 63 and _QUEUE.fullmatch(name) is not None
