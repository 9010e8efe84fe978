"""What a command does where a running program has the data folder: it asks that one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from triggerfish_storage.cli.progress import progress
from triggerfish_storage.ownership import FolderOwned
from triggerfish_storage.transfer.handover import NobodyAttends, Request, ask


def ask_owner(
    folder: Path, label: str, request: Request, owned: FolderOwned, *, total: int | None = None
) -> dict[str, Any]:
    """Return the owner's answer; where it takes no requests, say who it is.

    ``total`` is how many bytes it has to do, where that is known.
    """
    with progress(label, total, in_bytes=True) as advance:
        try:
            return ask(folder, request, advance=advance)
        except NobodyAttends:
            raise owned from None
