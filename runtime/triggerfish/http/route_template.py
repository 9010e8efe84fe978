"""Route templates: ``api/items/{id:int?}``, parsed once, matched against paths.

Pure. Which of several functions gets a request is ``routes``. Behaviour: spec
http-trigger.md, 2.1. https://learn.microsoft.com/aspnet/core/fundamentals/routing
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final
from urllib.parse import unquote

from triggerfish.captures import capture_spans
from triggerfish.http.constraints import Constraint, constraint
from triggerfish.model import TriggerfishError


class RouteError(TriggerfishError):
    """A route that cannot be used, and why."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """``{name:constraint=default}``, ``{name?}`` or ``{*name}``."""

    name: str
    constraints: tuple[Constraint, ...] = ()
    default: str | None = None
    optional: bool = False
    catch_all: bool = False

    @property
    def may_be_absent(self) -> bool:
        return self.optional or self.catch_all or self.default is not None


Part = str | Parameter
Values = dict[str, str | None]


@dataclass(frozen=True, slots=True)
class RouteTemplate:
    """A parsed template; literals are in lower case."""

    text: str
    segments: tuple[tuple[Part, ...], ...]

    @classmethod
    def parse(cls, text: str) -> RouteTemplate:
        """Parse a template; a slash at its end means nothing. Raises ``RouteError``."""
        segments = _segments(text)
        _check(text, segments)
        return cls(text, segments)

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        return tuple(
            part for segment in self.segments for part in segment if isinstance(part, Parameter)
        )

    def match(self, path: Sequence[str]) -> Values | None:
        """Return the parameters' values for the segments of a path, None without a match.

        An optional parameter that is absent has the value None, an empty catch-all none.
        """
        values: Values = {}
        for index, segment in enumerate(self.segments):
            first = segment[0]
            if isinstance(first, Parameter) and first.catch_all:
                rest = "/".join(path[index:]) or first.default
                if rest:
                    values[first.name] = rest
                path = path[:index]
                break
            found = _match_segment(segment, path[index] if index < len(path) else None, values)
            if not found:
                return None
        if len(path) > len(self.segments) or not self._is_allowed(values):
            return None
        return values

    def _is_allowed(self, values: Values) -> bool:
        return all(
            accepts(value)
            for parameter in self.parameters
            if parameter.constraints and (value := values.get(parameter.name)) is not None
            for accepts in parameter.constraints
        )


def path_segments(raw_path: str) -> list[str]:
    """Part the path of a request, decoding it once but for encoded slashes."""
    path = raw_path.removeprefix("/").removesuffix("/")
    if not path:
        return []
    if "%" in path:
        path = "".join(
            piece if piece.lower() == "%2f" else unquote(piece)
            for piece in _ENCODED_SLASH.split(path)
        )
    return path.split("/")


_ENCODED_SLASH: Final = re.compile(r"(%2[fF])")


# --- matching ---------------------------------------------------------------------------------


def _match_segment(segment: tuple[Part, ...], text: str | None, values: Values) -> bool:
    if len(segment) > 1:
        return text is not None and _match_parts(segment, text, values)
    only = segment[0]
    if isinstance(only, str):
        return text is not None and text.lower() == only
    if text:
        values[only.name] = text
    elif text is None and only.may_be_absent:
        values[only.name] = only.default
    else:
        return False
    return True


def _match_parts(segment: tuple[Part, ...], text: str, values: Values) -> bool:
    literals = [""]
    parameters: list[Parameter] = []
    for part in segment:
        if isinstance(part, str):
            literals[-1] = part
        else:
            parameters.append(part)
            literals.append("")
    spans = capture_spans(_folded(text), literals, shortest=1)
    if spans is not None:
        for parameter, (start, end) in zip(parameters, spans, strict=True):
            values[parameter.name] = text[start:end]
        return True
    if not parameters[-1].optional:
        return False
    # {name}.{ext?}: without an extension its dot is absent too.
    values[parameters[-1].name] = None
    return _match_segment(segment[:-2], text, values)


def _folded(text: str) -> str:
    lowered = text.lower()
    return lowered if len(lowered) == len(text) else text  # positions must stay


# --- parsing ----------------------------------------------------------------------------------

_TOKEN: Final = re.compile(
    r"(?P<literal>(?:\{\{|\}\}|[^{}/])+)|(?P<slash>/)|\{(?P<parameter>(?:\{\{|\}\}|[^{}])*)\}"
)
_CONSTRAINT: Final = re.compile(r":([^:(=]*)(?:\((.*?)\)(?=$|[:=]))?", re.DOTALL)


def _segments(text: str) -> tuple[tuple[Part, ...], ...]:
    segments: list[list[Part]] = [[]]
    at = 0
    while at < len(text):
        token = _TOKEN.match(text, at)
        if token is None:
            raise RouteError(f"route '{text}': a brace at position {at + 1} has no partner.")
        if token.lastgroup == "slash":
            segments.append([])
        elif token.lastgroup == "literal":
            segments[-1].append(_literal(text, token["literal"]))
        else:
            segments[-1].append(_parameter(text, token["parameter"]))
        at = token.end()
    if len(segments) > 1 and not segments[-1]:
        segments.pop()
    if segments == [[]]:
        return ()
    return tuple(tuple(segment) for segment in segments)


def _literal(route: str, token: str) -> str:
    if "?" in token:
        raise RouteError(f"route '{route}': the text '{token}' cannot contain '?'.")
    return token.replace("{{", "{").replace("}}", "}").lower()


def _parameter(route: str, token: str) -> Parameter:
    body = token.replace("{{", "{").replace("}}", "}")
    bare = body.lstrip("*")
    stars = len(body) - len(bare)
    optional = bare.endswith("?")
    bare = bare.removesuffix("?")
    name = re.split("[:=]", bare, maxsplit=1)[0]
    if not name or stars > 2 or re.search(r"[/{}?*]", name):
        raise RouteError(f"route '{route}': the parameter '{{{body}}}' has no valid name.")
    constraints, default = _constraints(route, bare[len(name) :])
    if optional and (default is not None or stars):
        raise RouteError(
            f"route '{route}': the parameter '{name}' is optional, so it can neither have a "
            "default nor be a catch-all."
        )
    return Parameter(name, constraints, default, optional, catch_all=bool(stars))


def _constraints(route: str, text: str) -> tuple[tuple[Constraint, ...], str | None]:
    found: list[Constraint] = []
    at = 0
    while match := _CONSTRAINT.match(text, at):
        try:
            found.append(constraint(match[1], match[2]))
        except ValueError as error:
            raise RouteError(f"route '{route}': {error}.") from error
        at = match.end()
    if at < len(text) and text[at] != "=":
        raise RouteError(f"route '{route}': the constraint '{text[at:]}' cannot be read.")
    return tuple(found), text[at + 1 :] if at < len(text) else None


def _check(route: str, segments: tuple[tuple[Part, ...], ...]) -> None:
    names: set[str] = set()
    absent_from = len(segments)
    for index, segment in enumerate(segments):
        if not segment:
            raise RouteError(f"route '{route}': two slashes follow each other.")
        _check_segment(route, segment)
        for part in segment:
            if isinstance(part, Parameter):
                if part.name.lower() in names:
                    raise RouteError(f"route '{route}': the parameter '{part.name}' occurs twice.")
                names.add(part.name.lower())
        only = segment[0]
        if isinstance(only, Parameter) and only.catch_all and index < len(segments) - 1:
            raise RouteError(f"route '{route}': a catch-all parameter must be the last element.")
        if isinstance(only, Parameter) and len(segment) == 1 and only.optional:
            absent_from = min(absent_from, index)
        elif index > absent_from and not (isinstance(only, Parameter) and only.may_be_absent):
            raise RouteError(f"route '{route}': an optional parameter must be at the end.")


def _check_segment(route: str, segment: tuple[Part, ...]) -> None:
    if len(segment) == 1:
        return
    for before, part in pairwise(segment):
        if isinstance(before, Parameter) and isinstance(part, Parameter):
            raise RouteError(f"route '{route}': between two parameters there must be a text.")
    for index, part in enumerate(segment):
        if not isinstance(part, Parameter):
            continue
        if part.catch_all or part.default is not None:
            raise RouteError(
                f"route '{route}': the parameter '{part.name}' shares its segment, so it can "
                "neither be a catch-all nor have a default."
            )
        if part.optional and (index < len(segment) - 1 or segment[index - 1] != "."):
            raise RouteError(
                f"route '{route}': the optional parameter '{part.name}' must follow a '.' at "
                "the end of its segment."
            )
