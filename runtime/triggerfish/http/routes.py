"""Which function gets a request: routes in the order of function names, the first that fits.

Pure. Behaviour: spec http-trigger.md, 2.3 and 2.4.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from triggerfish.http.route_template import RouteError, RouteTemplate, path_segments
from triggerfish.model import Function, FunctionError

HTTP_TRIGGER: Final = "httptrigger"
_OF_THE_HOST: Final = ("admin", "runtime")


@dataclass(frozen=True, slots=True)
class RouteMatch:
    """The function that a request is for, and its route parameters (None: optional, absent).

    One that is in error has its route all the same; it cannot run.
    """

    function: Function
    values: Mapping[str, str | None]
    can_run: bool = True


@dataclass(frozen=True, slots=True)
class _Route:
    function: Function
    methods: frozenset[str]  # empty: every method
    template: RouteTemplate
    conflicts_by: str  # the route as its conflicts are found


@dataclass(frozen=True, slots=True)
class Routes:
    """The routes of an app; ``errors`` are the functions that could not be given theirs."""

    _routes: tuple[_Route, ...] = ()
    errors: tuple[FunctionError, ...] = ()
    _in_error: tuple[_Route, ...] = ()

    @classmethod
    def of(cls, functions: Iterable[Function], *, prefix: str) -> Routes:
        """Map the HTTP functions among ``functions``; give only such as can run, or disabled."""
        routes: list[_Route] = []
        errors: list[FunctionError] = []
        for function in sorted(filter(is_http, functions), key=lambda f: f.name.upper()):
            try:
                route = _route(function, prefix)
                _check_conflicts(route, routes)
            except RouteError as error:
                errors.append(FunctionError(function.name, str(error)))
            else:
                routes.append(route)
        return cls(tuple(routes), tuple(errors))

    def without(self, names: Collection[str]) -> Routes:
        """Return the routes less those of some functions, which cannot run after all."""
        kept = tuple(route for route in self._routes if route.function.name not in names)
        return replace(self, _routes=kept)

    def beside(self, in_error: Iterable[Function], *, prefix: str) -> Routes:
        """Return the routes with those of functions that are in error, as far as they make sense.

        Where a function that runs fits as well, it has the request.
        """
        return replace(self, _in_error=Routes.of(in_error, prefix=prefix)._routes)

    def choose(self, method: str, path: str) -> RouteMatch | None:
        """Return the match of the first route that fits; ``path`` is raw, without query."""
        segments = path_segments(path)
        found = _first(self._routes, method, segments)
        if found is not None:
            return RouteMatch(*found)
        found = _first(self._in_error, method, segments)
        return None if found is None else RouteMatch(*found, can_run=False)

    def route_of(self, function: str) -> str | None:
        """Return the route with its prefix as written, None where the function has none."""
        for route in self._routes:
            if route.function.name == function:
                return route.template.text
        return None

    def log_text(self) -> str:
        """Return what the host logs at start about its routes."""
        if not self._routes:
            return "No HTTP routes mapped"
        lines = ["Initializing function HTTP routes"]
        for route in self._routes:
            methods = ",".join(methods_of(route.function)) or "all"
            lines.append(
                f"Mapped function route '{route.template.text}' [{methods.lower()}] "
                f"to '{route.function.name}'"
            )
        return "\n".join(lines)


def _first(
    routes: Iterable[_Route], method: str, segments: Sequence[str]
) -> tuple[Function, Mapping[str, str | None]] | None:
    for route in routes:
        if route.methods and method not in route.methods:
            continue
        values = route.template.match(segments)
        if values is not None:
            return route.function, values
    return None


def is_http(function: Function) -> bool:
    """Whether requests run the function."""
    return any(binding.type.lower() == HTTP_TRIGGER for binding in function.bindings)


def methods_of(function: Function) -> tuple[str, ...]:
    """Return the methods an HTTP function names, in upper case; none means all."""
    methods = function.trigger.properties.get("methods") or ()
    listed = (methods,) if isinstance(methods, str) else methods
    return tuple(str(method).upper() for method in listed)


def _route(function: Function, prefix: str) -> _Route:
    route = str(function.trigger.properties.get("route") or "").strip() or function.name
    if route.strip("/").lower().startswith(_OF_THE_HOST):
        raise RouteError(
            f"route '{route}': conflicts with one or more built in routes. Choose another."
        )
    prefix, below = prefix.strip("/"), route.removeprefix("/")  # ASGI apps declare "/{*route}"
    template = RouteTemplate.parse(f"{prefix}/{below}" if prefix else below)
    return _Route(function, frozenset(methods_of(function)), template, route.strip("/").lower())


def _check_conflicts(route: _Route, earlier: Iterable[_Route]) -> None:
    for other in earlier:
        overlap = not route.methods or not other.methods or route.methods & other.methods
        if other.conflicts_by == route.conflicts_by and overlap:
            raise RouteError(
                f"route '{route.conflicts_by}': conflicts with the route of function "
                f"'{other.function.name}'. Change one of them, or its methods."
            )
