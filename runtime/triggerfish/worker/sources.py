"""How modules of the app are read: what was saved a moment ago is never taken from a cache.

Python takes a ``.pyc`` for that of a source whose size and second of change it names. Two saves
within a second, of the same length, look the same to it, and a host that loads the app again
a tenth of a second after each save would run the first of them. So nothing is cached, and no
cache is read, until a source is old enough for its next change to show.

https://docs.python.org/3/reference/import.html#cached-bytecode-invalidation
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from importlib.machinery import (
    BYTECODE_SUFFIXES,
    EXTENSION_SUFFIXES,
    SOURCE_SUFFIXES,
    ExtensionFileLoader,
    FileFinder,
    SourceFileLoader,
    SourcelessFileLoader,
)
from pathlib import Path
from typing import Any, Final

_FRESH_SECONDS: Final = 2.0  # the resolution of a cache's time, and that of the coarsest disks
_PACKAGES: Final = "site-packages"


class AppSource(SourceFileLoader):
    """Loads a module of the app."""

    def path_stats(self, path: Any) -> Mapping[str, Any]:
        """Return what a cache is compared with; raise ``OSError`` where there is to be none."""
        stats = super().path_stats(path)
        if time.time() - stats["mtime"] < _FRESH_SECONDS:
            raise OSError(f"{path} was saved a moment ago")
        return stats


def read_app(app: str) -> None:
    """Have all modules below the folder ``app`` loaded so, but not installed packages."""
    folder = Path(app).absolute()
    found = FileFinder.path_hook(
        (ExtensionFileLoader, EXTENSION_SUFFIXES),
        (AppSource, SOURCE_SUFFIXES),
        (SourcelessFileLoader, BYTECODE_SUFFIXES),
    )

    def find(path: str) -> Any:
        whole = Path(path).absolute()
        if not whole.is_relative_to(folder) or _PACKAGES in whole.parts:
            raise ImportError(f"{path} is not a folder of the app", path=path)
        return found(path)

    sys.path_hooks.insert(0, find)
    sys.path_importer_cache.clear()
