"""What the steps of an import share: how it was asked for, and how a step fails.

A step is a unit of work of bounded size. Steps run one after the other, each before the next
one is asked for, because a later one may depend on what an earlier one found.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from triggerfish_storage.content_folder import Contents
from triggerfish_storage.errors import StorageError
from triggerfish_storage.protocol.accounts import DEFAULT_ACCOUNT
from triggerfish_storage.transfer.failure import TransferError
from triggerfish_storage.transfer.fields import Line
from triggerfish_storage.transfer.message_lines import MessageEncoding
from triggerfish_storage.transfer.tally import Advance, Tally

Existing = Literal["skip", "overwrite", "fail"]
Step = Callable[[sqlite3.Connection], Tally]

AT_ONCE: Final = 500  # lines, for one step
REMEDY: Final = "Keep what is there with --existing skip, or replace it with --existing overwrite."


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """How to import; ``encoding`` is that of messages which are written down as ``body``."""

    account: str = DEFAULT_ACCOUNT
    existing: Existing = "fail"
    encoding: MessageEncoding = "base64"
    dry: bool = False

    @property
    def overwrites(self) -> bool:
        return self.existing == "overwrite"


@dataclass(frozen=True, slots=True)
class Job:
    """One import: its options, its one instant, and where bytes go.

    ``stored`` is told the name of each file that was written, for who has to delete them where
    the import fails.
    """

    options: ImportOptions
    contents: Contents
    now: datetime
    advance: Advance
    stored: Callable[[str], object] = str

    @property
    def account(self) -> str:
        return self.options.account


@contextmanager
def told(where: str) -> Iterator[None]:
    """Let what the rules of the services refuse name the file at fault."""
    try:
        yield
    except (StorageError, OverflowError) as error:
        raise TransferError(f"{where}: {error}") from error


def chunks(lines: Iterator[Line]) -> Iterator[list[Line]]:
    """Give as many lines at once as a step takes."""
    chunk: list[Line] = []
    for line in lines:
        chunk.append(line)
        if len(chunk) == AT_ONCE:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
