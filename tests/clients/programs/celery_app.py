"""A Celery app: tasks come through Azure Storage queues, results are blobs."""

from __future__ import annotations

import os
from typing import Any

from celery import Celery, group

app = Celery("proof", broker=os.environ["PROOF_BROKER"], backend=os.environ["PROOF_RESULTS"])
app.conf.update(
    broker_transport_options={"queue_name_prefix": "proof-", "polling_interval": 0.1},
    task_routes={"proof.shout": {"queue": "loud.ones"}},
    worker_enable_remote_control=False,
)


@app.task(name="proof.add")
def add(one: int, two: int) -> int:
    return one + two


@app.task(name="proof.shout")
def shout(text: str) -> str:
    return text.upper()


@app.task(name="proof.fails_twice", bind=True, max_retries=3, default_retry_delay=0)
def fails_twice(task: Any) -> int:
    if task.request.retries < 2:
        raise task.retry(exc=RuntimeError("not yet"))
    return int(task.request.retries)


@app.task(name="proof.fails")
def fails() -> None:
    raise ValueError("as it should")


@app.task(name="proof.spreads")
def spreads(numbers: int) -> None:
    group(add.s(number, number) for number in range(numbers)).apply_async()
