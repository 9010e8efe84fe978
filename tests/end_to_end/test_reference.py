"""Each example of the developer reference, run as a function and driven over HTTP."""

from __future__ import annotations

import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from azure.storage.blob import BlobServiceClient
from azure.storage.queue import QueueClient, TextBase64DecodePolicy


@pytest.fixture(scope="module", params=["embedded", "azure"])
def reference(request: Any, start_for_module: Callable[..., Any]) -> Any:
    """The sample on the account inside its host, and on one over the network."""
    return start_for_module("reference", own_account=request.param == "embedded")


def call(host: Any, path: str, body: bytes | None = None) -> tuple[int, str, dict[str, str]]:
    request = urllib.request.Request(f"{host.url}/api/{path}", data=body)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, answer.read().decode(), dict(answer.headers)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode(), dict(error.headers)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("hello?user=ann", "Hello, ann!"),
        ("hello_typed?user=ann", "Hello, ann!"),
        ("other_entry", "from customentry in main.py"),
        ("my_first_function?user=ann", "Hello, ann! 42 from example"),
        ("my_second_function?value=21", "21 * 2 = 42"),
        ("old_imports", "Hello, 2!"),
        ("settings", "a value from local.settings.json"),
        ("temporary", "1"),
    ],
)
def test_an_example_answers(reference: Any, path: str, text: str) -> None:
    assert call(reference, path)[:2] == (200, text)


def test_a_global_lives_as_long_as_the_worker(reference: Any) -> None:
    assert [call(reference, "cached")[1] for _ in range(3)] == ["loaded 1 time(s)"] * 3


def test_the_http_example_takes_a_name_from_query_or_body_or_refuses(reference: Any) -> None:
    status, text, headers = call(reference, "http_example?name=ann")
    assert (status, text, headers["my-http-header"]) == (200, "Hello ann!", "some-value")

    assert call(reference, "http_example", b'{"name": "bob"}')[:2] == (200, "Hello bob!")

    status, text, headers = call(reference, "http_example")
    assert (status, headers["my-http-header"]) == (400, "some-value")
    assert text.startswith("Please pass a name")


def test_the_context_names_invocation_function_and_folder(reference: Any) -> None:
    _, text, _ = call(reference, "show_context")

    invocation_id, name, folder = text.split(",")
    assert len(invocation_id) == 36
    assert name == "show_context"
    assert Path(folder) == reference.app / "show_context"


def test_a_blob_input_is_named_by_the_route(reference: Any) -> None:
    with BlobServiceClient.from_connection_string(reference.connection_string) as blobs:
        blobs.create_container("samples").upload_blob("nine", b"the content")

    status, text, _ = call(reference, "items/nine")

    assert (status, text) == (204, "")
    reference.wait_for("The item holds: b'the content'")


def test_a_message_goes_to_the_queue_and_to_the_caller(reference: Any) -> None:
    assert call(reference, "enqueue?body=to-both")[:2] == (200, "to-both")

    with QueueClient.from_connection_string(
        reference.connection_string,
        "outqueue",
        message_decode_policy=TextBase64DecodePolicy(),
    ) as queue:
        assert [message.content for message in queue.receive_messages()] == ["to-both"]


def test_log_lines_have_their_levels(reference: Any) -> None:
    assert call(reference, "logs")[0] == 204

    for word in ("critical", "error", "warning", "information"):
        reference.wait_for(f"{word} line")


def test_the_unit_test_of_the_reference_passes_as_it_is_run_there(
    copy_of: Callable[[str], Path],
) -> None:
    app = copy_of("reference")

    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "tests", "-p", "no:cacheprovider"],
        cwd=app,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout
