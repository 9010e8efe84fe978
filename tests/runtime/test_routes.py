"""Routes: templates, constraints, and which function gets a request."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triggerfish.http.route_template import RouteError, RouteTemplate, path_segments
from triggerfish.http.routes import RouteMatch, Routes
from triggerfish.model import Binding, Function


def http_function(name: str, route: str | None = None, methods: Any = None) -> Function:
    properties = {"route": route, "methods": methods}
    trigger = Binding("req", "httpTrigger", "in", properties)
    return Function(name, (trigger, Binding("$return", "http", "out")), name, "__init__.py")


def routes(*definitions: str, prefix: str = "api") -> Routes:
    """Routes of ``name: route [methods]`` texts."""
    functions = []
    for definition in definitions:
        name, _, rest = definition.partition(": ")
        route, _, methods = rest.partition(" ")
        functions.append(http_function(name, route, methods.split(",") if methods else None))
    return Routes.of(functions, prefix=prefix)


def chosen(match: RouteMatch | None) -> tuple[str, dict[str, str | None]] | None:
    return None if match is None else (match.function.name, dict(match.values))


@pytest.mark.parametrize(
    ("definitions", "request_line", "expected"),
    [
        (["a: items/{id}", "b: items/top"], "GET /api/items/top", ("a", {"id": "top"})),
        (["z: items/{id}", "b: items/top"], "GET /api/items/top", ("b", {})),
        (["Z: items/{id}", "b: items/top"], "GET /api/items/top", ("b", {})),
        (["a: items/{id:int}", "b: items/{name}"], "GET /api/items/x", ("b", {"name": "x"})),
        (["a: items get", "b: items post"], "POST /api/items", ("b", {})),
        (["a: items get"], "HEAD /api/items", None),
        (["a: items get"], "OPTIONS /api/items", None),
        (["a: items get"], "POST /api/items", None),
        (["a: items GET"], "GET /api/items", ("a", {})),
        (["a: {*any}", "b: items"], "GET /api/items", ("a", {"any": "items"})),
        (["a: items/{id?}"], "GET /api/items", ("a", {"id": None})),
        (["a: items/{id?}"], "GET /api/items/", ("a", {"id": None})),
        (["a: items/{id?}"], "GET /api/items/5", ("a", {"id": "5"})),
        (["a: items/{id?}/"], "GET /api/items/5/", ("a", {"id": "5"})),
        (["a: files/{*path}"], "GET /api/files/x/y.txt", ("a", {"path": "x/y.txt"})),
        (["a: files/{**path}"], "GET /api/files/x/y.txt", ("a", {"path": "x/y.txt"})),
        (["a: files/{*path}"], "GET /api/files", ("a", {})),
        (["a: files/{*path=all}"], "GET /api/files", ("a", {"path": "all"})),
        (["a: f/{name}.{ext}"], "GET /api/f/x.tar.gz", ("a", {"name": "x.tar", "ext": "gz"})),
        (["a: f/{name}.{ext?}"], "GET /api/f/x.tar", ("a", {"name": "x", "ext": "tar"})),
        (["a: f/{name}.{ext?}"], "GET /api/f/x", ("a", {"name": "x", "ext": None})),
        (["a: f/{x}-{y}"], "GET /api/f/1-2-3", ("a", {"x": "1-2", "y": "3"})),
        (["a: f/{x}-{y}"], "GET /api/f/-3", None),
        (["a: f/a-{x}"], "GET /api/f/A-a-1", ("a", {"x": "a-1"})),
        (["a: f/a-{x}"], "GET /api/f/a-", None),
        (["a: f/a-{x}-b"], "GET /api/f/a-1-B", ("a", {"x": "1"})),
        (["a: f/{{x}}"], "GET /api/f/{x}", ("a", {})),
        (["a: Items"], "GET /api/ITEMS", ("a", {})),
        (["a: Items/{Id}"], "GET /API/items/AbC", ("a", {"Id": "AbC"})),
        (["a: p/{v:range(1,5)}"], "GET /api/p/9", None),
        (["a: p/{v:range(1,5)}"], "GET /api/p/5", ("a", {"v": "5"})),
        (["a: p/{v:alpha:length(3)}"], "GET /api/p/abc", ("a", {"v": "abc"})),
        (["a: p/{v:alpha:length(3)}"], "GET /api/p/abcd", None),
        (["a: p/{v:int?}"], "GET /api/p", ("a", {"v": None})),
        (["a: p/{v:int?}"], "GET /api/p/x", None),
        (["a: p/{v:int=3}"], "GET /api/p", ("a", {"v": "3"})),
        (["a: q/{v=7}"], "GET /api/q", ("a", {"v": "7"})),
        (["a: q/{v=7}/{w?}"], "GET /api/q/8", ("a", {"v": "8", "w": None})),
        (["hello: "], "GET /api/hello", ("hello", {})),
        (["hello: "], "GET /api/other", None),
        (["hello: "], "GET /hello", None),
        (["hello: "], "GET /api/hello/x", None),
        (["a: items/{id}"], "GET /api//items/1", None),
        (["a: items/{id}"], "GET /api/items//", None),
        (["a: items/{id}"], "GET /api/items/", None),
        (["a: i/{id}"], "GET /api/i/a%20b%C3%A9", ("a", {"id": "a bé"})),
        (["a: i/{id}"], "GET /api/i/a%2Fb%2fc", ("a", {"id": "a%2Fb%2fc"})),
        (["a: i/{id}"], "GET /api/i/100%2525", ("a", {"id": "100%25"})),
        (["a: i/{id}"], "GET /api/i/a+b", ("a", {"id": "a+b"})),
    ],
)  # fmt: skip
def test_the_first_route_by_function_name_that_fits_wins(
    definitions: list[str], request_line: str, expected: tuple[str, dict[str, str | None]] | None
) -> None:
    table = routes(*definitions)
    method, path = request_line.split(" ", 1)

    assert table.errors == ()
    assert chosen(table.choose(method, path)) == expected


@pytest.mark.parametrize(
    ("prefix", "path", "expected"),
    [
        ("", "/x", ("a", {})),
        ("", "/api/x", None),
        ("v1/{tenant}", "/v1/t1/x", ("a", {"tenant": "t1"})),
        ("/v1/", "/v1/x", ("a", {})),
    ],
)
def test_the_prefix_stands_before_every_route(
    prefix: str, path: str, expected: tuple[str, dict[str, str | None]] | None
) -> None:
    assert chosen(routes("a: x", prefix=prefix).choose("GET", path)) == expected


@pytest.mark.parametrize(
    ("constraint", "accepted", "refused"),
    [
        ("int", ["5", "-5", "+5", "2147483647", "-2147483648"],
         ["x", "1.5", "2147483648", "٣", "9" * 5000]),
        ("long", ["9223372036854775807"], ["9223372036854775808", "1e3"]),
        ("bool", ["true", "FALSE"], ["1", "yes"]),
        ("datetime", ["2024-03-05", "2024-03-05T07:08:09Z", "03/05/2024 07:08", "5 Mar 2024"],
         ["2024-13-01", "soon", "5"]),
        ("decimal", ["1", "-1.5", "1,000.25", ".5"], ["1e3", "x", "."]),
        ("double", ["1.5", "1e3", "-.5E-2", "Infinity"], ["x", "1e"]),
        ("float", ["1.5"], ["x"]),
        ("guid", ["01234567-89AB-cdef-0123-456789abcdef", "0123456789abcdef0123456789abcdef",
                  "{01234567-89ab-cdef-0123-456789abcdef}",
                  "(01234567-89ab-cdef-0123-456789abcdef)"],
         ["01234567", "{01234567-89ab-cdef-0123-456789abcdef)"]),
        ("alpha", ["abcXYZ"], ["a1", "é"]),
        ("length(3)", ["abc"], ["ab", "abcd"]),
        ("length(2,3)", ["ab", "abc"], ["a", "abcd"]),
        ("minlength(2)", ["ab", "abc"], ["a"]),
        ("maxlength(2)", ["a", "ab"], ["abc"]),
        ("min(5)", ["5", "99"], ["4", "x", "9223372036854775808"]),
        ("max(5)", ["5", "-99"], ["6", "x"]),
        ("range(-1,5)", ["-1", "5"], ["-2", "6", "x"]),
        ("regex(^a{{2}}[:=]?$)", ["aa", "AA", "aa:"], ["a", "aaa"]),
        ("regex((b|c))", ["xbx", "C"], ["d"]),
        ("regex(^(?<part>\\\\d)$)", ["\\d"], ["5"]),
        ("required", ["a"], []),
        ("file", ["a.txt", ".env"], ["a", "a."]),
        ("nonfile", ["a", "a."], ["a.txt"]),
        ("INT:Min(3)", ["3"], ["2"]),
    ],
)  # fmt: skip
def test_a_constraint_decides_whether_the_route_matches(
    constraint: str, accepted: list[str], refused: list[str]
) -> None:
    template = RouteTemplate.parse(f"p/{{v:{constraint}}}")

    assert [text for text in accepted if template.match(["p", text]) is None] == []
    assert [text for text in refused if template.match(["p", text]) is not None] == []


@pytest.mark.parametrize(
    ("route", "message"),
    [
        ("admin", "conflicts with one or more built in routes"),
        ("/Admin/x", "conflicts with one or more built in routes"),
        ("administrators", "conflicts with one or more built in routes"),
        ("runtime/{x}", "conflicts with one or more built in routes"),
        ("a//b", "two slashes follow each other"),
        ("{x", "brace at position 5 has no partner"),
        ("a}", "brace at position 6 has no partner"),
        ("{}", "no valid name"),
        ("{a?b}", "no valid name"),
        ("{***a}", "no valid name"),
        ("{a}/{A}", "the parameter 'A' occurs twice"),
        ("{a}{b}", "between two parameters there must be a text"),
        ("{*a}/b", "a catch-all parameter must be the last element"),
        ("x{*a}", "can neither be a catch-all"),
        ("x{a=1}", "nor have a default"),
        ("{a?}/b", "an optional parameter must be at the end"),
        ("{a}-{b?}", "must follow a '.'"),
        ("{a?=5}", "no valid name"),
        ("{a=5?}", "can neither have a default"),
        ("{*a?}", "nor be a catch-all"),
        ("{a:nope}", "the route constraint 'nope' is unknown"),
        ("{a:}", "the route constraint '' is unknown"),
        ("{a:int(5)}", "takes no argument"),
        ("{a:min}", "needs an argument"),
        ("{a:min(x)}", "needs a whole number"),
        ("{a:range(1)}", "needs two whole numbers"),
        ("{a:length(3,1)}", "bounds reversed"),
        ("{a:regex([)}", "is invalid"),
        ("{a:min(1}", "needs an argument"),
        ("{a:int(5}", "cannot be read"),
        ("what?", "cannot contain '?'"),
    ],
)
def test_a_bad_route_puts_its_function_in_error_and_no_other(route: str, message: str) -> None:
    table = routes(f"bad: {route}", "good: fine")

    [error] = table.errors
    assert error.function == "bad"
    assert message in error.message
    assert table.choose("GET", "/api/fine") is not None


@pytest.mark.parametrize(
    ("first", "second", "conflict"),
    [
        ("items", "Items/", True),
        ("items get", "items get,post", True),
        ("items get", "items", True),
        ("items get", "items post", False),
        ("i/{a}", "i/{b}", False),
    ],
)
def test_the_same_route_with_overlapping_methods_is_a_conflict(
    first: str, second: str, conflict: bool
) -> None:
    table = routes(f"b: {second}", f"a: {first}")

    messages = [error.message for error in table.errors if error.function == "b"]
    assert len(table.errors) == len(messages) == int(conflict)
    assert all("conflicts with the route of function 'a'" in message for message in messages)


def test_routes_that_differ_in_parameter_names_go_to_the_first_function() -> None:
    table = routes("a: i/{a}", "b: i/{b}")

    assert chosen(table.choose("GET", "/api/i/1")) == ("a", {"a": "1"})


def test_methods_may_be_a_single_text_and_an_empty_list_means_all() -> None:
    table = Routes.of([http_function("a", "x", "post"), http_function("b", "y", [])], prefix="api")

    assert table.choose("GET", "/api/x") is None
    assert table.choose("POST", "/api/x") is not None
    assert table.choose("PURGE", "/api/y") is not None


def test_only_http_functions_have_routes() -> None:
    timer = Function("t", (Binding("timer", "timerTrigger", "in"),), "t", "__init__.py")

    table = Routes.of([timer, http_function("a", "x/{id:int}")], prefix="api")

    assert table.route_of("a") == "api/x/{id:int}"
    assert table.route_of("t") is None


def test_what_cannot_run_after_all_is_not_there() -> None:
    left = routes("a: x", "b: {any}").without({"a"})

    assert chosen(left.choose("GET", "/api/x")) == ("b", {"any": "x"})
    assert left.route_of("a") is None


def test_a_function_in_error_has_the_requests_that_no_other_takes() -> None:
    table = routes("b: x").beside(
        [http_function("a", "{any}"), http_function("c", "{")], prefix="api"
    )

    assert chosen(table.choose("GET", "/api/x")) == ("b", {})
    failing = table.choose("GET", "/api/y")
    assert chosen(failing) == ("a", {"any": "y"})
    assert failing is not None
    assert not failing.can_run
    assert table.route_of("a") is None


def test_the_log_says_what_is_mapped() -> None:
    table = routes("b: y", "a: items/{id} GET,post")

    assert table.log_text().splitlines() == [
        "Initializing function HTTP routes",
        "Mapped function route 'api/items/{id}' [get,post] to 'a'",
        "Mapped function route 'api/y' [all] to 'b'",
    ]
    assert Routes().log_text() == "No HTTP routes mapped"


def test_a_root_route_without_prefix_is_the_empty_path() -> None:
    table = routes("a: /", prefix="")

    assert chosen(table.choose("GET", "/")) == ("a", {})


@pytest.mark.parametrize(
    ("path", "segments"),
    [
        ("/", []),
        ("", []),
        ("/a/b/", ["a", "b"]),
        ("/a//b", ["a", "", "b"]),
        ("/%61%2F%62/%", ["a%2Fb", "%"]),
        ("/%ff", ["\ufffd"]),
    ],
)
def test_a_path_is_decoded_once(path: str, segments: list[str]) -> None:
    assert path_segments(path) == segments


@given(st.lists(st.text(min_size=1), min_size=1, max_size=4))
def test_every_segment_reaches_its_parameter(texts: list[str]) -> None:
    template = RouteTemplate.parse("/".join(f"{{p{i}}}" for i in range(len(texts))))

    values = template.match(texts)

    assert values is not None
    assert list(values.values()) == texts


@given(st.text(alphabet="{}/ab:?*=.()1-"))
def test_any_route_parses_or_is_refused(route: str) -> None:
    try:
        template = RouteTemplate.parse(route)
    except RouteError as error:
        assert re.escape(route) in re.escape(str(error))  # noqa: PT017 - both ends are fine
    else:
        template.match(path_segments("/a/b.1-a/b"))


def test_a_route_may_begin_with_a_slash_as_those_of_asgi_apps_do() -> None:
    match = routes("all: /{*rest}").choose("GET", "/api/any/where")

    assert match is not None
    assert match.values == {"rest": "any/where"}
