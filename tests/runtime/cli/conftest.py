"""What the commands find: deliveries in a history, and a fake host that answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from triggerfish.model import Delivery

Answer = Callable[[str, str, bytes], tuple[int, bytes]]
Answering = Callable[[Answer], AbstractContextManager[int]]
NewDelivery = Callable[..., Delivery]

_NOW = datetime.now(UTC)


def _delivery(id_: str, **changes: object) -> Delivery:
    values: dict[str, object] = {
        "id": id_,
        "function": "ship",
        "trigger": "queueTrigger",
        "source": "orders",
        "payload": b'{"order": 1}',
        "metadata": {"id": f"message-{id_}"},
        "attempt": 1,
        "reason": "New queue message detected on 'orders'.",
        "at": _NOW,
    }
    return Delivery(**(values | changes))  # type: ignore[arg-type]


@pytest.fixture
def delivery() -> NewDelivery:
    """Make a delivery with this id and these changes."""
    return _delivery


@contextmanager
def _answering(answer: Answer) -> Iterator[int]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, answered = answer(self.command, self.path, body)
            self.send_response(status)
            self.send_header("Content-Length", str(len(answered)))
            self.end_headers()
            self.wfile.write(answered)

        do_POST = do_PUT = do_GET  # noqa: N815 - the server looks for these names

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def answering() -> Answering:
    """Answer method, path and body with a status and a body; gives the port."""
    return _answering
