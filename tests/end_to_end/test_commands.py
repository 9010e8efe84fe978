"""The commands around a running host: invoke, history, replay, queue, blob."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ORDER = '{"orderId": "A-1", "customerId": "C-7", "items": []}'
CUSTOMER = '{"name": "Ann", "address": "1 Reef Road"}'


@pytest.fixture
def cli(orders: Any, run_command: Callable[..., str]) -> Callable[..., str]:
    return lambda *arguments, **options: run_command(orders.app, *arguments, **options)


def test_the_lines_of_the_readme_work(orders: Any, cli: Callable[..., str]) -> None:
    cli("blob", "put", "customers/C-7.json", CUSTOMER)
    cli("queue", "put", "orders", ORDER)
    orders.wait_for("Executed 'Functions.process_order' (Succeeded")

    assert json.loads(cli("blob", "get", "invoices/A-1.json", "-"))["to"] == "Ann"
    [entry] = json.loads(cli("history", "--json"))
    assert (entry["function"], entry["status"]) == ("process_order", "succeeded")

    cli("queue", "put", "orders", "not an order")
    orders.wait_for("to queue 'orders-poison'")
    assert "process_order" in cli("history", "--failed")
    cli("replay", "--poison", "orders")
    orders.wait_for("to queue 'orders-poison'")
    assert "Report written" in cli("invoke", "daily_report")
    assert ".json" in cli("blob", "list", "reports")


def test_a_delivery_is_replayed_once_its_cause_is_mended(
    orders: Any, cli: Callable[..., str]
) -> None:
    cli("queue", "put", "orders", ORDER)  # there is no such customer yet
    orders.wait_for("to queue 'orders-poison'")
    failed = json.loads(cli("history", "--failed", "--json"))
    shown = json.loads(cli("history", "show", failed[0]["id"], "--json"))
    assert "there is no customer C-7" in json.dumps(shown)

    cli("blob", "put", "customers/C-7.json", CUSTOMER)
    would = cli("replay", failed[0]["id"], "--dry")
    assert failed[0]["id"][:8] in would
    cli("replay", failed[0]["id"], "--wait")

    assert json.loads(cli("blob", "get", "invoices/A-1.json", "-"))["orderId"] == "A-1"


def test_messages_saved_to_a_file_are_sent_another_day(
    orders: Any, cli: Callable[..., str], tmp_path: Path
) -> None:
    saved = tmp_path / "saved.jsonl"
    for number in range(3):
        cli("queue", "put", "archive", f"message {number}")
    cli("queue", "export", "archive", str(saved))
    assert len(saved.read_text().splitlines()) == 3

    cli("queue", "clear", "archive")
    cli("queue", "import", "archive", str(saved))

    peeked = cli("queue", "peek", "archive", "--json")
    assert all(f"message {number}" in peeked for number in range(3))
    assert "archive" in cli("queue", "list")


def test_any_kind_of_function_can_be_invoked(orders: Any, cli: Callable[..., str]) -> None:
    cli("blob", "put", "customers/C-7.json", CUSTOMER)
    cli("invoke", "process_order", "--data", ORDER)
    assert json.loads(cli("blob", "get", "invoices/A-1.json", "-"))["to"] == "Ann"

    cli("blob", "put", "elsewhere/one.csv", "-", typed="a,b\n1,2\n")
    cli("invoke", "split_csv", "--blob", "elsewhere/one.csv")
    cli("invoke", "place_order", "--data", ORDER)


def test_a_command_without_a_host_says_what_to_do(
    copy_of: Callable[[str], Path], run_command: Callable[..., str]
) -> None:
    app = copy_of("orders")

    assert "triggerfish start" in fail(run_command, app, "invoke", "daily_report")


def test_a_module_of_the_app_hides_none_of_the_standard_library(
    tmp_path: Path, run_command: Callable[..., str]
) -> None:
    (tmp_path / "host.json").write_text('{"version": "2.0"}')
    for name in ("queue", "email", "sqlite3"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('not meant')")

    assert "no history" in run_command(tmp_path, "history", code=1).lower()


def fail(run_command: Callable[..., str], app: Path, *arguments: str) -> str:
    return run_command(app, *arguments, code=1)


def test_a_running_app_begins_again_from_a_snapshot(
    orders: Any, cli: Callable[..., str], tmp_path: Path
) -> None:
    cli("blob", "put", "customers/C-7.json", CUSTOMER)
    cli("storage", "snapshot", "clean")
    messages = tmp_path / "orders.jsonl"
    messages.write_text(json.dumps({"body": json.loads(ORDER)}) + "\n")

    for _ in range(2):
        cli("storage", "import", str(messages))
        orders.wait_for("Executed 'Functions.process_order' (Succeeded")
        assert json.loads(cli("blob", "get", "invoices/A-1.json", "-"))["to"] == "Ann"

        cli("storage", "restore", "clean")
        assert cli("blob", "list", "customers").startswith("C-7.json")
        assert "orders" not in cli("queue", "list", "orders")
