"""What a generation loads, and what its workers report of it, as the host's own nouns.

Pure. Behaviour: spec host-and-worker.md, sections 7, 8 and 17.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from triggerfish.declarations import read_function
from triggerfish.model import Function, FunctionError, TriggerfishError


@dataclass(frozen=True, slots=True)
class AppToLoad:
    """One state of a function app.

    A v2 app names its script (``function_app.py``) and is indexed by the worker; a v1 app
    has none, and brings the functions that its function.json files declare.
    """

    folder: Path
    script: str = ""
    functions: tuple[Function, ...] = ()


class AppLoadError(TriggerfishError):
    """The app does not load: nothing of it can run until the user has mended it.

    ``traceback`` is the user's, without frames of the worker; empty where there is none.
    ``file`` is empty and ``line`` is 0 where the fault has no place in the app.
    """

    def __init__(self, message: str, *, traceback: str = "", file: str = "", line: int = 0) -> None:
        super().__init__(message)
        self.traceback = traceback
        self.file = file
        self.line = line


@dataclass(frozen=True, slots=True)
class Contents:
    """The functions of an app that has been loaded, and those that could not be.

    ``unloaded`` are those of ``errors`` whose declaration makes sense, though their code does not.
    """

    functions: tuple[Function, ...]
    errors: tuple[FunctionError, ...]
    unloaded: tuple[Function, ...] = ()


def load_request(app: AppToLoad) -> dict[str, Any]:
    """Return what the worker is told to load."""
    return {
        "folder": str(app.folder.absolute()),
        "script": app.script,
        "functions": [_function_to_load(function) for function in app.functions],
    }


def contents(app: AppToLoad, report: Mapping[str, Any]) -> Contents:
    """Return what the worker has loaded."""
    errors = [FunctionError(str(name), str(message)) for name, message in report["errors"]]
    failed = {error.function for error in errors}
    functions = list(app.functions)
    for declared in report["functions"]:
        name = str(declared["name"])
        try:
            functions.append(_declared_function(app, declared))
        except TriggerfishError as error:
            if name not in failed:
                errors.append(FunctionError(name, f"{app.script}: {error}"))
    return Contents(
        functions=tuple(f for f in functions if f.name not in failed),
        errors=tuple(errors),
        unloaded=tuple(f for f in functions if f.name in failed),
    )


def load_error(app: AppToLoad, report: Mapping[str, Any]) -> AppLoadError:
    """Return the error of an app that raised while it was imported."""
    kind, message = str(report["type"]), str(report["message"])
    file, line = str(report["file"]), int(report["line"])
    text = f"{kind}: {message}" if kind else message
    if file:
        text = f"{file}, line {line}: {text}"
    elif kind and app.script:
        text = f"{app.script}: {text}"  # raised by the library, for what the script declares
    # An app without a type of error broke a rule of the host: there is no traceback to show.
    traceback = str(report["traceback"]) if kind else ""
    return AppLoadError(text, traceback=traceback, file=file, line=line)


def _function_to_load(function: Function) -> dict[str, Any]:
    return {
        "name": function.name,
        "directory": function.directory,
        "scriptFile": function.script_file,
        "entryPoint": function.entry_point,
        "bindings": [
            {
                "name": binding.name,
                "type": binding.type,
                "direction": binding.direction,
                "dataType": binding.data_type,
            }
            for binding in function.bindings
        ],
    }


def _declared_function(app: AppToLoad, declared: Mapping[str, Any]) -> Function:
    document = {key: declared[key] for key in ("bindings", "entryPoint", "retry")}
    name, folder = str(declared["name"]), str(app.folder)
    return read_function(
        name, document, directory=folder, script_file=app.script, any_type=True
    )  # validation refuses what is not registered, and knows the function's route
