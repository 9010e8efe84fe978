"""Finds the function app that a command is about. Behaviour: spec host-and-worker.md, 1."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from triggerfish.config.errors import ConfigError
from triggerfish.config.host_json import HOST_JSON
from triggerfish.config.local_settings import LOCAL_SETTINGS

DATA_FOLDER: Final = ".triggerfish"  # in the app's, for messages, blobs and history
MARKS: Final = (HOST_JSON, LOCAL_SETTINGS)
_SCRIPT: Final = "function_app.py"


def find_app_folder(
    given: Path | None = None, *, named_by: str = "triggerfish start FOLDER"
) -> Path:
    """Return the app folder: the one given, else the first from here upwards with host.json.

    Raises ``ConfigError`` where there is none; ``named_by`` is how this command is given one.
    """
    if given is not None:
        return _checked(given)
    here = Path.cwd()
    for folder in (here, *here.parents):
        if any((folder / mark).is_file() for mark in MARKS):
            return folder
    if (here / _SCRIPT).is_file():  # the one thing that an app cannot do without
        return here
    raise ConfigError(
        "is no function app: neither it nor a folder above it has a host.json",
        file=str(here),
        remedy=f"Change to the folder of an app, or name it: {named_by}.",
    )


def _checked(given: Path) -> Path:
    folder = given.expanduser().absolute()
    if not folder.is_dir():
        problem = "is a file" if folder.exists() else "does not exist"
        raise ConfigError(
            problem, file=str(given), remedy="Name the folder that has the app's host.json."
        )
    if not any((folder / mark).is_file() for mark in (*MARKS, _SCRIPT)):
        raise ConfigError(
            "is no function app: it has no host.json",
            file=str(given),
            remedy='Name the folder of an app, or write a host.json there: {"version": "2.0"}.',
        )
    return folder
