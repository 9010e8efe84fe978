"""Decides, when functions are indexed, which of them can run, with all settings put in.

For both programming models. A function that cannot run is in error and the others run.
Pure: opens no account. Behaviour: spec host-and-worker.md, 5 to 8; binding-expressions.md, 7;
queue-trigger.md, 1; blob-trigger.md, 1 and 2; timer-trigger.md, 1 and 2; http-trigger.md, 2.4.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from triggerfish.binding_types import binding_type
from triggerfish.config.connections import find_connection
from triggerfish.declarations import (
    DeclarationError,
    check_bindings,
    check_function_name,
    is_selected,
)
from triggerfish.expressions import Lookup, Template, resolve_settings, setting_lookup
from triggerfish.http.routes import Routes
from triggerfish.model import Binding, Function, FunctionError, TriggerfishError
from triggerfish.names import (
    blob_name_problem,
    container_name_problem,
    queue_name_problem,
    table_name_problem,
)
from triggerfish.path_pattern import PathPattern
from triggerfish.schedule import parse_schedule


@dataclass(frozen=True, slots=True)
class Validated:
    """The functions that can run, sorted by name and with their settings put in."""

    functions: tuple[Function, ...]
    errors: tuple[FunctionError, ...]
    routes: Routes


def validate(
    functions: Iterable[Function],
    *,
    settings: Mapping[str, str],
    route_prefix: str,
    script: str = "",
    only: Collection[str] = (),
) -> Validated:
    """Check every function of an app.

    ``script`` is the file of a v2 app, to be named in errors; a v1 app has a function.json for
    each function. ``only`` limits which are looked at at all, by name in any letter case; empty
    means all.
    """
    valid: list[Function] = []
    errors: list[FunctionError] = []
    names: set[str] = set()
    for function in sorted(functions, key=lambda f: f.name.upper()):
        if not is_selected(function.name, only):
            continue
        try:
            _check_unique(function.name, names)
            valid.append(_validate(function, settings))
        except DeclarationError as error:
            errors.append(_in_file(FunctionError(function.name, str(error)), script))
        except TriggerfishError as error:
            errors.append(FunctionError(function.name, str(error)))
    routes = Routes.of((f for f in valid if not f.disabled), prefix=route_prefix)
    unroutable = {error.function for error in routes.errors}
    return Validated(
        functions=tuple(f for f in valid if f.name not in unroutable),
        errors=(*errors, *(_in_file(error, script) for error in routes.errors)),
        routes=routes,
    )


def _in_file(error: FunctionError, script: str) -> FunctionError:
    file = script or f"{error.function}/function.json"
    return replace(error, message=f"{file}: {error.message}")


def is_disabled(name: str, settings: Mapping[str, str]) -> bool:
    """Whether a setting switches the function off (host-and-worker.md, 6)."""
    keys = (f"azurewebjobs.{name}.disabled".lower(), f"azurewebjobs_{name}_disabled".lower())
    return any(
        value.strip().lower() in ("true", "1")
        for key, value in settings.items()
        if key.lower() in keys
    )


def _check_unique(name: str, names: set[str]) -> None:
    if name.lower() in names:
        raise DeclarationError(
            f"Function '{name}' does not have a unique function name. Rename one of them."
        )
    names.add(name.lower())


def _validate(function: Function, settings: Mapping[str, str]) -> Function:
    check_function_name(function.name)
    check_bindings(function.bindings)
    lookup = setting_lookup(settings)
    bindings = tuple(_ready(binding, lookup) for binding in function.bindings)
    for binding in bindings:
        _check(binding, settings)
    disabled = function.disabled or is_disabled(function.name, settings)
    return replace(function, bindings=bindings, disabled=disabled)


def _ready(binding: Binding, lookup: Lookup) -> Binding:
    """Return the binding with its type spelled as registered and its settings put in."""
    kind = binding_type(binding.type)
    if kind is None:  # not reached: unregistered types are refused first
        return binding
    properties = dict(binding.properties)
    for key in kind.resolved:
        value = properties.get(key)
        if isinstance(value, str):
            try:
                properties[key] = resolve_settings(value, lookup)
            except TriggerfishError as error:
                remedy = "Add the setting to Values in local.settings.json, or correct the text."
                raise _told(binding, key, f"{error} {remedy}") from error
    return replace(binding, type=kind.name, properties=properties)


# --- one binding ------------------------------------------------------------------------------


def _check(binding: Binding, settings: Mapping[str, str]) -> None:
    kind = binding_type(binding.type)
    if kind is None:
        return
    for key in kind.required:
        value = binding.properties.get(key)
        if not isinstance(value, str) or not value.strip():
            raise _fault(binding, key, "is required; write a text.")
    check = _CHECKS.get(kind.name)
    if check is not None:
        check(binding)
    if "connection" in kind.resolved:
        find_connection(_connection(binding), settings)


def _connection(binding: Binding) -> str:
    value = binding.properties.get("connection")
    if value is not None and not isinstance(value, str):
        raise _fault(binding, "connection", "must be the name of a setting.")
    return value or ""


def _check_queue_trigger(binding: Binding) -> None:
    _check_queue_name(binding, binding.properties["queueName"])


def _check_queue_output(binding: Binding) -> None:
    name = binding.properties["queueName"]
    if not _is_template(binding, "queueName"):
        _check_queue_name(binding, name)


def _check_queue_name(binding: Binding, name: str) -> None:
    problem = queue_name_problem(name.lower())
    if problem:
        raise _fault(binding, "queueName", f"{problem}.")


def _check_blob_trigger(binding: Binding) -> None:
    try:
        PathPattern.parse(binding.properties["path"])
    except TriggerfishError as error:
        raise _told(binding, "", str(error)) from error
    source = binding.properties.get("source")
    if source is not None and str(source).lower() not in _BLOB_SOURCES:
        raise _fault(binding, "source", "must be LogsAndContainerScan or EventGrid.")


def _check_blob(binding: Binding) -> None:
    differs = _is_template(binding, "path")
    container, slash, blob = binding.properties["path"].partition("/")
    if "{" in container:
        return  # known when it runs
    problem = container_name_problem(container)
    if slash and not differs:
        problem = problem or blob_name_problem(blob)
    if problem or not slash:
        raise _fault(binding, "path", f"{problem or 'it must have the form container/blob'}.")


def _check_timer(binding: Binding) -> None:
    try:
        parse_schedule(binding.properties["schedule"])
    except TriggerfishError as error:
        raise _told(binding, "schedule", str(error)) from error


def _check_table(binding: Binding) -> None:
    for key in ("partitionKey", "rowKey", "filter"):
        if isinstance(binding.properties.get(key), str):
            _is_template(binding, key)
    if not _is_template(binding, "tableName"):
        problem = table_name_problem(binding.properties["tableName"])
        if problem:
            raise _fault(binding, "tableName", f"{problem}.")


def _check_http_trigger(binding: Binding) -> None:
    level = binding.properties.get("authLevel")
    if level is not None and str(level).lower() not in _AUTH_LEVELS:
        raise _fault(binding, "authLevel", f"must be {', '.join(_AUTH_LEVELS)}.")
    if not isinstance(binding.properties.get("route") or "", str):
        raise _fault(binding, "route", "must be a text such as items/{id}.")
    methods = binding.properties.get("methods")
    listed = methods if isinstance(methods, list | tuple) else [methods]
    if not all(method is None or _is_method(method) for method in listed):
        raise _fault(binding, "methods", 'must be a list such as ["get", "post"].')


def _is_method(method: object) -> bool:
    return isinstance(method, str) and re.fullmatch(r"[A-Za-z-]+", method.strip()) is not None


def _is_template(binding: Binding, key: str) -> bool:
    """Whether the text differs between invocations; it must be well-formed if so."""
    text: str = binding.properties[key]
    try:
        Template.parse(text)
    except TriggerfishError as error:
        raise _told(binding, key, str(error)) from error
    return "{" in text


def _fault(binding: Binding, key: str, problem: str) -> DeclarationError:
    value = binding.properties.get(key)
    return _told(binding, key if value in (None, "") else f"{key} '{value}'", problem)


def _told(binding: Binding, key: str, problem: str) -> DeclarationError:
    """Return the error for a problem whose text says itself what stands there."""
    return DeclarationError(f"binding '{binding.name}': {f'{key}: ' if key else ''}{problem}")


_BLOB_SOURCES: Final = ("logsandcontainerscan", "eventgrid")
_AUTH_LEVELS: Final = ("anonymous", "function", "admin")
_CHECKS: Final[Mapping[str, Callable[[Binding], None]]] = {
    "queueTrigger": _check_queue_trigger,
    "queue": _check_queue_output,
    "blobTrigger": _check_blob_trigger,
    "blob": _check_blob,
    "timerTrigger": _check_timer,
    "table": _check_table,
    "httpTrigger": _check_http_trigger,
}
