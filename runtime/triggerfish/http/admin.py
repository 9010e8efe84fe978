"""The host's own endpoints: ``/admin/…``, as Core Tools and Azure have them, and our own.

Keys are not kept: locally every request counts as admin. Behaviour: spec http-trigger.md,
section 10. https://learn.microsoft.com/azure/azure-functions/functions-manually-run-non-http
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import web

from triggerfish import lenient_json
from triggerfish.http.replies import document, empty, text
from triggerfish.http.requests import origin_of, read_body
from triggerfish.http.route_template import RouteTemplate, path_segments
from triggerfish.http.routes import is_http
from triggerfish.http.view import DrainStatus, HostState, HostView, Replayed
from triggerfish.model import Function
from triggerfish.versions import RUNTIME_VERSION

_BODY_LIMIT: Final = 100 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class _Call:
    host: HostView
    request: web.BaseRequest
    path: Mapping[str, str | None]
    query: str

    def function(self) -> Function | None:
        """Return the function that the path names, whatever the letter case."""
        name = str(self.path["name"]).lower()
        return next((f for f in self.host.functions if f.name.lower() == name), None)

    async def json(self) -> Any:
        """Return the body's document; None where there is none or it is no JSON."""
        body = await read_body(self.request, _BODY_LIMIT)
        try:
            return lenient_json.loads(body.decode("utf-8"))
        except ValueError:
            return None


Handler = Callable[[_Call], Awaitable[web.Response]]


async def answer_admin(host: HostView, request: web.BaseRequest, target: str) -> web.Response:
    """Answer a request below ``/admin``."""
    path, _, query = target.partition("?")
    segments = path_segments(path)
    allowed: list[str] = []
    for methods, template, handler in OPERATIONS:
        values = template.match(segments)
        if values is None:
            continue
        if request.method in methods:
            return await handler(_Call(host, request, values, query))
        allowed += methods
    return empty(405, {"Allow": ", ".join(allowed)}) if allowed else empty(404)


# --- the host ---------------------------------------------------------------------------------


async def _status(call: _Call) -> web.Response:
    host = call.host
    status: dict[str, Any] = {
        "id": host.id,
        "state": host.state,
        "version": RUNTIME_VERSION,
        "versionDetails": RUNTIME_VERSION,
        "processUptime": host.uptime_ms,
        "functionAppContentEditingState": "NotAllowed",
    }
    if host.errors:
        status["errors"] = list(host.errors)
    if host.extension_bundle:
        status["extensionBundle"] = dict(host.extension_bundle)
    return document(status)


async def _ping(call: _Call) -> web.Response:
    if "checkhealth=1" in call.query.lower().split("&") and not await call.host.workers_answer():
        return text(503, "The worker processes do not answer.")
    return empty(200)


async def _drain(call: _Call) -> web.Response:
    await call.host.drain()
    return empty(202)


async def _drain_status(call: _Call) -> web.Response:
    status: DrainStatus = call.host.drain_status
    return document(
        {
            "state": status.state,
            "outstandingInvocations": status.outstanding_invocations,
            "outstandingRetries": status.outstanding_retries,
        }
    )


async def _resume(call: _Call) -> web.Response:
    if call.host.state != HostState.RUNNING:
        return text(409, "The host is not running.")
    await call.host.resume()
    return document({"state": call.host.state})


async def _restart(call: _Call) -> web.Response:
    await call.host.restart()
    return empty(200)


async def _set_state(call: _Call) -> web.Response:
    wanted = await call.json()
    if not isinstance(wanted, str) or wanted.lower() not in ("running", "offline"):
        return text(400, 'The body must be "running" or "offline".')
    await call.host.set_offline(wanted.lower() == "offline")
    return empty(202)


async def _nothing_to_do(_call: _Call) -> web.Response:
    return empty(200)


async def _warm_up(call: _Call) -> web.Response:
    for function in call.host.functions:
        if function.trigger.type == "warmupTrigger" and not function.disabled:
            await call.host.run_by_hand(function.name, "")
    return empty(200)


async def _no_keys(_call: _Call) -> web.Response:
    return document({"keys": [], "links": []})


# --- functions --------------------------------------------------------------------------------


