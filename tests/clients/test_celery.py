"""Celery through kombu's transport for Azure Storage queues: tasks, retries, several queues.

Results are kept by Celery's own backend for block blobs, in the same account.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from conftest import Account

PROGRAMS: Final = Path(__file__).parent / "programs"
INSTALL: Final = "pip install celery kombu[azurestoragequeues] azure-storage-blob"
PATIENCE_SECONDS: Final = 40

pytestmark = [
    pytest.mark.external,
    pytest.mark.slow,
    pytest.mark.timeout(180),
    pytest.mark.filterwarnings("default"),  # those of code that is not ours
]


@pytest.fixture
def broker(account: Account) -> str:
    pytest.importorskip("kombu", reason=f"kombu is not here: {INSTALL}")
    return f"azurestoragequeues://{account.key}@{account.endpoint('queue')}"


@pytest.fixture
def celery(account: Account, broker: str, tmp_path: Path) -> Iterator[Any]:
    """The app as its clients see it, while a worker of its own runs it on both its queues."""
    found = pytest.importorskip("celery", reason=f"Celery is not here: {INSTALL}")
    results = f"azureblockblob://{account.connection_string}"
    command = [sys.executable, "-m", "celery", "-A", "celery_app", "worker"]
    options = ["--pool", "threads", "--concurrency", "4", "--queues", "celery,loud.ones"]
    quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
    with (
        (tmp_path / "worker.log").open("wb") as log,
        subprocess.Popen(
            [*command, *options, *quiet],
            env={**os.environ, "PROOF_BROKER": broker, "PROOF_RESULTS": results},
            cwd=PROGRAMS,
            stdout=log,
            stderr=log,
        ) as worker,
    ):
        try:
            with found.Celery("proof", broker=broker, backend=results) as app:
                app.conf.broker_transport_options = {"queue_name_prefix": "proof-"}
                yield app
            worker.send_signal(signal.SIGTERM)
            assert worker.wait(PATIENCE_SECONDS) == 0, (tmp_path / "worker.log").read_text()
        finally:
            worker.kill()


def test_tasks_run_in_a_worker_and_their_results_come_back(celery: Any) -> None:
    sums = [celery.send_task("proof.add", (n, 1)) for n in range(30)]
    loud = celery.send_task("proof.shout", ("é 🐟",), queue="loud.ones")

    assert [found.get(timeout=PATIENCE_SECONDS) for found in sums] == list(range(1, 31))
    assert loud.get(timeout=PATIENCE_SECONDS) == "É 🐟"


def test_retries_failures_countdowns_and_tasks_of_tasks(celery: Any) -> None:
    again = celery.send_task("proof.fails_twice")
    failed = celery.send_task("proof.fails")
    later = celery.send_task("proof.add", (1, 2), countdown=1)
    chained = celery.signature("proof.add", (1, 2)) | celery.signature("proof.add", (10,))
    spread = celery.send_task("proof.spreads", (5,))

    assert again.get(timeout=PATIENCE_SECONDS) == 2
    with pytest.raises(ValueError, match="as it should"):
        failed.get(timeout=PATIENCE_SECONDS)
    assert later.get(timeout=PATIENCE_SECONDS) == 3
    assert chained.apply_async().get(timeout=PATIENCE_SECONDS) == 13
    assert spread.get(timeout=PATIENCE_SECONDS) is None


def test_kombu_publishes_consumes_counts_and_purges(broker: str) -> None:
    import kombu

    bodies = [{"number": number, "text": "é 🐟 <&>"} for number in range(40)]
    seen: list[Any] = []
    with kombu.Connection(broker) as connection:
        orders = connection.SimpleQueue("orders")
        others = connection.SimpleQueue("others_of.them")  # becomes a legal name
        for body in bodies:
            orders.put(body)
        others.put("only this")

        assert (orders.qsize(), others.qsize()) == (40, 1)
        while len(seen) < len(bodies):
            message = orders.get(timeout=PATIENCE_SECONDS)
            seen.append(message.payload)
            message.ack()
        assert others.clear() == 1
        with pytest.raises(others.Empty):
            others.get(block=False)
        orders.close()
        others.close()

    assert sorted(seen, key=lambda body: body["number"]) == bodies
