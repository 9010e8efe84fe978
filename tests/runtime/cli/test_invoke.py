"""``triggerfish invoke``, against a ledger's file and a fake admin endpoint."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner, Result

from triggerfish.bindings.plan import BY_HAND
from triggerfish.cli import invoke as command
from triggerfish.cli.main import triggerfish
from triggerfish.cli.running import HOST_PORT, HostRefused, NotRunning
from triggerfish.history.entries import End, Written
from triggerfish.history.ledger import open_ledger
from triggerfish.history.reader import HistoryError
from triggerfish.model import Failure, FailureKind, LogLevel, LogLine, TriggerfishError
from triggerfish_storage.ownership import own

if TYPE_CHECKING:
    from conftest import Answering, NewDelivery

NOW = datetime.now(UTC)
HTTP = {"type": "httpTrigger", "name": "req"}
_STATUS = {"/api/missing": 404, "/api/broken": 500}


@dataclass
class Host:
    """A fake host: answers what ``invoke`` asks, and writes what it "ran" to the history."""

    data: Path
    delivery: NewDelivery
    port: int = 0
    inputs: list[str] = field(default_factory=list)
    requests: list[tuple[str, str, bytes]] = field(default_factory=list)
    failure: Failure | None = None
    begins: bool = True
    errors: list[str] = field(default_factory=list)
    status: dict[str, Any] = field(default_factory=lambda: {"state": "Running"})
    routes: dict[str, str] = field(default_factory=dict)
    methods: list[str] | None = None
    says: bytes = b"hello\n"
    trigger: dict[str, str] = field(default_factory=lambda: HTTP)

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        if path == "/admin/functions":
            return 200, json.dumps([{"name": "Ship"}]).encode()
        if path == "/admin/host/status":
            return 200, json.dumps(self.status).encode()
        if not path.startswith("/admin/functions/"):
            self.requests.append((method, path, body))
            return _STATUS.get(path, 200), self.says
        name = path.removeprefix("/admin/functions/")
        if name.endswith("/status"):
            return 200, json.dumps({"errors": self.errors} if self.errors else {}).encode()
        if name.lower() not in ("ship", "web"):
            return 404, b""
        if method == "GET":
            return 200, json.dumps(self.describe(name)).encode()
        self.inputs.append(json.loads(body)["input"])
        if self.begins:
            asyncio.run(self.run(self.inputs[-1]))
        return 202, b""

    def describe(self, name: str) -> dict[str, Any]:
        trigger = self.trigger if self.methods is None else {**HTTP, "methods": self.methods}
        route = self.routes.get(name)
        return {
            "name": "Ship" if name.lower() == "ship" else name,
            "config": {"bindings": [trigger]},
            "invoke_url_template": route and f"http://127.0.0.1:{self.port}{route}",
        }

    async def run(self, text: str) -> None:
        made = partial(self.delivery, function="Ship", metadata={})
        asked = made("aaaaaaaa-0000-4000-8000-000000000000", payload=text.encode(), reason=BY_HAND)
        meanwhile = made("other", payload=b"")  # by a listener
        async with open_ledger(self.data, report=print) as ledger:
            for kept in (asked, meanwhile):
                ledger.began(kept)
                ledger.logged(LogLine(LogLevel.INFORMATION, "mine", "shipping", kept.id))
                ended = End(
                    failure=self.failure,
                    duration_seconds=0.25,
                    outputs=(Written("label", "labels/1.txt", b"Zoe"),),
                )
                ledger.ended(kept.id, ended)


@pytest.fixture
def host(tmp_path: Path, delivery: NewDelivery, answering: Answering) -> Iterator[Host]:
    fake = Host(tmp_path, delivery)

    async def make_history() -> None:
        async with open_ledger(tmp_path, report=print):
            pass

    asyncio.run(make_history())
    with (
        answering(fake.answer) as fake.port,
        own(tmp_path, started=NOW.isoformat()) as ownership,
    ):
        ownership.serves("127.0.0.1", {HOST_PORT: fake.port})
        yield fake


def run(host: Host, *arguments: str, **settings: Any) -> Result:
    words = ["invoke", *arguments, "--data-folder", str(host.data)]
    return CliRunner().invoke(triggerfish, words, **settings)


def test_a_function_runs_with_the_text_and_its_outcome_is_shown(host: Host) -> None:
    result = run(host, "ship", "--data", '{"order": "Zoë"}')

    assert result.exit_code == 0, result.output
    assert host.inputs == ['{"order": "Zoë"}']
    assert "Information: shipping" in result.stdout
    assert "label → labels/1.txt (3 bytes)" in result.stdout
    assert result.stderr == "'Ship' succeeded in 250 ms (aaaaaaaa)\n"


def test_a_failure_is_exit_code_1_with_the_traceback(host: Host) -> None:
    host.failure = Failure(FailureKind.USER, "ValueError", "no customer", "Traceback\n  line 3")

    result = run(host, "ship", "-d", "x")

    assert result.exit_code == 1
    assert "Traceback\n  line 3" in result.stdout
    assert "'Ship' failed in 250 ms (aaaaaaaa): ValueError: no customer" in result.stderr


def test_the_outcome_as_json_is_the_entry(host: Host) -> None:
    shown = json.loads(run(host, "ship", "-d", "x", "--json").stdout)

    assert (shown["function"], shown["payload"]) == ("Ship", {"text": "x"})


@pytest.mark.parametrize(
    ("arguments", "piped", "expected"),
    [
        (["--file", "FILE"], None, "from a file"),
        (["--file", "-"], "piped", "piped"),
        ([], "piped", "piped"),
        ([], "", ""),
        (["--blob", "uploads/a.csv"], None, "uploads/a.csv"),
        (["--data", ""], None, ""),
        (["a message"], None, "a message"),
    ],
)
def test_the_input_comes_from_where_it_is_said_to(
    host: Host, tmp_path: Path, arguments: list[str], piped: str | None, expected: str
) -> None:
    file = tmp_path / "input.txt"
    file.write_text("from a file")

    words = [str(file) if word == "FILE" else word for word in arguments]
    result = run(host, "ship", *words, input=piped)

    assert result.exit_code == 0, result.output
    assert host.inputs == [expected]


def test_without_waiting_the_run_is_started_only(host: Host) -> None:
    host.begins = False

    result = run(host, "ship", "-d", "x", "--no-wait")

    assert result.exit_code == 0
    assert "'Ship' was started" in result.stderr


def test_a_run_that_is_not_waited_for_is_a_document_too(host: Host) -> None:
    result = run(host, "ship", "-d", "x", "--no-wait", "--json")

    assert json.loads(result.stdout) == {"function": "Ship", "status": "started"}


def test_a_run_that_does_not_begin_is_told(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    host.begins = False
    monkeypatch.setattr(command, "_BEGIN_SECONDS", 0.0)

    result = run(host, "ship", "--blob", "uploads/missing.csv")

    assert isinstance(result.exception, HistoryError)
    assert "'Ship' did not begin" in str(result.exception)


def test_an_unknown_function_is_told_with_those_there_are(host: Host) -> None:
    result = run(host, "nobody", "-d", "x")

    assert isinstance(result.exception, HostRefused)
    assert str(result.exception) == "There is no function 'nobody'. The app's functions: Ship."


@pytest.mark.parametrize(
    ("status", "told"),
    [
        (
            {"state": "Error", "errors": ["app.py, line 7: SyntaxError"]},
            "'new' cannot run, for the host does not (Error). app.py, line 7: SyntaxError",
        ),
        ({"state": "Stopping"}, "'new' cannot run, for the host does not (Stopping)."),
        (
            {"state": "Running", "errors": ["x"]},
            "no function 'new'. The app's functions: Ship. What was saved last does not load: x",
        ),
    ],
)
def test_a_function_of_an_app_that_does_not_load_is_not_called_unknown(
    host: Host, status: dict[str, Any], told: str
) -> None:
    host.status = status

    result = run(host, "new", "-d", "x")

    assert isinstance(result.exception, HostRefused)
    assert str(result.exception).endswith(told)


def test_a_function_in_error_is_not_waited_for(host: Host) -> None:
    host.errors = ["cannot load the Ship function: no module x"]

    result = run(host, "ship", "-d", "x")

    assert isinstance(result.exception, HostRefused)
    assert str(result.exception) == (
        "'ship' cannot run: cannot load the Ship function: no module x"
    )
    assert host.inputs == []


def test_bytes_are_no_input(host: Host, tmp_path: Path) -> None:
    file = tmp_path / "bytes"
    file.write_bytes(b"\xff")

    result = run(host, "ship", "--file", str(file))

    assert isinstance(result.exception, TriggerfishError)
    assert f"{file} is not UTF-8 text" in str(result.exception)
    assert host.inputs == []


def test_a_blob_function_without_a_blob_is_told_what_it_needs(host: Host) -> None:
    host.trigger = {"type": "blobTrigger", "name": "blob"}

    result = run(host, "ship")

    assert result.exit_code == 2
    assert "'Ship' is a blob function: give it --blob CONTAINER/BLOB." in result.stderr
    assert host.inputs == []


@pytest.mark.parametrize("given", [["--data", "x"], ["x"]])
def test_two_inputs_are_refused(host: Host, given: list[str]) -> None:
    result = run(host, "ship", *given, "--blob", "a/b")

    assert result.exit_code == 2
    assert "give one" in result.stderr


def test_without_a_host_the_remedy_is_told(tmp_path: Path, delivery: NewDelivery) -> None:
    result = run(Host(tmp_path, delivery), "ship", "-d", "x")

    assert isinstance(result.exception, NotRunning)
    assert "triggerfish start" in str(result.exception)


@pytest.mark.parametrize(
    ("methods", "arguments", "request_seen"),
    [
        (None, ["--data", "x"], ("POST", "/api/web", b"x")),
        (["put"], ["--data", "x"], ("PUT", "/api/web", b"x")),
        (["get", "post"], [], ("GET", "/api/web", b"")),
    ],
)
def test_an_http_function_is_called_at_its_url(
    host: Host,
    methods: list[str] | None,
    arguments: list[str],
    request_seen: tuple[str, str, bytes],
) -> None:
    host.routes["web"], host.methods = "/api/web", methods

    result = run(host, "web", *arguments)

    assert (result.exit_code, result.stdout) == (0, "hello\n")
    assert host.requests == [request_seen]


@pytest.mark.parametrize(
    ("is_terminal", "says", "shown"),
    [(True, b"hi", "hi\n"), (True, b"hi\n", "hi\n"), (True, b"", ""), (False, b"hi", "hi")],
)
def test_what_follows_an_http_answer_on_a_terminal_is_on_a_line_of_its_own(
    host: Host, monkeypatch: pytest.MonkeyPatch, is_terminal: bool, says: bytes, shown: str
) -> None:
    monkeypatch.setattr(command, "wants_table", lambda: is_terminal)
    host.routes["web"], host.says = "/api/web", says

    assert run(host, "web").stdout == shown


def test_an_http_answer_as_json_has_its_status_and_body(host: Host) -> None:
    host.routes["web"] = "/api/missing"

    result = run(host, "web", "-d", "x", "--json")

    assert result.exit_code == 1
    assert json.loads(result.stdout) == {
        "method": "POST",
        "url": f"http://127.0.0.1:{host.port}/api/missing",
        "status": 404,
        "body": {"text": "hello\n"},
    }


@pytest.mark.parametrize("path", _STATUS)
def test_an_http_answer_of_400_and_more_is_exit_code_1(host: Host, path: str) -> None:
    host.routes["web"] = path

    result = run(host, "web")

    assert result.exit_code == 1
    assert ("history --failed --function web" in result.stderr) == (path == "/api/broken")


def test_an_http_function_with_route_parameters_is_for_its_url(host: Host) -> None:
    host.routes["web"] = "/api/items/{id}"

    result = run(host, "web")

    assert isinstance(result.exception, TriggerfishError)
    assert "/api/items/{id}" in str(result.exception)


@pytest.mark.parametrize("route", ["{id?}", "{id:int?}", "{id=5}", "{*rest}", "{a?}/{b?}"])
def test_route_parameters_that_may_be_left_out_are(host: Host, route: str) -> None:
    host.routes["web"] = f"/api/web/{route}"

    assert run(host, "web").exit_code == 0
    assert host.requests[-1][1] == "/api/web"


@pytest.mark.parametrize("url", ["http://[::", "http://h:99999", f"http://{'x' * 70}", "a b", "/"])
def test_a_host_that_can_be_none_is_told(tmp_path: Path, url: str) -> None:
    words = ["invoke", "ship", "--host", url, "--data-folder", str(tmp_path)]

    result = CliRunner().invoke(triggerfish, words)

    assert isinstance(result.exception, NotRunning)
    assert url in str(result.exception)


def test_a_host_given_by_url_may_be_without_a_history_here(host: Host, tmp_path: Path) -> None:
    words = ["invoke", "ship", "-d", "x", "--host", f"http://127.0.0.1:{host.port}"]
    elsewhere = ["--data-folder", str(tmp_path / "elsewhere")]

    result = CliRunner().invoke(triggerfish, [*words, *elsewhere])

    assert (result.exit_code, host.inputs) == (0, ["x"])
