"""What lies where in a data folder."""

from __future__ import annotations

from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final

DATABASE_FILE: Final = "storage.db"
CONTENTS_FOLDER: Final = "contents"
SNAPSHOTS_FOLDER: Final = "snapshots"
CONTROL_FILE: Final = "control.json"
SCRATCH_FOLDER: Final = "scratch"


def migrations() -> Traversable:
    """Return the folder of the schema's steps, which the package carries."""
    return files("triggerfish_storage") / "migrations"
