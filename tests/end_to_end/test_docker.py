"""`docker compose up` on a real engine: the image is built, and the stack used as the guide says.

Needs an engine, Compose 2.24 or newer and the network (or the images of the Dockerfile); what
can be told without an engine is in ``test_compose``.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml
from azure.core.exceptions import ResourceExistsError
from azure.storage.queue import QueueClient, TextBase64EncodePolicy

FILE = Path(__file__).parent.parent.parent / "docker-compose.yml"
DELIVERED = "Executed 'Functions.process_row' (Succeeded"
# The stack of the file, on ports that the engine finds; `!override` is what Compose 2.24 brought.
FREE_PORTS = """
services:
  storage:
    ports: !override ["127.0.0.1::10000", "127.0.0.1::10001", "127.0.0.1::10002"]
  functions:
    ports: !override ["127.0.0.1::7071"]
"""

pytestmark = [pytest.mark.external, pytest.mark.timeout(600)]


class Stack:
    """A Compose project of its own."""

    def __init__(self, folder: Path) -> None:
        (folder / "ports.yml").write_text(FREE_PORTS, encoding="utf-8")
        self.command = ["docker", "compose", "--progress", "plain", "-p", "triggerfish-test"]
        for file in (FILE, folder / "ports.yml"):
            self.command += ["-f", str(file)]

    def run(self, *words: str) -> str:
        """Run a command of Compose; return what it printed."""
        done = subprocess.run(
            [*self.command, *words], capture_output=True, text=True, timeout=500, check=False
        )
        assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
        return done.stdout

    def exit_code(self, service: str) -> int:
        """Return how a service that has stopped ended."""
        row = self.run("ps", "--all", "--format", "json", service)
        return int(json.loads(row)["ExitCode"])

    def send(self, row: int) -> None:
        """Put a message into the sample's queue ``rows``, from outside of the stack."""
        functions = yaml.safe_load(FILE.read_text(encoding="utf-8"))["services"]["functions"]
        connection = re.sub(
            r"//storage:(\d+)",
            lambda at: "//" + self.run("port", "storage", at[1]).strip(),
            functions["environment"]["AzureWebJobsStorage"],
        )
        with QueueClient.from_connection_string(
            connection, "rows", message_encode_policy=TextBase64EncodePolicy()
        ) as queue:
            with suppress(ResourceExistsError):
                queue.create_queue()
            queue.send_message(json.dumps({"source": "x", "line": row, "fields": {}}))

    def history(self) -> list[tuple[int, str]]:
        """Return the deliveries of ``process_row`` as their attempt and how they ended."""
        command = "triggerfish history --app /app --data /data --function process_row --json"
        found = json.loads(self.run("exec", "-T", "functions", *command.split()))
        return sorted((delivery["attempt"], delivery["status"]) for delivery in found)


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    if shutil.which("docker") is None:
        pytest.skip("there is no docker")
    for needed in ("info", "compose version"):
        asked = subprocess.run(["docker", *needed.split()], capture_output=True, check=False)
        if asked.returncode:
            pytest.skip(f"docker {needed}: {asked.stderr.decode().strip()}")
    stack = Stack(tmp_path)
    try:
        stack.run("up", "--build", "--wait")
        yield stack
    finally:
        stack.run("down", "--volumes")


@pytest.fixture
def functions(stack: Stack, tmp_path: Path, start_program: Callable[..., Any]) -> Callable[[], Any]:
    """Read all that the functions' container prints, until it stops."""
    command = [*stack.command, "logs", "--follow", "functions"]
    return lambda: start_program(command, tmp_path, {})


def test_a_message_from_outside_is_delivered(stack: Stack, functions: Callable[[], Any]) -> None:
    stack.send(1)

    functions().wait_for(DELIVERED)
    assert stack.history() == [(1, "succeeded")]


def test_a_message_outlives_a_kill_of_the_storage(
    stack: Stack, functions: Callable[[], Any]
) -> None:
    stack.run("stop", "functions")
    stack.send(1)
    stack.run("kill", "storage")

    stack.run("up", "--wait")

    functions().wait_for(DELIVERED)
    assert stack.history() == [(1, "succeeded")]


def test_functions_find_a_storage_again_that_was_away(
    stack: Stack, functions: Callable[[], Any]
) -> None:
    stack.run("kill", "storage")
    functions().wait_for("Cannot connect to host storage")

    stack.run("up", "--wait")
    stack.send(1)

    functions().wait_for(DELIVERED)


def test_what_is_stopped_has_drained(stack: Stack) -> None:
    stack.run("stop")

    assert {stack.exit_code(service) for service in ("storage", "functions")} == {0}
