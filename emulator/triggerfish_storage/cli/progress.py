"""How far a long command has got: a bar on a terminal, nothing else."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from triggerfish_storage.terminal import can_draw


@contextmanager
def progress(
    label: str, total: int | None, *, in_bytes: bool = False
) -> Iterator[Callable[[int], None]]:
    """Show how much of ``total`` is done; the block is given a function that adds to it.

    On stderr, because stdout may be the result. ``total`` is None where it is not known.
    """
    if not can_draw(sys.stderr):
        yield lambda _: None
        return
    from rich.console import Console  # heavy, and only terminals need it
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    counts = (DownloadColumn(), TransferSpeedColumn()) if in_bytes else (MofNCompleteColumn(),)
    columns = (TextColumn("{task.description}"), BarColumn(), *counts, TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task(label, total=total)
        yield lambda amount: shown.advance(task, amount)
