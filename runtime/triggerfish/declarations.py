"""Reads a function.json document into a ``Function``, and checks that it is one.

Pure. Whether its settings, names and schedules make sense is ``validation``'s business.
Behaviour: spec host-and-worker.md, 6 and 7.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final, Literal

from triggerfish.binding_types import BindingType, binding_type, service_of
from triggerfish.model import RETURN, Binding, Function, RetryPolicy, TriggerfishError
from triggerfish.retry import parse_retry_policy

_FUNCTION_NAME: Final = re.compile(r"[a-z][a-z0-9_-]{0,127}", re.ASCII | re.IGNORECASE)
_BINDING_NAME: Final = re.compile(r"[a-z][a-z0-9]{0,127}", re.ASCII | re.IGNORECASE)
_RESERVED: Final = "host"
_OWN_KEYS: Final = ("name", "type", "direction")
_DIRECTIONS: Final[Mapping[str, Literal["in", "out"]]] = {"in": "in", "out": "out"}


class DeclarationError(TriggerfishError):
    """A function that is declared in a way that it cannot be; the message names the key."""


def read_function(
    name: str,
    document: Mapping[str, Any],
    *,
    directory: str,
    script_file: str,
    any_type: bool = False,
) -> Function:
    """Return the function that a function.json declares. Raises ``DeclarationError``.

    ``any_type`` leaves it to ``check_bindings`` to refuse types that are not registered.
    """
    members = {key.lower(): value for key, value in document.items()}
    return Function(
        name=name,
        bindings=_read_bindings(members.get("bindings"), any_type=any_type),
        directory=directory,
        script_file=script_file,
        entry_point=_entry_point(members.get("entrypoint")),
        retry=_retry(members.get("retry")),
    )


def _read_bindings(documents: object, *, any_type: bool) -> tuple[Binding, ...]:
    if documents is not None and not isinstance(documents, list):
        raise DeclarationError("bindings: must be a list of objects.")
    bindings = tuple(_read_binding(document) for document in documents or ())
    for binding in bindings:
        _check_spelling(binding)
    check_bindings(bindings, any_type=any_type)
    return bindings


def _read_binding(document: object) -> Binding:
    if not isinstance(document, dict):
        raise DeclarationError("bindings: every binding must be an object { … }.")
    members = {key.lower(): value for key, value in document.items()}
    name, kind = members.get("name"), members.get("type")
    if not isinstance(kind, str) or not kind:
        raise DeclarationError(f"binding '{name or ''}': type is missing; write one such as queue.")
    known = binding_type(kind)
    return Binding(
        name=str(name or ""),
        type=known.name if known else kind,
        direction=_direction(members.get("direction"), str(name)),
        properties={
            _spelling(known, key): value
            for key, value in document.items()
            if key.lower() not in _OWN_KEYS
        },
    )


def _spelling(kind: BindingType | None, key: str) -> str:
    """Return a property as the documentation spells it; names are read in any letter case."""
    names = kind.properties if kind else ()
    return next((name for name in names if name.lower() == key.lower()), key)


def _direction(value: object, name: str) -> Literal["in", "out"]:
    text = str(value if value is not None else "in").lower()
    if text == "inout":
        raise DeclarationError(
            f"binding '{name}': \"inout\" bindings are not supported; declare one in and one out."
        )
    if text not in _DIRECTIONS:
        raise DeclarationError(f"binding '{name}': direction '{value}' must be in or out.")
    return _DIRECTIONS[text]


def _entry_point(value: object) -> str:
    if value is None or value == "":
        return "main"
    if not isinstance(value, str):
        raise DeclarationError("entryPoint: must be the name of a Python function.")
    return value


def _retry(value: object) -> RetryPolicy | None:
    if value is None:
        return None
    try:
        return parse_retry_policy(value)
    except TriggerfishError as error:
        raise DeclarationError(f"{error}.") from error


def is_selected(name: str, only: Collection[str]) -> bool:
    """Whether the user's choice of functions has this one; an empty choice is all."""
    return not only or name.lower() in {chosen.lower() for chosen in only}


# --- checks, the same for both programming models ---------------------------------------------


def check_function_name(name: str) -> None:
    """Raise ``DeclarationError`` where ``name`` is none that a function can have."""
    if not _FUNCTION_NAME.fullmatch(name) or name.lower() == _RESERVED:
        raise DeclarationError(
            f"'{name}' is not a valid function name: it must start with a letter, have up to 128 "
            "letters, digits, dashes and underscores, and not be 'host'."
        )


def check_bindings(bindings: Sequence[Binding], *, any_type: bool = False) -> None:
    """Raise ``DeclarationError`` where ``bindings`` are not those of one function.

    Unless they may be of ``any_type``, all of them must be registered.
    """
    if not bindings:
        raise DeclarationError("At least one binding must be declared.")
    for binding in bindings:
        if binding.name == RETURN and binding.direction != "out":
            raise DeclarationError(f"{RETURN} bindings must specify a direction of 'out'.")
    names = [binding.name for binding in bindings]
    for name in names:
        if names.count(name) > 1:
            raise DeclarationError(
                f"Multiple bindings with name '{name}' discovered. Binding names must be unique."
            )
    triggers = [binding.name for binding in bindings if binding.is_trigger]
    if not triggers:
        raise DeclarationError(
            "No trigger binding specified. A function must have a trigger input binding."
        )
    if len(triggers) > 1:
        raise DeclarationError(
            f"Multiple trigger bindings defined ({', '.join(triggers)}). A function can only have "
            "a single trigger binding."
        )
    if not any_type:
        _check_known(bindings)
    _check_directions(bindings)


def _check_spelling(binding: Binding) -> None:
    # Of function.json only: the names that decorators give are those of Python parameters.
    if binding.name != RETURN and not _BINDING_NAME.fullmatch(binding.name):
        raise DeclarationError(
            f"The binding name {binding.name} is invalid. Please assign a valid name to the "
            "binding: a letter, then up to 127 letters and digits; no underscore."
        )


def _check_known(bindings: Sequence[Binding]) -> None:
    unknown = [binding.type for binding in bindings if binding_type(binding.type) is None]
    if unknown:
        services = " and ".join(dict.fromkeys(filter(None, map(service_of, unknown))))
        raise DeclarationError(
            f"The binding type(s) '{', '.join(dict.fromkeys(unknown))}' are not registered. "
            + (
                f"This host has no bindings of {services}; the app's other functions run."
                if services
                else "Check the spelling; which types are supported is in the README."
            )
        )


def _check_directions(bindings: Sequence[Binding]) -> None:
    for binding in bindings:
        known = binding_type(binding.type)
        if known and binding.direction not in known.directions:
            raise DeclarationError(
                f"Binding '{binding.name}': a {known.name} binding has direction "
                f"'{known.directions[0]}', not '{binding.direction}'."
            )
