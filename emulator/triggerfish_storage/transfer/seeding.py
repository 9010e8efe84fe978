"""A seed: what an account is to hold when it starts, unless it does already.

Loading it again changes nothing: what exists stays as it is, and a queue that exists gets no
messages, since those that were worked off would come again.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from triggerfish_storage.schema import Durability
from triggerfish_storage.transfer.importing import import_account
from triggerfish_storage.transfer.message_lines import MessageEncoding
from triggerfish_storage.transfer.sources import opened
from triggerfish_storage.transfer.steps import ImportOptions
from triggerfish_storage.transfer.tally import Advance, Tally, unwatched


@dataclass(frozen=True, slots=True)
class Seed:
    """A folder, an archive or a queue's file; see ``transfer.sources``.

    ``advance`` is told of bytes as they are read; what it raises ends the loading.
    """

    path: Path
    encoding: MessageEncoding = "base64"
    advance: Advance = unwatched


def plant(folder: Path, seed: Seed, *, now: datetime, durability: Durability) -> Tally:
    """Bring what is missing into the account of a data folder that the caller owns."""
    options = ImportOptions(existing="skip", encoding=seed.encoding)
    with opened(seed.path, folder, advance=seed.advance) as source:
        return import_account(
            folder, source, options, now=now, advance=seed.advance, durability=durability
        )
