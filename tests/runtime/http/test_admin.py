"""The host's own endpoints: its page, its state, its functions, and orders to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from triggerfish.config.host_options import HttpOptions
from triggerfish.http.view import DrainState, DrainStatus, HostState
from triggerfish.model import Binding, Function, FunctionError

if TYPE_CHECKING:
    from conftest import FakeHost, Site, Start


async def ask_json(site: Site, request_line: str, **options: Any) -> Any:
    method, _, path = request_line.partition(" ")
    async with site.session.request(method, path, **options) as response:
        assert response.status == 200
        return await response.json()


async def test_the_root_is_a_page_unless_it_is_switched_off(start: Start) -> None:
    status, body, headers = await (await start()).ask("GET /")
    silent = await (await start(home_page=False)).ask("GET /")

    assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert b"Running" in body
    assert silent[:2] == (204, b"")


async def test_a_function_at_the_root_goes_before_the_page(
    start: Start, new_host: type[FakeHost]
) -> None:
    route = Binding("req", "httpTrigger", "in", {"route": "{*route}"})
    function = Function("site", (route, Binding("$return", "http", "out")), "/app", "site.py")
    hosts = [
        new_host(functions=[one], http_options=HttpOptions("", None, None, {}))
        for one in (function, replace(function, disabled=True))
    ]

    enabled, disabled = [(await (await start(host)).ask("GET /"))[1] for host in hosts]

    assert enabled == b"hello"
    assert b"Running" in disabled


async def test_the_status_of_the_host(start: Start, new_host: type[FakeHost]) -> None:
    bundle = {"id": "Bundle", "version": "[4.*, 5.0.0)"}
    site = await start(new_host(extension_bundle=bundle))

    status = await ask_json(site, "GET /admin/host/status")
    bare = await ask_json(await start(), "GET /Admin/Host/Status/")

    assert (status["id"], status["state"], status["processUptime"]) == (
        "machine-1",
        "Running",
        1234,
    )
    assert status["version"].startswith("4.")
    assert status["extensionBundle"] == bundle
    assert "errors" not in status
    assert "extensionBundle" not in bare


async def test_a_ping_may_ask_the_workers(site: Site) -> None:
    site.host.healthy = False

    assert (await site.ask("GET /admin/host/ping"))[0] == 200
    assert (await site.ask("POST /admin/host/ping"))[0] == 200
    assert (await site.ask("GET /admin/host/ping?checkHealth=1"))[0] == 503


async def test_functions_are_described(site: Site) -> None:
    described = await ask_json(site, "GET /admin/functions")
    process = await ask_json(site, "GET /admin/functions/process")

    origin = f"http://127.0.0.1:{site.port}"
    assert [one["name"] for one in described] == ["echo", "all", "off", "Process"]
    assert described[0]["invoke_url_template"] == f"{origin}/api/echo/{{id:int}}/{{opt?}}"
    assert described[2]["isDisabled"] is True
    assert process == described[3]
    assert set(process) == {
        "name", "script_root_path_href", "script_href", "config_href", "test_data_href", "href",
        "invoke_url_template", "language", "config", "files", "test_data", "isDisabled",
        "isDirect", "isProxy",
    }  # fmt: skip
    assert process["invoke_url_template"] is None
    assert process["config"]["bindings"] == [
        {"name": "msg", "type": "queueTrigger", "direction": "in", "queueName": "q"}
    ]


async def test_the_status_of_a_function_has_its_errors(
    start: Start, new_host: type[FakeHost]
) -> None:
    errors = [FunctionError("all", "cannot load"), FunctionError("odd", "no such binding")]
    site = await start(new_host(function_errors=errors))

    assert await ask_json(site, "GET /admin/functions/ALL/status") == {"errors": ["cannot load"]}
    assert await ask_json(site, "GET /admin/functions/odd/status") == {
        "errors": ["no such binding"]
    }
    assert await ask_json(site, "GET /admin/functions/echo/status") == {}


@pytest.mark.parametrize(
    ("request_line", "expected"),
    [
        ("GET /admin/functions/none", 404),
        ("GET /admin/functions/none/status", 404),
        ("GET /admin/nothing", 404),
        ("GET /admin/", 404),
        ("DELETE /admin/host/status", 405),
        ("GET /admin/host/drain", 405),
        ("POST /admin/host/synctriggers", 200),
        ("GET /admin/warmup", 200),
        ("POST /admin/warmup", 200),
    ],
)
async def test_other_admin_requests(site: Site, request_line: str, expected: int) -> None:
    assert (await site.ask(request_line))[0] == expected


@pytest.mark.parametrize(
    "path", ["host/keys", "host/functionkeys", "host/systemkeys", "functions/all/keys"]
)
async def test_there_are_no_keys(site: Site, path: str) -> None:
    assert await ask_json(site, f"GET /admin/{path}") == {"keys": [], "links": []}


@pytest.mark.parametrize(
    ("name", "body", "status", "asked"),
    [
        ("Process", b'{"input": "text"}', 202, [("Process", "text")]),
        ("process", b'{"Input": "text"}', 202, [("Process", "text")]),
        ("off", b"{}", 202, [("off", "")]),
        ("Process", b'{"input": null}', 202, [("Process", "")]),
        ("Process", b'{"input": {"a": [1, "x"]}}', 202, [("Process", '{"a":[1,"x"]}')]),
        ("Process", b'{"input": 5}', 202, [("Process", "5")]),
        ("none", b'{"input": "x"}', 404, []),
        ("Process", b"", 400, []),
        ("Process", b"null", 400, []),
        ("Process", b'"text"', 400, []),
        ("Process", b"{oops}", 400, []),
        ("Process", b"\xff", 400, []),
    ],
)
async def test_a_function_is_run_by_hand(
    site: Site, name: str, body: bytes, status: int, asked: list[tuple[str, str]]
) -> None:
    answered, sent, _ = await site.ask(f"POST /admin/functions/{name}", data=body)

    assert (answered, site.host.asked) == (status, asked)
    assert sent == b"" or status == 400


async def test_a_warm_up_runs_the_functions_that_ask_for_it(
    start: Start, new_host: type[FakeHost]
) -> None:
    warm = Function("warm", (Binding("context", "warmupTrigger", "in"),), "", "")
    off = Function("off", warm.bindings, "", "", disabled=True)
    site = await start(new_host(functions=[*new_host().functions, warm, off]))

    assert (await site.ask("POST /admin/warmup"))[0] == 200
    assert site.host.asked == [("warm", "")]


async def test_draining_and_resuming(start: Start, new_host: type[FakeHost]) -> None:
    site = await start(new_host(drain_status=DrainStatus(DrainState.IN_PROGRESS, 3, 1)))

    assert (await site.ask("POST /admin/host/drain"))[:2] == (202, b"")
    assert await ask_json(site, "GET /admin/host/drain/status") == {
        "state": "InProgress",
        "outstandingInvocations": 3,
        "outstandingRetries": 1,
    }
    assert await ask_json(site, "POST /admin/host/resume") == {"state": "Running"}
    site.host.state = HostState.ERROR
    assert (await site.ask("POST /admin/host/resume"))[0] == 409
    assert site.host.asked == ["drain", "resume"]


async def test_restarting_and_going_offline(site: Site) -> None:
    assert (await site.ask("POST /admin/host/restart"))[:2] == (200, b"")
    assert (await site.ask("PUT /admin/host/state", data=b'"offline"'))[:2] == (202, b"")
    assert (await site.ask("PUT /admin/host/state", data=b'"running"'))[:2] == (202, b"")
    for wrong in (b"", b'"asleep"', b"{}"):
        assert (await site.ask("PUT /admin/host/state", data=wrong))[0] == 400
    assert site.host.asked == ["restart", ("offline", True), ("offline", False)]


async def test_a_replay_answers_with_what_became_of_each(site: Site) -> None:
    path = "POST /admin/triggerfish/replay"

    assert await ask_json(site, path, json={"ids": ["a", "x"]}) == [
        {"id": "a", "function": "F", "new_invocation_id": "new"},
        {"id": "x", "function": "", "error": "unknown"},
    ]
    assert await ask_json(site, path, json={"ids": ["a"], "dry": True}) == [
        {"id": "a", "function": "F"}
    ]
    for wrong in (None, {}, {"ids": "a"}, {"ids": [1]}, {"ids": [], "dry": "no"}, ["a"]):
        assert (await site.ask(path, json=wrong))[0] == 400


async def test_a_page_of_another_site_cannot_use_the_admin_endpoints(
    start: Start, cors: Callable[..., Any]
) -> None:
    site = await start(cors=cors("http://allowed"))
    own = f"http://127.0.0.1:{site.port}"

    statuses = [
        (await site.ask("POST /admin/host/restart", headers={"Origin": origin}))[0]
        for origin in ("http://evil", "null", "http://allowed", own)
    ]

    assert statuses == [403, 403, 200, 200]
    assert (await site.ask("GET /admin/host/status", headers={"Origin": "http://evil"}))[0] == 200