async def _functions(call: _Call) -> web.Response:
    origin = origin_of(call.request)
    return document([_description(f, call.host, origin) for f in call.host.functions])


async def _function(call: _Call) -> web.Response:
    function = call.function()
    if function is None:
        return empty(404)
    return document(_description(function, call.host, origin_of(call.request)))


async def _function_status(call: _Call) -> web.Response:
    name = str(call.path["name"]).lower()
    errors = [e.message for e in call.host.function_errors if e.function.lower() == name]
    if errors:
        return document({"errors": errors})  # of one that is not declared well either
    return empty(404) if call.function() is None else document({})


async def _run(call: _Call) -> web.Response:
    wanted = await call.json()
    if not isinstance(wanted, dict):
        return text(400, 'The body must be JSON of the form {"input": "<text>"}.')
    function = call.function()
    if function is None:
        return empty(404)
    given = {name.lower(): value for name, value in wanted.items()}.get("input")
    await call.host.run_by_hand(function.name, _input_text(given))
    return empty(202)


def _input_text(given: Any) -> str:
    # Editors send a JSON input as it is, not as text.
    return "" if given is None else given if isinstance(given, str) else lenient_json.compact(given)


def _description(function: Function, host: HostView, origin: str) -> dict[str, Any]:
    route = host.routes.route_of(function.name) if is_http(function) else None
    config = {
        "name": function.name,
        "scriptFile": function.script_file,
        "entryPoint": function.entry_point,
        "language": "python",
        "functionDirectory": function.directory,
        "bindings": [
            {**binding.properties, "name": binding.name, "type": binding.type,
             "direction": binding.direction}
            for binding in function.bindings
        ],
    }  # fmt: skip
    return {
        "name": function.name,
        "script_root_path_href": None,
        "script_href": None,
        "config_href": None,
        "test_data_href": None,
        "href": f"{origin}/admin/functions/{function.name}",
        "invoke_url_template": None if route is None else f"{origin}/{route}",
        "language": "python",
        "config": config,
        "files": None,
        "test_data": None,
        "isDisabled": function.disabled,
        "isDirect": False,
        "isProxy": False,
    }


# --- our own ----------------------------------------------------------------------------------


async def _replay(call: _Call) -> web.Response:
    wanted = await call.json()
    ids = wanted.get("ids") if isinstance(wanted, dict) else None
    dry = wanted.get("dry", False) if isinstance(wanted, dict) else None
    if (
        not isinstance(ids, list)
        or not all(isinstance(i, str) for i in ids)
        or dry not in (True, False)
    ):
        message = 'The body must be JSON of the form {"ids": ["<invocation id>"], "dry": false}.'
        return text(400, message)
    replayed = await call.host.replay(ids, dry=dry)
    return document([_replayed(item) for item in replayed])


def _replayed(item: Replayed) -> dict[str, str]:
    optional = {"new_invocation_id": item.new_invocation_id, "error": item.error}
    return {
        "id": item.id,
        "function": item.function,
        **{name: value for name, value in optional.items() if value},
    }


OPERATIONS: Final[tuple[tuple[tuple[str, ...], RouteTemplate, Handler], ...]] = tuple(
    (methods, RouteTemplate.parse(f"admin/{route}"), handler)
    for methods, route, handler in (
        (("GET",), "host/status", _status),
        (("GET", "POST"), "host/ping", _ping),
        (("POST",), "host/drain", _drain),
        (("GET",), "host/drain/status", _drain_status),
        (("POST",), "host/resume", _resume),
        (("POST",), "host/restart", _restart),
        (("PUT",), "host/state", _set_state),
        (("POST",), "host/synctriggers", _nothing_to_do),
        (("GET", "POST"), "warmup", _warm_up),
        (("GET",), "host/{kind:regex(^(keys|functionkeys|systemkeys)$)}", _no_keys),
        (("GET",), "functions", _functions),
        (("GET",), "functions/{name}", _function),
        (("POST",), "functions/{name}", _run),
        (("GET",), "functions/{name}/status", _function_status),
        (("GET",), "functions/{name}/keys", _no_keys),
        (("POST",), "triggerfish/replay", _replay),
    )
)
