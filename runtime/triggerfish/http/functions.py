"""Requests that run functions.

Behaviour: spec http-trigger.md, sections 2 to 5.
"""

from __future__ import annotations

from typing import Final

from aiohttp import web

from triggerfish.bindings.http import HttpTrigger, http_response
from triggerfish.http.replies import NOT_RUNNING, empty, function_response, page, text
from triggerfish.http.requests import read_request
from triggerfish.http.view import HostState, HostView, NotServed
from triggerfish.model import Log, LogLevel, LogLine, Outcome, TriggerfishError

_STARTING: Final = (HostState.DEFAULT, HostState.STARTING, HostState.INITIALIZED)


async def answer_function(
    host: HostView, request: web.BaseRequest, target: str, *, body_limit: int, log: Log
) -> web.Response:
    """Run the function that ``target`` belongs to, once the host has started."""
    if host.state in _STARTING:
        await host.started()
    if host.state == HostState.OFFLINE:
        return page(503, host.offline_page)
    if host.state != HostState.RUNNING:
        return text(503, NOT_RUNNING)
    match = host.routes.choose(request.method, target.partition("?")[0])
    if match is None or match.function.disabled:
        return empty(404)
    if not match.can_run:
        log(_in_error(host, match.function.name))
        return empty(500)
    data = await read_request(request, target, match.values, body_limit=body_limit)
    trigger = HttpTrigger(match.function.name, match.function.trigger.name)
    absent = [name for name, value in match.values.items() if value is None]
    try:
        outcome = await host.invoke(trigger.event(data, absent=absent))
    except NotServed:  # since the request began to arrive
        return text(503, NOT_RUNNING)
    return _reply(match.function.name, outcome, log)


def _in_error(host: HostView, function: str) -> LogLine:
    reasons = "; ".join(e.message for e in host.function_errors if e.function == function)
    return LogLine(
        LogLevel.ERROR,
        f"Function.{function}",
        f"A request for '{function}' failed: the function is in error: {reasons}",
        function=function,
    )


def _reply(function: str, outcome: Outcome, log: Log) -> web.Response:
    if outcome.failure is not None:
        return empty(500)  # why is in the log, never told to the client
    try:
        return function_response(http_response(outcome.response))
    except TriggerfishError as error:
        log(
            LogLine(
                LogLevel.ERROR, f"Function.{function}", str(error), outcome.invocation_id, function
            )
        )
        return empty(500)
