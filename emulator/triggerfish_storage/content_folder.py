"""The folder of large contents, and how bytes get into it, out of it and away.

Alone knows which bytes lie where. A file is written and closed before the row that names it, and
deleted after the commit that took its last use away: a crash leaves an orphan file, which
``sweep`` removes after the next start, never a row without bytes. Files have random names and
never change, so a reader needs no lock: what it may still read is kept until it is done.

Files are written and read in constant memory. Design: docs/design/contents.md
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Callable,
    Iterable,
    Sequence,
)
from functools import partial
from pathlib import Path
from typing import Final

from triggerfish_storage import contents, errors
from triggerfish_storage.content_files import Draft, Reading, Stretch
from triggerfish_storage.contents import IN_ROW_LIMIT_BYTES, PIECE_BYTES, Content, Part
from triggerfish_storage.data_folder import swept_names
from triggerfish_storage.database import Database, Durability
from triggerfish_storage.disposal import Disposal, Hold
from triggerfish_storage.errors import StorageError
from triggerfish_storage.file_work import FileWork
from triggerfish_storage.hashing import Checksum, Data, Md5, best_hashing, new_md5
from triggerfish_storage.recycling import Recycling

COLLECTED_LIMIT: Final = 32  # files that are discarded, whose rows go together
SWEPT_AT_ONCE: Final = 1000  # files, on a reading thread
LOOKED_UP_AT_ONCE: Final = 500  # small parts, between which others have their turn


class Contents:
    """The folder of large contents of one data folder, used from one event loop."""

    def __init__(self, folder: Path, *, durability: Durability = "process") -> None:
        self._folder = folder
        self._sync = durability == "full"
        self._looked_at: int | None = None  # the commit after which ``collect`` last looked
        self._collected: set[str] = set()  # files that are discarded, and still have a row
        folder.mkdir(parents=True, exist_ok=True)
        self._recycling = Recycling(folder)
        self._disposal = Disposal(folder, self._recycling)
        self._hashing = best_hashing()
        self._file_work = FileWork(waits=self._sync)
        self._drafts: set[Draft] = set()

    async def keep(self, data: bytes, *, md5: bool = True, also: Checksum | None = None) -> Content:
        """Make ready bytes that are in memory already; ``also`` is told of them too."""
        if len(data) <= IN_ROW_LIMIT_BYTES:
            if also is not None:
                also.update(data)
            return Content(len(data), _md5(data) if md5 else b"", data, None)
        hash_, sums = self._sums(md5, also)
        with self._draft() as draft:
            await self._write([data], draft.finish, sums)
            return self._ready(draft, hash_, len(data))

    async def receive(
        self,
        pieces: AsyncIterable[bytes | memoryview],
        *,
        limit: int,
        length: int | None = None,
        md5: bool = True,
        also: Checksum | None = None,
    ) -> Content:
        """Make ready bytes that arrive in pieces, in constant memory.

        A ``memoryview`` among them is only lent until the next one is asked for. ``length`` is
        how many bytes there will be, where that is known: the last piece is then written and
        the file closed at once. Raises RequestBodyTooLarge beyond ``limit`` bytes; then, as
        after any other failure of the sender, no file is left.
        """
        hash_, sums = self._sums(md5, also)
        held: list[bytes | memoryview] = []
        held_bytes = size = 0
        with self._draft() as draft:
            async for piece in _within(limit, pieces):
                is_lent = isinstance(piece, memoryview) and len(piece) > IN_ROW_LIMIT_BYTES
                held.append(piece if is_lent else bytes(piece))
                held_bytes += len(piece)
                size += len(piece)
                if size == length and size > IN_ROW_LIMIT_BYTES:
                    await self._write(held, draft.finish, sums)
                elif is_lent or held_bytes > PIECE_BYTES:  # so that 1 MiB is written at once
                    await self._write(held, draft.write, sums)
                else:
                    continue
                held, held_bytes = [], 0
            if size <= IN_ROW_LIMIT_BYTES:
                return await self.keep(b"".join(held), md5=md5, also=also)
            if size != length:
                await self._write(held, draft.finish, sums)
            return self._ready(draft, hash_, size)

    def store(self, pieces: Iterable[bytes]) -> Content:
        """Make ready bytes from a disk: on the caller's own thread, in constant memory."""
        hash_ = new_md5()
        held: list[bytes] = []
        size = 0
        with self._draft() as draft:
            for piece in pieces:
                hash_.update(piece)
                held.append(piece)
                size += len(piece)
                if size > IN_ROW_LIMIT_BYTES:
                    draft.write(b"".join(held))
                    held = []
            if size <= IN_ROW_LIMIT_BYTES:
                return Content(size, hash_.digest(), b"".join(held), None)
            draft.finish(b"".join(held))
        return Content(size, hash_.digest(), None, draft.name)

    async def abandon(self, content: Content) -> None:
        """Delete what was made ready and then not named by a row."""
        if content.file is not None:
            await asyncio.to_thread(self._disposal.delete, [content.file])

    def hold(self) -> Hold:
        """Keep all files that exist now readable until what is returned is gone.

        To be called in the same step of the loop in which the parts were looked up.
        """
        return self._disposal.hold()

    def read(self, parts: Sequence[Part], hold: Hold, database: Database) -> Reading:
        """Return the bytes of ``parts``, in pieces of about ``PIECE_BYTES``; ends the hold."""
        for part in parts:
            if part.file is not None:
                self._recycling.reads(part.file)
        return Reading(self._stretches(parts, hold, database))

    async def _stretches(
        self, parts: Sequence[Part], hold: Hold, database: Database
    ) -> AsyncGenerator[bytes | Stretch, None]:
        small: list[bytes] = []
        small_bytes = 0
        try:
            for part, offset, length in contents.pieces_of(parts):
                if part.file is None and length < PIECE_BYTES:
                    small.append(_near(database, part, offset, length))
                    small_bytes += length
                    if small_bytes < PIECE_BYTES and len(small) < LOOKED_UP_AT_ONCE:
                        continue
                    await asyncio.sleep(0)
                if small:
                    yield b"".join(small)
                    small, small_bytes = [], 0
                if part.file is not None:
                    yield Stretch(self._folder / part.file, offset, length)
                elif length == PIECE_BYTES:
                    yield _near(database, part, offset, length)
            if small:
                yield b"".join(small)
        finally:
            await self._disposal.let_go(hold)

    async def collect(self, database: Database) -> bool:
        """Delete files whose last use was committed away, as soon as no reader needs them.

        As many as are looked at in one step; return whether there may be more.
        """
        if self._looked_at == database.commits:
            return False  # whoever shared the commit has looked
        self._looked_at = database.commits
        names = database.look(contents.discarded_files)
        fresh = [name for name in names if name not in self._collected]
        if not fresh:
            return False
        self._collected.update(fresh)
        try:
            await self._disposal.discard(fresh)
            if len(self._collected) >= COLLECTED_LIMIT:
                await self._forget_collected(database)
        except BaseException:
            self._collected.difference_update(fresh)  # tried again
            raise
        return len(names) == contents.DISCARDED_AT_ONCE

    async def _forget_collected(self, database: Database) -> None:
        """Delete the rows of what is discarded: some at a time, as each commit has its price."""
        done = tuple(self._collected)
        await database.write(partial(contents.forget_discarded, names=done))
        self._collected.difference_update(done)

    async def present(self) -> list[str]:
        """Return the names of our files; ``sweep`` wants those of before anything is written."""
        return await asyncio.to_thread(lambda: list(swept_names(self._folder)))

    async def sweep(self, database: Database, names: Sequence[str]) -> int:
        """Delete those of ``names`` that no row names, and return how many they were.

        May run beside everything else: newer files, whose rows are still to come, are not among
        the names, and what is being discarded meanwhile, or read to its end, is left alone.
        """
        count = 0
        for begin in range(0, len(names), SWEPT_AT_ONCE):
            some = names[begin : begin + SWEPT_AT_ONCE]
            unknown = await database.read(partial(contents.unknown_files, names=some))
            waiting = self._disposal.waiting()
            orphans = [name for name in unknown if name not in waiting]
            await asyncio.to_thread(self._disposal.delete, orphans)
            count += len(orphans)
        return count

    def remove_unused(self, tx: sqlite3.Connection) -> None:
        """Delete every file that no row names; only for who has the data folder to themselves."""
        names = swept_names(self._folder)
        self._disposal.delete(name for name in names if not contents.is_used(tx, name))
        contents.forget_all_discarded(tx)

    def spare(self, names: Iterable[str]) -> None:
        """Keep files although they were to be deleted: rows will name them again."""
        again = set(names)
        self._disposal.spare(again)
        self._collected.difference_update(again)

    def make_room(self) -> bool:
        """Delete what was kept to be written anew; return whether there was anything."""
        return self._recycling.make_room()

    def close(self) -> None:
        """Delete what was kept to be written anew."""
        self._recycling.clear()

    async def _write(
        self, pieces: Sequence[Data], write: Callable[[Data], None], sums: Sequence[Checksum]
    ) -> None:
        """Write the pieces as one, and hash them meanwhile."""
        data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        hashed = self._hashing.update(sums, data) if sums else None
        if len(self._drafts) == 1:
            await asyncio.sleep(0)  # hashed from here on: there is nobody to be hashed with
        await self._file_work.run(partial(write, data), len(data))
        if hashed is not None:
            await hashed

    def _sums(self, md5: bool, also: Checksum | None) -> tuple[Md5 | None, list[Checksum]]:
        """Return the MD5 of a message, where one is wanted, and all that want to see it."""
        hash_ = self._hashing.new_md5() if md5 else None
        return hash_, [one for one in (hash_, also) if one is not None]

    def _draft(self) -> Draft:
        return Draft(self._folder, self._recycling, self._drafts, sync=self._sync)

    def _ready(self, draft: Draft, md5: Md5 | None, size_bytes: int) -> Content:
        self._recycling.wrote(draft.name, size_bytes)
        return Content(size_bytes, b"" if md5 is None else md5.digest(), None, draft.name)


async def _within(
    limit: int, pieces: AsyncIterable[bytes | memoryview]
) -> AsyncIterator[bytes | memoryview]:
    size = 0
    async for piece in pieces:
        size += len(piece)
        if size > limit:
            raise StorageError(errors.REQUEST_BODY_TOO_LARGE, MaxLimit=str(limit))
        yield piece


def _near(database: Database, part: Part, offset: int, length: int) -> bytes:
    """Return what lies in a row, or zeros for a gap."""
    if part.content_id is None:
        return bytes(length)
    data = part.data
    if data is None:
        data = database.look(partial(contents.load_content, content_id=part.content_id))
        if data is None:  # overwritten while a slow client was reading: it has to start again
            raise StorageError(errors.INTERNAL_ERROR)
    return data[offset : offset + length]


def _md5(data: bytes) -> bytes:
    return new_md5(data).digest()
