"""What a command does where a running program has the data folder: it asks that one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from triggerfish_storage.cli.progress import progress
from triggerfish_storage.ownership import FolderOwned
from triggerfish_storage.transfer.handover import NobodyAttends, Request, ask


def ask_owner(folder: Path, label: str, request: Request, owned: FolderOwned) -> dict[str, Any]:
    """Return the owner's answer; where it takes no requests, say who it is."""
    with progress(label, None, in_bytes=True):
        try:
            return ask(folder, request)
        except NobodyAttends:
            raise owned from None
