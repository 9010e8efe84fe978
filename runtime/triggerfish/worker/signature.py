"""Does a Python function fit its bindings? The rules of spec host-and-worker.md, section 10.

Pure: looks at annotations, imports and runs nothing. Every message begins with
``cannot load the <F> function: ``.
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple, NoReturn, get_args

import azure.functions as func

from .converters import Binding, converter_of

RETURN: Final = "$return"
_UNIONS: Final = (typing.Union, getattr(__import__("types"), "UnionType", typing.Union))
_MESSAGES: Final = (func.QueueMessage, str, bytes)
_SAME_NAMES: Final = (
    'Give parameter and binding one name: "name" in function.json, arg_name in decorators'
)
_CONTEXT: Final = 'The parameter for azure.functions.Context must be named "context"'
_NOT_SUPPORTED: Final = {
    "azurefunctions.extensions.http": "HTTP streaming (azurefunctions-extensions-http-fastapi)",
    "azurefunctions.extensions": "a type of the SDK bindings (azurefunctions-extensions-…)",
    "azure.storage": "a client of the Azure SDK as a parameter",
    "fastapi": "HTTP streaming (azurefunctions-extensions-http-fastapi)",
    "starlette": "HTTP streaming (azurefunctions-extensions-http-fastapi)",
}


class SignatureError(Exception):
    """A function that does not fit its bindings."""


class Parameter(NamedTuple):
    """A binding and the type its parameter is annotated with, ``None`` where it is not."""

    binding: Binding
    annotation: Any


class Signature(NamedTuple):
    """What a function takes and gives, checked."""

    inputs: tuple[Parameter, ...]
    outputs: tuple[Parameter, ...]
    returns: Parameter | None
    wants_context: bool


def check(name: str, function: Callable[..., Any], bindings: Sequence[Binding]) -> Signature:
    """Return how ``function`` is called. Raises ``SignatureError``."""
    return _Check(name).run(function, bindings)


class _Check:
    def __init__(self, name: str) -> None:
        self._name = name

    def run(self, function: Callable[..., Any], bindings: Sequence[Binding]) -> Signature:
        bound = self._bound(bindings)
        annotations = self._annotations(function)
        parameters = inspect.signature(function).parameters
        wants_context = "context" in parameters and "context" not in bound
        if wants_context:
            self._check_context(annotations)
        declared = {name for name in parameters if not (wants_context and name == "context")}
        self._check_names(declared, bound, annotations)
        checked = [
            self._parameter(binding, annotations)
            for name, binding in bound.items()
            if name != RETURN
        ]
        returns = bound.get(RETURN)
        return Signature(
            tuple(p for p in checked if p.binding.direction == "in"),
            tuple(p for p in checked if p.binding.direction == "out"),
            self._returns(returns, annotations) if returns else None,
            wants_context,
        )

    def _fail(self, message: str) -> NoReturn:
        raise SignatureError(f"cannot load the {self._name} function: {message}")

    def _bound(self, bindings: Sequence[Binding]) -> Mapping[str, Binding]:
        for binding in bindings:
            if binding.direction == "inout":
                self._fail('"inout" bindings are not supported')
            if binding.name == RETURN and binding.direction != "out":
                self._fail('"$return" binding must have direction set to "out"')
        return {binding.name: binding for binding in bindings}

    def _annotations(self, function: Callable[..., Any]) -> Mapping[str, Any]:
        try:
            return typing.get_type_hints(function)
        except TypeError:
            return {}  # a callable that carries no annotations
        except Exception as error:
            self._fail(f"an annotation cannot be resolved: {type(error).__name__}: {error}")

    def _check_context(self, annotations: Mapping[str, Any]) -> None:
        annotation = annotations.get("context")
        if annotation is None or _is_context(annotation):
            return
        self._fail(
            'the "context" parameter is expected to be of type azure.functions.Context, '
            f"got {annotation!r}"
        )

    def _check_names(
        self, declared: set[str], bound: Mapping[str, Binding], annotations: Mapping[str, Any]
    ) -> None:
        missing = declared - set(bound)
        if missing:
            misnamed = any(_is_context(annotations.get(name)) for name in missing)
            self._fail(
                "the following parameters are declared in Python but not in function.json: "
                f"{_set(missing)}. {_CONTEXT if misnamed else _SAME_NAMES}"
            )
        missing = set(bound) - declared - {RETURN}
        if missing:
            self._fail(
                "the following parameters are declared in function.json but not in Python: "
                f"{_set(missing)}. {_SAME_NAMES}"
            )

    def _parameter(self, binding: Binding, annotations: Mapping[str, Any]) -> Parameter:
        if binding.name not in annotations:
            return Parameter(binding, None)
        annotation = annotations[binding.name]
        is_out = _is_out(annotation)
        if is_out:
            arguments = get_args(annotation)
            if len(arguments) != 1:
                self._fail(f"binding {binding.name} has invalid Out annotation {annotation!r}")
            annotation = arguments[0]
        self._check_supported(binding, annotation)
        if not _is_class(annotation) and not _is_generic(annotation):
            self._fail(f"binding {binding.name} has invalid non-type annotation {annotation!r}")
        self._check_direction(binding, is_out=is_out)
        if not _fits(binding, annotation):
            self._fail(_mismatch(binding, annotation))
        return Parameter(binding, annotation)

    def _check_supported(self, binding: Binding, annotation: Any) -> None:
        module = str(getattr(annotation, "__module__", ""))
        for prefix, what in _NOT_SUPPORTED.items():
            if module == prefix or module.startswith(prefix + "."):
                self._fail(
                    f"parameter {binding.name} is annotated with "
                    f"{module}.{_name(annotation)}: {what} is not supported by this host; "
                    "annotate it with a type of azure.functions"
                )

    def _check_direction(self, binding: Binding, *, is_out: bool) -> None:
        if binding.direction == "out" and not is_out:
            self._fail(
                f'binding {binding.name} is declared to have the "out" direction, but its '
                "annotation in Python is not a subclass of azure.functions.Out"
            )
        if binding.direction == "in" and is_out:
            self._fail(
                f'binding {binding.name} is declared to have the "in" direction, but its '
                "annotation in Python is azure.functions.Out"
            )

    def _returns(self, binding: Binding, annotations: Mapping[str, Any]) -> Parameter:
        if "return" not in annotations:
            return Parameter(binding, None)
        annotation = annotations["return"]
        if _is_out(annotation):
            self._fail("return annotation should not be azure.functions.Out")
        self._check_supported(binding, annotation)
        if not _is_class(annotation):
            self._fail(f"has invalid non-type return annotation {annotation!r}")
        if not _fits(binding, annotation):
            self._fail(
                f'Python return annotation "{_name(annotation)}" does not match binding type '
                f'"{binding.type}"'
            )
        return Parameter(binding, annotation)


def _fits(binding: Binding, annotation: Any) -> bool:
    if binding.direction == "in":
        if annotation in (str, bytes):
            return True  # the raw value, whatever the binding
        check = "check_input_type_annotation"
    elif binding.type.lower() == "queue" and _is_messages(annotation):
        return True
    else:
        check = "check_output_type_annotation"
    try:
        return bool(getattr(converter_of(binding.type), check)(annotation))
    except (AttributeError, TypeError):  # no such direction, or a generic where a class must be
        return False


def _is_messages(annotation: Any) -> bool:
    # The library means to accept iterables of these: it compares its own messages the wrong
    # way, and does not know ``list[str]``.
    origin = typing.get_origin(annotation)
    return (
        isinstance(origin, type)
        and issubclass(origin, Iterable)
        and any(_is_class(a) and issubclass(a, _MESSAGES) for a in get_args(annotation))
    )


def _mismatch(binding: Binding, annotation: Any) -> str:
    name = _name(annotation)
    if binding.data_type:
        return (
            f'{binding.name!r} binding type "{binding.type}" and dataType '
            f'"{binding.data_type}" in function.json do not match the corresponding '
            f'Python annotation "{name}"'
        )
    return (
        f'type of {binding.name} binding in function.json "{binding.type}" does not match '
        f'its Python annotation "{name}"'
    )


def _is_class(annotation: Any) -> bool:
    # Before Python 3.11 list[str] claims to be a class.
    return isinstance(annotation, type) and typing.get_origin(annotation) is None


def _is_context(annotation: Any) -> bool:
    return _is_class(annotation) and annotation.__name__ == "Context"


def _is_generic(annotation: Any) -> bool:
    origin = typing.get_origin(annotation)
    return origin is not None and origin not in _UNIONS


def _is_out(annotation: Any) -> bool:
    named = typing.get_origin(annotation) or annotation
    return isinstance(named, type) and named.__name__ == "Out"


def _name(annotation: Any) -> str:
    return getattr(annotation, "__name__", None) or repr(annotation)


def _set(names: set[str]) -> str:
    return "{" + ", ".join(repr(name) for name in sorted(names)) + "}"
