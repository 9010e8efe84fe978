"""The stack of docker-compose.yml as local processes: no engine needed, nothing left out.

Each service runs its own command with its own environment, waits for what it depends on, and
is healthy when its own health check says so. Only what a container would give it is replaced:
addresses, ports and mounted folders.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml
from azure.core.exceptions import ResourceExistsError
from azure.storage.queue import QueueClient, TextBase64EncodePolicy

ROOT = Path(__file__).parent.parent.parent
STACK = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
PORTS = {7071: "TRIGGERFISH_PORT", 10000: "TRIGGERFISH_BLOB_PORT"}
PORTS |= {10001: "TRIGGERFISH_QUEUE_PORT", 10002: "TRIGGERFISH_TABLE_PORT"}


class Stack:
    """The services of the file, translated to this machine."""

    def __init__(
        self, folder: Path, app: Path, ports: dict[int, int], program: Callable[..., Any]
    ) -> None:
        self.services: dict[str, Any] = STACK["services"]
        self.programs: dict[str, Any] = {}
        self._folder = folder
        self._app = app
        self._ports = ports
        self._program = program

    def start(self, name: str) -> None:
        """Start a service and return once its own health check passes."""
        service = self.services[name]
        command = [self._here(word, name) for word in service["command"]]
        assert command[0] == "triggerfish"
        environment = {
            key: self._here(value, name) for key, value in service.get("environment", {}).items()
        }
        environment |= {PORTS[port]: str(free) for port, free in self._ports.items()}
        self.programs[name] = self._program(
            [sys.executable, "-m", *command], self._folder, environment
        )
        self._await_health(name)

    def stop(self, name: str) -> None:
        assert self.programs.pop(name).stop() == 0

    def _await_health(self, name: str) -> None:
        check = self.services[name]["healthcheck"]
        test = [self._here(word, name) for word in check["test"]]
        assert test[:2] == ["CMD", "python"]
        for _ in range(int(check["retries"]) * 20):
            done = subprocess.run(
                [sys.executable, *test[2:]], capture_output=True, timeout=30, check=False
            )
            if done.returncode == 0:
                return
        program = self.programs[name]
        state = "runs" if program.process.poll() is None else "has ended"
        pytest.fail(
            f"{name} {state} and does not become healthy: {done.stderr.decode()}\n{program.said()}"
        )

    def _here(self, text: str, service: str) -> str:
        """Translate addresses, ports and folders of a container to those of this machine."""
        text = text.strip().replace("0.0.0.0", "127.0.0.1")
        for host in self.services:
            text = text.replace(f"//{host}:", "//127.0.0.1:")
        text = re.sub(r"\b(7071|1000[012])\b", lambda m: str(self._ports[int(m[0])]), text)
        if text == "/data":
            return str(self._folder / f"{service}-data")
        return str(self._app) if text == "/app" else text


@pytest.fixture
def stack(
    tmp_path: Path,
    copy_of: Callable[[str], Path],
    free_ports: Callable[[int], list[int]],
    start_program: Callable[..., Any],
) -> Stack:
    ports = dict(zip(PORTS, free_ports(len(PORTS)), strict=True))
    return Stack(tmp_path, copy_of("orders"), ports, start_program)


def send(stack: Stack, name: str, text: str) -> None:
    environment = stack.services["functions"]["environment"]
    connection = stack._here(environment["AzureWebJobsStorage"], "functions")
    with QueueClient.from_connection_string(
        connection, name, message_encode_policy=TextBase64EncodePolicy()
    ) as queue:
        with suppress(ResourceExistsError):
            queue.create_queue()
        queue.send_message(text)


def in_dependency_order(services: dict[str, Any]) -> list[str]:
    order: list[str] = []
    while len(order) < len(services):
        for name, service in services.items():
            if name not in order and set(service.get("depends_on", ())) <= set(order):
                order.append(name)
    return order


@pytest.mark.slow
def test_the_stack_starts_in_order_and_a_message_goes_through(stack: Stack) -> None:
    for name in in_dependency_order(stack.services):
        stack.start(name)

    row = {"source": "x", "line": 1, "fields": {"a": "1", "b": ""}}
    send(stack, "rows", json.dumps(row))
    stack.programs["functions"].wait_for("Executed 'Functions.process_row' (Succeeded")

    stack.stop("functions")
    stack.stop("storage")


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_the_services_may_be_restarted_in_any_order(stack: Stack) -> None:
    stack.start("storage")
    stack.start("functions")

    stack.stop("storage")
    stack.start("storage")
    send(stack, "rows", json.dumps({"source": "x", "line": 1, "fields": {}}))
    functions = stack.programs["functions"]
    functions.wait_for("Executed 'Functions.process_row' (Succeeded", patience=60)

    stack.stop("functions")
    send(stack, "rows", json.dumps({"source": "x", "line": 2, "fields": {}}))
    stack.start("functions")
    functions = stack.programs["functions"]
    functions.wait_for("Executed 'Functions.process_row' (Succeeded", patience=60)


def test_all_that_the_image_is_made_of_is_in_the_build_context() -> None:
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").split()
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE)

    sources = [name for names in copied for name in names.split()]
    assert {"pyproject.toml", "README.md", "runtime", "emulator"} <= set(sources)
    for name in sources:
        assert (ROOT / name).exists()
        assert name not in ignored


def test_no_two_services_build_the_same_tag() -> None:
    tags = [s["image"] for s in STACK["services"].values() if "build" in s and "image" in s]

    assert len(tags) == len(set(tags))


def test_the_services_run_without_rights_and_keep_their_data() -> None:
    assert re.search(r"^USER (?!root)\w+", DOCKERFILE, re.MULTILINE)
    for service in STACK["services"].values():
        assert service["restart"] == "unless-stopped"
        assert any(volume.endswith(":/data") for volume in service["volumes"])
        assert all(port.startswith("127.0.0.1:") for port in service["ports"])
