"""What the process that has an account open does for commands: imports, and restoring.

Each is one transaction. While an import runs, others read and their writes wait; restoring is
quick, and all wait. Whoever watches queues and containers is told that they may have changed.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from triggerfish_storage.blobs import versions
from triggerfish_storage.content_folder import Contents
from triggerfish_storage.contents import discard_files, file_names
from triggerfish_storage.database import Database, DatabaseError
from triggerfish_storage.queues.rows import release_orphans
from triggerfish_storage.threads import held_on_thread, to_the_end
from triggerfish_storage.transfer import snapshots, sources
from triggerfish_storage.transfer.failure import TransferError
from triggerfish_storage.transfer.handover import Request
from triggerfish_storage.transfer.importing import steps
from triggerfish_storage.transfer.steps import ImportOptions, Job
from triggerfish_storage.transfer.tally import Advance, Tally, unwatched

IMPORT: Final = "import"
RESTORE: Final = "restore"


@dataclass(frozen=True, slots=True)
class AccountOwner:
    """An open account; ``changed`` tells everybody that anything may have changed."""

    folder: Path
    database: Database
    contents: Contents
    now: Callable[[], datetime]
    changed: Callable[[], None]

    async def perform(self, request: Request, advance: Advance) -> Mapping[str, Any]:
        """Do what a command asks for; see ``asked_import`` and ``asked_restore``."""
        try:
            if request["do"] == IMPORT:
                source = Path(request["source"])
                return await self._import(source, request["options"], advance)
            if request["do"] == RESTORE:
                return await to_the_end(self._restore(Path(request["place"])))
        except (DatabaseError, OSError, sqlite3.Error) as error:
            raise TransferError(str(error)) from error
        raise TransferError(f"This version cannot do {request['do']!r}.")

    async def _import(
        self, source: Path, options: Mapping[str, Any], advance: Advance
    ) -> Mapping[str, Any]:
        files: list[str] = []
        job = Job(ImportOptions(**options), self.contents, self.now(), advance, files.append)
        opened = sources.opened(source, self.folder, advance=lambda _: advance(0))
        async with held_on_thread(opened) as found:

            def unit(tx: sqlite3.Connection) -> Tally:
                tally = Tally()
                for step in steps(job, found):
                    tally.add(step(tx))
                if job.options.dry:
                    raise _Dry(tally)
                return tally

            try:
                tally = await self.database.write_long(unit)
            except _Dry as dry:
                return dry.tally.document()
            except BaseException:
                await self.contents.sweep(self.database, files)
                raise
        await self.contents.collect(self.database)
        self.changed()
        return tally.document()

    async def _restore(self, place: Path) -> Mapping[str, Any]:
        now = self.now()

        def put_back(tx: sqlite3.Connection) -> None:
            before, keeps_versions = set(file_names(tx)), versions.keeps_versions(tx)
            snapshots.put_back(tx, self.folder, place, self.contents, advance=unwatched)
            discard_files(tx, before - set(file_names(tx)))
            release_orphans(tx, now=now)  # what was held then, nobody holds now
            versions.turn(tx, on=keeps_versions)  # as this process was told, and not that one

        await self.database.alone(put_back)
        await self.contents.collect(self.database)
        self.changed()
        return {}


class _Dry(Exception):  # noqa: N818 - what undoes a dry run
    def __init__(self, tally: Tally) -> None:
        super().__init__()
        self.tally = tally


def asked_import(source: Path, options: ImportOptions) -> Request:
    """Return the request to import ``source``."""
    return {
        "do": IMPORT,
        "source": str(source.absolute()),
        "options": {
            "account": options.account,
            "existing": options.existing,
            "encoding": options.encoding,
            "dry": options.dry,
        },
    }


def asked_restore(place: Path) -> Request:
    """Return the request to put a snapshot back."""
    return {"do": RESTORE, "place": str(place.absolute())}
