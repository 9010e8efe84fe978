"""The steps that bring queues and tables into an account, with what they hold."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

from triggerfish_storage.queues import directory as queues
from triggerfish_storage.queues import exact as queue_rows
from triggerfish_storage.queues.exact import QueueSettings
from triggerfish_storage.tables import directory as tables
from triggerfish_storage.tables import exact as table_rows
from triggerfish_storage.transfer.entity_lines import read_entity
from triggerfish_storage.transfer.failure import TransferError
from triggerfish_storage.transfer.fields import Line, read_lines
from triggerfish_storage.transfer.message_lines import read_message
from triggerfish_storage.transfer.steps import REMEDY, Job, Step, chunks, told
from triggerfish_storage.transfer.tally import Tally


def queue_steps(job: Job, file: Path | None, settings: QueueSettings) -> Iterator[Step]:
    """Give the steps of one queue; one that exists, and is to be kept, gets no messages."""
    name = settings.name
    takes_messages = False

    def step(tx: sqlite3.Connection) -> Tally:
        nonlocal takes_messages
        with told(f"queue {name!r}"):
            exists = queues.exists(tx, job.account, name)
            if exists and job.options.existing == "skip":
                return Tally(kept=1)
            takes_messages = True
            is_full = exists and not queue_rows.is_empty(tx, job.account, name, now=job.now)
            if is_full and not job.options.overwrites:
                raise TransferError(f"queue {name!r} has messages. {REMEDY}")
            if is_full:
                queues.clear(tx, job.account, name)
            if not exists or job.options.overwrites:
                queue_rows.load_queue(tx, job.account, settings)
            return Tally(queues=1, replaced=int(is_full))

    yield step
    if file is not None and takes_messages:
        for lines in chunks(read_lines(file)):
            yield _messages_step(job, name, lines)


def _messages_step(job: Job, queue: str, lines: list[Line]) -> Step:
    def step(tx: sqlite3.Connection) -> Tally:
        for line in lines:
            with told(line.where):
                message = read_message(line, job.now, job.options.encoding)
                queue_rows.load_message(tx, job.account, queue, message)
            job.advance(len(line.raw))
        queues.count_in(tx, job.account, queue, len(lines))
        return Tally(messages=len(lines))

    return step


def table_steps(job: Job, file: Path | None, name: str, policies: str) -> Iterator[Step]:
    """Give the steps of one table."""
    table_id = 0

    def step(tx: sqlite3.Connection) -> Tally:
        nonlocal table_id
        with told(f"table {name!r}"):
            is_new = not tables.exists(tx, job.account, name)
            table_id = table_rows.load_table(
                tx, job.account, name, policies, overwrite=job.options.overwrites
            )
        return Tally(tables=int(is_new))

    yield step
    if file is not None:
        for lines in chunks(read_lines(file)):
            yield _entities_step(job, table_id, lines)


def _entities_step(job: Job, table_id: int, lines: list[Line]) -> Step:
    overwrites = job.options.overwrites

    def step(tx: sqlite3.Connection) -> Tally:
        existing = 0
        for line in lines:
            with told(line.where):
                entity = read_entity(line, job.now)
                exists = table_rows.load_entity(tx, table_id, entity, overwrite=overwrites)
            if exists and job.options.existing == "fail":
                raise line.wrong(f"the entity {tuple(entity.keys)} exists. {REMEDY}")
            existing += exists
            job.advance(len(line.raw))
        kept = 0 if overwrites else existing
        return Tally(entities=len(lines) - kept, kept=kept, replaced=existing - kept)

    return step
