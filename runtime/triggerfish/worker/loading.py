"""Imports the function app and makes its functions ready to run.

v2 apps (decorators) are indexed here; of v1 apps (function.json) the host has read and
checked the files, and says what to import. A function that cannot be loaded is in error
and the others run. Behaviour: spec host-and-worker.md, sections 7 to 10.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import json
import os
import sys
import types
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from azure.functions import FunctionRegister

from . import tracebacks
from .converters import Binding
from .paths import add_app
from .plans import Plan
from .signature import SignatureError
from .sources import AppSource

NAMESPACE: Final = "__app__"


class AppError(Exception):
    """An app of which nothing can be loaded, for a reason of its own making."""


class Loaded(NamedTuple):
    """The functions that can run, why others cannot, and all that v2 apps declare."""

    plans: dict[str, Plan]
    errors: list[tuple[str, str]]
    declared: list[dict[str, Any]]


def load(app: Mapping[str, Any]) -> Loaded:
    """Import the app and return its functions. Raises whatever user code raises."""
    folder = str(app["folder"])
    os.chdir(folder)
    add_app(folder)
    if app["script"]:
        return _index(folder, str(app["script"]))
    return _load_each(folder, app["functions"])


# --- v2: decorators ---------------------------------------------------------------------------


def _index(folder: str, script: str) -> Loaded:
    module = _import_script(folder, script)
    found = {id(v): v for v in vars(module).values() if isinstance(v, FunctionRegister)}
    if not found:
        raise AppError(
            f"could not find top level function app instances in {script}. Define one there: "
            "app = azure.functions.FunctionApp()"
        )
    if len(found) > 1:
        raise AppError(
            f"more than one top level function app instance is defined in {script}. Keep one, and "
            "register the others on it as blueprints"
        )
    (app,) = found.values()
    loaded = Loaded({}, [], [])
    for function in app.get_functions():
        _add_declared(loaded, function, folder)
    return loaded


def _import_script(folder: str, script: str) -> types.ModuleType:
    name = Path(script).stem
    path = str(Path(folder, script))
    spec = importlib.util.spec_from_file_location(name, path, loader=AppSource(name, path))
    if spec is None or spec.loader is None or not path.endswith(".py"):
        raise AppError(f"{script} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _add_declared(loaded: Loaded, function: Any, folder: str) -> None:
    name = str(function.get_function_name())
    document = json.loads(function.get_function_json())
    user_function = function.get_user_function()
    try:
        bindings = [Binding.read(entry) for entry in document["bindings"]]
        loaded.plans[name] = _plan(name, user_function, bindings, folder)
    except SignatureError as error:
        loaded.errors.append((name, str(error)))
    except Exception as error:  # annotations are code of the user
        loaded.errors.append((name, _cannot_load(name, error)))
    loaded.declared.append(
        {
            "name": name,
            "entryPoint": str(getattr(user_function, "__name__", name)),
            "bindings": document["bindings"],
            "retry": _retry_policy(function),
        }
    )


def _retry_policy(function: Any) -> Any:
    # @app.retry, and with it settings of functions, came with azure-functions 1.18.
    settings = getattr(function, "get_settings_dict", None)
    return settings("retry_policy") if settings else None


# --- v1: function.json ------------------------------------------------------------------------


def _load_each(folder: str, functions: list[Mapping[str, Any]]) -> Loaded:
    namespace = types.ModuleType(NAMESPACE)
    namespace.__path__ = [folder]
    sys.modules[NAMESPACE] = namespace
    loaded = Loaded({}, [], [])
    for function in functions:
        name = str(function["name"])
        try:
            loaded.plans[name] = _load_one(folder, name, function)
        except SignatureError as error:
            loaded.errors.append((name, str(error)))
        except BaseException as error:  # user code may raise SystemExit as well
            loaded.errors.append((name, _cannot_load(name, error)))
    return loaded


def _load_one(folder: str, name: str, function: Mapping[str, Any]) -> Plan:
    directory, script = str(function["directory"]), str(function["scriptFile"])
    entry_point = str(function["entryPoint"])
    module = importlib.import_module(_module_name(folder, directory, script, name))
    user_function = getattr(module, entry_point, None)
    if user_function is None:
        raise SignatureError(
            f"cannot load the {name} function: function {entry_point}() is not present in {script}"
        )
    bindings = [Binding.read(entry) for entry in function["bindings"]]
    return _plan(name, user_function, bindings, directory)


def _module_name(folder: str, directory: str, script: str, function: str) -> str:
    path = Path(os.path.relpath(Path(directory, script), folder))
    parts = list(path.with_suffix("").parts)
    if path.suffix != ".py" or parts[0] == os.pardir:
        raise SignatureError(
            f"cannot load the {function} function: {script!r} is no Python file of the app"
        )
    if parts[-1] == "__init__":
        parts.pop()
    return ".".join([NAMESPACE, *parts])


# --- both -------------------------------------------------------------------------------------


def _plan(name: str, function: Callable[..., Any], bindings: list[Binding], directory: str) -> Plan:
    if not callable(function) or inspect.isclass(function):
        what = "a class" if inspect.isclass(function) else "not callable"
        raise SignatureError(f"cannot load the {name} function: its entry point is {what}")
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise SignatureError(
            f"cannot load the {name} function: its entry point is a generator; "
            "a function returns its value"
        )
    return Plan(name, function, bindings, directory)


def _cannot_load(name: str, error: BaseException) -> str:
    kind, message, text = tracebacks.describe(error)
    reason = f"cannot load the {name} function: {kind}: {message}"
    return f"{reason}\n{text}{hint(error)}".rstrip()


def hint(error: BaseException) -> str:
    """Return what helps with an import that failed, else nothing."""
    if not isinstance(error, ModuleNotFoundError):
        return ""
    return (
        f"Is the package of '{error.name}' listed in requirements.txt and installed for this "
        f"interpreter? It is {sys.executable}; try: {sys.executable} -m pip install -r "
        f"requirements.txt\nsys.path: {sys.path}\n"
    )
