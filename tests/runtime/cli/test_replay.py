"""``triggerfish replay`` of deliveries, against a ledger's file and a fake admin endpoint."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner, Result

from triggerfish.cli import redelivery
from triggerfish.cli.main import triggerfish
from triggerfish.cli.running import HOST_PORT, HostRefused, NotRunning
from triggerfish.history import queries
from triggerfish.history.entries import End
from triggerfish.history.ledger import FILE_NAME, open_ledger
from triggerfish.history.queries import Filter
from triggerfish.history.reader import open_reader
from triggerfish.model import Delivery, Failure, FailureKind
from triggerfish_storage.ownership import own

if TYPE_CHECKING:
    from conftest import Answering, NewDelivery

NOW = datetime.now(UTC)
BROKEN = Failure(FailureKind.USER, "ValueError", "no such customer")


def record(data: Path, *happened: tuple[Delivery, Failure | None]) -> None:
    async def write() -> None:
        async with open_ledger(data, report=print) as ledger:
            for one, failure in happened:
                ledger.began(one)
                ledger.ended(one.id, End(failure=failure, duration_seconds=0.1))

    asyncio.run(write())


@dataclass
class Admin:
    """A fake host: answers the admin endpoint, and writes what it "ran" to the history."""

    data: Path
    delivery: NewDelivery
    port: int = 0
    batches: list[list[str]] = field(default_factory=list)
    dry_asked: list[list[str]] = field(default_factory=list)
    refuses: dict[str, str] = field(default_factory=dict)
    fails: set[str] = field(default_factory=set)
    status: int = 200

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        assert (method, path) == ("POST", "/admin/triggerfish/replay")
        return self.status, json.dumps(self.replay(json.loads(body))).encode()

    def replay(self, wanted: dict[str, Any]) -> list[dict[str, str]]:
        (self.dry_asked if wanted["dry"] else self.batches).append(wanted["ids"])
        answers = []
        for id_ in wanted["ids"]:
            answer = {"id": id_, "function": "ship"}
            if id_ in self.refuses:
                answer["error"] = self.refuses[id_]
            elif not wanted["dry"]:
                answer["new_invocation_id"] = f"again-{id_}"
                again = self.delivery(f"again-{id_}", replay_of=id_)
                record(self.data, (again, BROKEN if id_ in self.fails else None))
            answers.append(answer)
        return answers


@pytest.fixture
def admin(tmp_path: Path, delivery: NewDelivery, answering: Answering) -> Iterator[Admin]:
    """A host that owns the data folder and says so."""
    fake = Admin(tmp_path, delivery)
    with (
        answering(fake.answer) as fake.port,
        own(tmp_path, started=NOW.isoformat()) as ownership,
    ):
        ownership.serves("127.0.0.1", {HOST_PORT: fake.port})
        yield fake


def run(data: Path, *arguments: str) -> Result:
    return CliRunner().invoke(triggerfish, ["replay", *arguments, "--data", str(data)])


def test_a_delivery_is_replayed_by_the_beginning_of_its_id(
    tmp_path: Path, admin: Admin, delivery: NewDelivery
) -> None:
    record(tmp_path, (delivery("aaaa-1"), BROKEN), (delivery("bbbb-2"), None))

    result = run(tmp_path, "aaaa", "--json")

    assert result.exit_code == 0, result.output
    assert admin.batches == [["aaaa-1"]]
    assert [one["newId"] for one in json.loads(result.stdout)] == ["again-aaaa-1"]


def test_failures_are_replayed_once_each_oldest_first(
    tmp_path: Path, admin: Admin, delivery: NewDelivery
) -> None:
    same = {"metadata": {"id": "same"}}
    record(
        tmp_path,
        (delivery("old", at=NOW - timedelta(hours=3)), BROKEN),
        (delivery("first-try", **same), BROKEN),
        (delivery("bill", function="bill"), BROKEN),
        (delivery("fine"), None),
        (delivery("second-try", **same), BROKEN),
        (delivery("other"), BROKEN),
    )

    run(tmp_path, "--function", "SHIP", "--failed", "--since", "1h")

    assert admin.batches == [["second-try", "other"]]


def test_what_a_replay_mended_is_not_replayed_again(
    tmp_path: Path, admin: Admin, delivery: NewDelivery
) -> None:
    record(tmp_path, (delivery("one"), BROKEN), (delivery("two"), BROKEN))
    admin.fails = {"two"}

    run(tmp_path, "--failed")
    run(tmp_path, "--failed")

    assert admin.batches == [["one", "two"], ["again-two"]]


def test_waiting_tells_the_outcomes_and_fails_if_one_failed(
    tmp_path: Path, admin: Admin, delivery: NewDelivery
) -> None:
    record(tmp_path, (delivery("good"), BROKEN), (delivery("bad"), BROKEN))
    admin.fails = {"bad"}

    result = run(tmp_path, "--failed", "--wait")

    assert result.exit_code == 1
    good, bad = (line.split("\t") for line in result.stdout.splitlines())
    assert good == ["good", "ship", "again-good", "succeeded", "100 ms", ""]
    assert bad == ["bad", "ship", "again-bad", "failed", "100 ms", "ValueError: no such customer"]
    assert "2 replayed, 1 failed." in result.stderr
    assert run(tmp_path, "good", "--wait").exit_code == 0


def test_what_the_host_cannot_send_is_a_failure_with_its_reason(
    tmp_path: Path, admin: Admin, delivery: NewDelivery
) -> None:
    record(tmp_path, (delivery("one"), BROKEN))
    admin.refuses = {"one": "There is no function 'ship'."}

    result = run(tmp_path, "one")

    assert result.exit_code == 1
    assert result.stdout == "one\tship\t\tnot sent\t\tThere is no function 'ship'.\n"
    assert result.stderr == "0 replayed, 1 not sent.\n"


def test_many_are_sent_a_few_at_a_time(
    tmp_path: Path, admin: Admin, monkeypatch: pytest.MonkeyPatch, delivery: NewDelivery
) -> None:
    monkeypatch.setattr(redelivery, "AT_ONCE", 3)
    record(tmp_path, *((delivery(f"{number:02}"), BROKEN) for number in range(7)))

    run(tmp_path, "--failed", "--yes")

    assert [len(batch) for batch in admin.batches] == [3, 3, 1]


def test_a_limit_keeps_the_newest(tmp_path: Path, admin: Admin, delivery: NewDelivery) -> None:
    record(tmp_path, *((delivery(f"{number:02}"), BROKEN) for number in range(5)))

    run(tmp_path, "--failed", "--limit", "2")

    assert admin.batches == [["03", "04"]]


def test_dry_shows_what_would_be_sent_and_what_could_not(
    tmp_path: Path, admin: Admin, delivery: NewDelivery
) -> None:
    record(tmp_path, (delivery("one"), BROKEN), (delivery("two"), BROKEN))
    admin.refuses = {"two": "Its payload was too large to be kept."}

    shown = run(tmp_path, "--failed", "--dry")
    document = json.loads(run(tmp_path, "--failed", "--dry", "--json").stdout)

    assert shown.stdout.splitlines() == [
        'one\tship\torders\tfailed\t12 bytes\t{"order": 1}',
        "two\tship\torders\tfailed\t12 bytes\tIts payload was too large to be kept.",
    ]
    assert [one["problem"] for one in document] == ["", "Its payload was too large to be kept."]
    assert admin.batches == []


def test_dry_needs_no_running_host(tmp_path: Path, delivery: NewDelivery) -> None:
    record(tmp_path, (delivery("one"), BROKEN))

    result = run(tmp_path, "--failed", "--dry")

    assert result.exit_code == 0
    assert result.stdout.startswith("one\t")
    assert "Not checked against the app" in result.stderr


def test_nothing_to_replay_is_no_failure(
    tmp_path: Path, admin: Admin, delivery: NewDelivery
) -> None:
    record(tmp_path, (delivery("one"), None))

    result = run(tmp_path, "--failed")

    assert (result.exit_code, admin.batches) == (0, [])
    assert "Nothing to replay" in result.stderr
    assert json.loads(run(tmp_path, "--failed", "--json").stdout) == []


def test_without_a_running_host_the_remedy_is_told(tmp_path: Path, delivery: NewDelivery) -> None:
    record(tmp_path, (delivery("one"), BROKEN))

    result = run(tmp_path, "--failed")

    assert isinstance(result.exception, NotRunning)
    assert "triggerfish start" in str(result.exception)


def test_a_host_that_is_gone_is_not_running(tmp_path: Path, delivery: NewDelivery) -> None:
    record(tmp_path, (delivery("one"), BROKEN))
    with own(tmp_path, started=NOW.isoformat()) as ownership:
        ownership.serves("127.0.0.1", {HOST_PORT: 9})  # the discard service: nobody there
        result = run(tmp_path, "one")

    assert isinstance(result.exception, NotRunning)
    assert "No host answers at http://127.0.0.1:9" in str(result.exception)


def test_a_host_that_refuses_is_quoted(tmp_path: Path, admin: Admin, delivery: NewDelivery) -> None:
    record(tmp_path, (delivery("one"), BROKEN))
    admin.status = 500

    result = run(tmp_path, "one")

    assert isinstance(result.exception, HostRefused)
    assert "answered 500" in str(result.exception)


def test_another_host_replays_ids_of_its_own_history(
    tmp_path: Path, delivery: NewDelivery, answering: Answering
) -> None:
    admin = Admin(tmp_path, delivery)
    with answering(admin.answer) as admin.port:
        arguments = ["replay", "abc", "--host", f"http://127.0.0.1:{admin.port}"]
        result = CliRunner().invoke(triggerfish, arguments)

    assert result.exit_code == 0, result.output
    assert admin.batches == [["abc"]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Name ids, or say which deliveries"),
        (["one", "--failed"], "Name ids, or say which deliveries"),
        (["--poison", "orders", "--failed"], "--poison moves messages"),
        (["one", "--connection", "x"], "--connection goes with --poison"),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    tmp_path: Path, arguments: list[str], message: str
) -> None:
    result = run(tmp_path, *arguments)

    assert result.exit_code == 2
    assert message in result.stderr


class Gone(Exception):  # noqa: N818
    """The fake host of the next test has ended."""


def test_waiting_ends_when_the_host_does(tmp_path: Path, delivery: NewDelivery) -> None:
    record(tmp_path, (delivery("one"), None))

    class Host:
        def replay(self, ids: list[str], *, dry: bool) -> list[dict[str, Any]]:
            return []

        def ping(self) -> None:
            raise Gone

    with open_reader(tmp_path / FILE_NAME) as reader, pytest.raises(Gone):
        assert queries.find(reader, Filter())
        redelivery.await_ends(reader, ["never"], Host(), lambda: None)
