"""The order desk from outside: official clients in, official clients out."""

from __future__ import annotations

import csv
import importlib.util
import json
import urllib.request
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from azure.storage.blob import BlobServiceClient
from azure.storage.queue import (
    QueueClient,
    QueueServiceClient,
    TextBase64DecodePolicy,
    TextBase64EncodePolicy,
)

ORDER = {
    "orderId": "A-1001",
    "customerId": "C-7",
    "items": [{"sku": "fin", "quantity": 2, "price": 4.5}],
}


class Clients:
    """The official clients on a running host's account."""

    def __init__(self, connection_string: str) -> None:
        self.blobs = BlobServiceClient.from_connection_string(connection_string)
        self.queues = QueueServiceClient.from_connection_string(connection_string)
        self._connection_string = connection_string

    def queue(self, name: str) -> QueueClient:
        return QueueClient.from_connection_string(
            self._connection_string,
            name,
            message_encode_policy=TextBase64EncodePolicy(),
            message_decode_policy=TextBase64DecodePolicy(),
        )

    def upload(self, path: str, content: bytes) -> None:
        container, _, name = path.partition("/")
        client = self.blobs.get_container_client(container)
        if not client.exists():
            client.create_container()
        client.upload_blob(name, content, overwrite=True)

    def download(self, path: str) -> bytes:
        container, _, name = path.partition("/")
        return self.blobs.get_blob_client(container, name).download_blob().readall()

    def receive_all(self, name: str) -> list[Any]:
        """Receive every message there is now, each once."""
        pages = self.queue(name).receive_messages(messages_per_page=32, visibility_timeout=3600)
        return [json.loads(message.content) for message in pages]

    def close(self) -> None:
        self.blobs.close()
        self.queues.close()


@pytest.fixture
def clients(orders: Any) -> Any:
    clients = Clients(orders.connection_string)
    yield clients
    clients.close()


def dataset(name: str) -> bytes:
    """Return a file of the package vega_datasets, without importing what it needs."""
    spec = importlib.util.find_spec("vega_datasets")
    assert spec is not None
    assert spec.origin is not None
    return (Path(spec.origin).parent / "_data" / name).read_bytes()


def test_an_order_becomes_an_invoice_and_a_shipment(orders: Any, clients: Clients) -> None:
    clients.upload("customers/C-7.json", b'{"name": "Ann", "address": "1 Reef Road"}')
    clients.queue("orders").create_queue()

    clients.queue("orders").send_message(json.dumps(ORDER))
    orders.wait_for("Executed 'Functions.process_order' (Succeeded")

    invoice = json.loads(clients.download("invoices/A-1001.json"))
    assert invoice == {"orderId": "A-1001", "to": "Ann", "total": 9.0}
    [shipment] = clients.receive_all("shipments")
    assert shipment == {"orderId": "A-1001", "address": "1 Reef Road", "items": ORDER["items"]}
    properties = clients.queue("orders").get_queue_properties()
    assert properties.approximate_message_count == 0


def test_an_order_placed_over_http_takes_the_same_way(orders: Any, clients: Clients) -> None:
    clients.upload("customers/C-7.json", b'{"name": "Ann", "address": "1 Reef Road"}')

    request = urllib.request.Request(
        f"{orders.url}/api/orders", data=json.dumps(ORDER).encode(), method="POST"
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert answer.status == 202
    orders.wait_for("Executed 'Functions.process_order' (Succeeded")

    assert json.loads(clients.download("invoices/A-1001.json"))["total"] == 9.0


def test_a_message_that_is_no_json_ends_in_the_poison_queue_with_its_reason(
    orders: Any, clients: Clients, run_command: Callable[..., str]
) -> None:
    clients.queue("orders").create_queue()

    clients.queue("orders").send_message("not an order")
    orders.wait_for("to queue 'orders-poison'")

    poisoned = clients.queue("orders-poison").receive_message()
    assert poisoned is not None
    assert poisoned.content == "not an order"
    failed = json.loads(run_command(orders.app, "history", "--failed", "--json"))
    assert len(failed) == 5
    assert "customerId" in json.dumps(failed[0])


@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.parametrize("name", ["airports.csv", "seattle-weather.csv", "sf-temps.csv"])
def test_every_row_of_an_uploaded_csv_file_arrives_exactly_once(
    orders: Any, clients: Clients, name: str
) -> None:
    content = dataset(name)
    rows = list(csv.DictReader(content.decode("utf-8-sig").splitlines()))

    clients.upload(f"uploads/{name}", content)
    orders.wait_for("Executed 'Functions.process_row' (Succeeded", times=len(rows), patience=60)

    arrived = clients.receive_all("processed")
    assert Counter(one["line"] for one in arrived) == Counter(range(1, len(rows) + 1))
    assert {one["line"]: one["fields"] for one in arrived} == dict(enumerate(rows, start=1))


def test_every_row_of_an_uploaded_json_file_arrives_exactly_once(
    orders: Any, clients: Clients
) -> None:
    content = dataset("cars.json")
    rows = json.loads(content)

    clients.upload("uploads/cars.json", content)
    orders.wait_for("Executed 'Functions.process_row' (Succeeded", times=len(rows), patience=60)

    arrived = clients.receive_all("processed")
    assert Counter(one["line"] for one in arrived) == Counter(range(1, len(rows) + 1))


def test_the_timer_writes_its_report(
    copy_of: Callable[[str], Path], start: Callable[..., Any]
) -> None:
    host = start(copy_of("orders"), ReportSchedule="* * * * * *").ready()

    host.wait_for("Executed 'Functions.daily_report' (Succeeded")

    clients = Clients(host.connection_string)
    [report] = list(clients.blobs.get_container_client("reports").list_blobs())
    assert report.name.endswith(".json")
    clients.close()
    assert host.stop() == 0
