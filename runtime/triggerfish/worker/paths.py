"""Where modules of the app are looked for. Behaviour: spec host-and-worker.md, section 9."""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path

from .sources import read_app


def add_packages(app: str) -> None:
    """Put the app's ``.python_packages`` on the path, where they exist."""
    library = Path(app) / ".python_packages" / "lib"
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    places = [library / "site-packages", library / version / "site-packages"]
    found = [str(place) for place in places if place.is_dir() and str(place) not in sys.path]
    if os.environ.get("PYTHON_ISOLATE_WORKER_DEPENDENCIES") == "1":
        sys.path[:0] = found
    else:
        sys.path += found


def add_app(app: str) -> None:
    """Put the app itself on the path."""
    add_packages(app)  # they may have come since the worker was started
    read_app(app)
    # Last, as in Azure: an app's folder called `email` must not hide the standard library's.
    sys.path.append(app)
    importlib.invalidate_caches()
