"""Files that nobody needs any more, kept for a while to be written anew.

Making a file for 1 MiB and deleting it later costs the kernel 0.3 ms, because it has to find
pages and blocks and to give them back; writing over one that has them costs the copy.

Only over a file that nobody may still look at: that we wrote ourselves, that was never read (what
was may still be on its way, sent by the kernel from the file's own pages) and that has no second
name (a snapshot's or an export's). It leaves the folder of contents before it is kept and gets a
new name in it, so that for everybody else it was deleted. Nothing of this outlives the process or a
full disk: what somebody deletes is room then.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

from triggerfish_storage.data_folder import RECYCLED_FOLDER, swept_names

FILES_LIMIT: Final = 32
SIZE_LIMIT_BYTES: Final = 4 * 1024 * 1024
UNREAD_LIMIT: Final = 4096  # files that are remembered not to have been read

WRITE: Final = os.O_WRONLY | getattr(os, "O_BINARY", 0)


class Recycling:
    """The files that were taken out of the folder of ``contents``."""

    def __init__(self, contents: Path) -> None:
        self._folder = contents.with_name(RECYCLED_FOLDER)
        # As texts: making a Path takes longer than renaming a file.
        self._from = f"{contents}{os.sep}"
        self._to = f"{self._folder}{os.sep}"
        self._unread: dict[str, None] = {}  # the newest last
        self._kept: list[str] = []
        self._is_there = False  # the folder
        self.clear()  # of what a crash left

    def wrote(self, name: str, size_bytes: int) -> None:
        """A file of ours is complete, and nobody has read it yet."""
        if size_bytes <= SIZE_LIMIT_BYTES:
            self._unread[name] = None
            if len(self._unread) > UNREAD_LIMIT:
                del self._unread[next(iter(self._unread))]

    def reads(self, name: str) -> None:
        """Somebody is about to read a file."""
        self._unread.pop(name, None)

    def keep(self, name: str) -> bool:
        """Keep a file that is to be deleted; return False where it has to be deleted indeed."""
        if name not in self._unread or len(self._kept) >= FILES_LIMIT:
            return False
        del self._unread[name]
        try:
            if not self._is_there:
                self._folder.mkdir(exist_ok=True)
                self._is_there = True
            os.rename(self._from + name, self._to + name)  # noqa: PTH104
        except OSError:
            return False
        self._kept.append(name)
        return True

    def reopen(self, path: str) -> tuple[int, int] | None:
        """Give a file the name ``path`` and open it for writing; on any thread.

        Return its descriptor and the size it has, None where no file is kept.
        """
        while self._kept:
            try:
                os.rename(self._to + self._kept.pop(), path)  # noqa: PTH104
            except (IndexError, FileNotFoundError):  # another thread was faster, or a user tidied
                continue
            descriptor = os.open(path, WRITE)
            found = os.fstat(descriptor)
            if found.st_nlink == 1:
                return descriptor, found.st_size
            os.close(descriptor)
            Path(path).unlink()
        return None

    def make_room(self) -> bool:
        """Delete all that is kept, on any thread; return whether there was anything."""
        if not self._kept:
            return False
        self.clear()
        return True

    def clear(self) -> None:
        """Delete all that is kept."""
        self._kept.clear()
        self._is_there = False
        with suppress(OSError):  # it is not there, or holds what is not ours
            for name in swept_names(self._folder):
                (self._folder / name).unlink(missing_ok=True)
            self._folder.rmdir()
