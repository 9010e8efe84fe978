"""Looks at the app folder: which programming model it uses, and the v1 functions in it.

Reads function.json files and the names of files, and imports nothing: v2 functions are
indexed by a worker. Behaviour: spec host-and-worker.md, 6 to 8.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal

from triggerfish.binding_types import binding_type
from triggerfish.config.files import read_object
from triggerfish.declarations import (
    DeclarationError,
    check_bindings,
    check_function_name,
    is_selected,
    read_function,
)
from triggerfish.model import Function, FunctionError, LogLevel, LogLine, TriggerfishError

FUNCTION_JSON: Final = "function.json"
_CATEGORY: Final = "Host.Startup"
_PRIMARY: Final = re.compile(r"run\..*|index\.(?:js|mjs|cjs)|__init__\.py", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class AppLayout:
    """What an app folder holds. ``script`` is the file of a v2 app, empty for v1.

    Of a v2 app ``functions`` are empty: its worker tells them. ``notes`` are for the console.
    """

    model: Literal["v1", "v2"]
    script: str
    functions: tuple[Function, ...]
    errors: tuple[FunctionError, ...]
    notes: tuple[LogLine, ...]


def discover(
    folder: Path, *, script: str, settings: Mapping[str, str], only: Collection[str] = ()
) -> AppLayout:
    """Return what ``folder`` holds, sorted by name.

    ``script`` is the setting PYTHON_SCRIPT_FILE_NAME or its default. ``only`` limits which
    functions are looked at at all (``declarations.is_selected``).
    """
    declared = [path for path in _function_folders(folder) if is_selected(path.name, only)]
    if (folder / script).is_file():
        notes = (_mixed(script, declared),) if declared else ()
        return AppLayout("v2", script, (), (), notes)
    functions: list[Function] = []
    errors: list[FunctionError] = []
    notes = ()
    for path in declared:
        try:
            function, disabled_here = _read(path, settings)
        except TriggerfishError as error:
            errors.append(FunctionError(path.name, str(error)))
            continue
        functions.append(function)
        if disabled_here:
            notes = (*notes, _disabled_note(function.name))
    return AppLayout("v1", "", tuple(functions), tuple(errors), notes)


def _function_folders(folder: Path) -> list[Path]:
    found = (path.parent for path in folder.glob(f"*/{FUNCTION_JSON}") if path.is_file())
    return sorted(found, key=lambda path: path.name.upper())


def _mixed(script: str, declared: list[Path]) -> LogLine:
    names = ", ".join(path.name for path in declared)
    return LogLine(
        LogLevel.WARNING,
        _CATEGORY,
        f"The app is mixed: because of {script}, the {FUNCTION_JSON} of {names} may not be "
        "indexed. Declare all functions in one way.",
    )


def _disabled_note(function: str) -> LogLine:
    return LogLine(
        LogLevel.INFORMATION,
        _CATEGORY,
        f"{function}/{FUNCTION_JSON}: disabled is honoured here; newer hosts may not read it. "
        f"Set AzureWebJobs.{function}.Disabled instead.",
    )


def _read(folder: Path, settings: Mapping[str, str]) -> tuple[Function, bool]:
    name, file = folder.name, f"{folder.name}/{FUNCTION_JSON}"
    check_function_name(name)
    document = read_object(folder / FUNCTION_JSON, name=file) or {}
    try:
        function = read_function(
            name,
            document,
            directory=str(folder),
            script_file=_script_file(folder, document),
            any_type=True,
        )
        if binding_type(function.trigger.type) is None:
            check_bindings(function.bindings)  # no use in importing its code
    except DeclarationError as error:
        raise DeclarationError(f"{file}: {error}") from error
    disabled = _is_disabled(document, settings)
    return replace(function, disabled=disabled), disabled


def _script_file(folder: Path, document: Mapping[str, Any]) -> str:
    """Return the script's path, seen from the function's folder."""
    given = next((v for key, v in document.items() if key.lower() == "scriptfile"), None)
    if given:
        if not isinstance(given, str) or not (folder / given).is_file():
            raise DeclarationError(
                f"scriptFile: invalid script file name configuration; the file '{given}' does not "
                "exist. Name a file, seen from the function's folder."
            )
        return given
    files = sorted(
        path.name for path in folder.iterdir() if path.is_file() and path.name != FUNCTION_JSON
    )
    if len(files) == 1:
        return files[0]
    primary = next((name for name in files if _PRIMARY.fullmatch(name)), None)
    if primary is None:
        raise DeclarationError(
            "Unable to determine the primary function script. Call it __init__.py, or name it "
            "as scriptFile."
        )
    return primary


def _is_disabled(document: Mapping[str, Any], settings: Mapping[str, str]) -> bool:
    """Whether ``disabled`` says so: true, or the name of a setting that does."""
    value = next((v for key, v in document.items() if key.lower() == "disabled"), None)
    if isinstance(value, str):
        value = settings.get(value.strip("%"), value)
        return value.lower() in ("true", "1")
    return value is True
