"""An account from files: what ``exporting`` wrote, or what was put together by hand.

All of it is one transaction: whatever ends an import early, nothing of it is there. What is
there already stays, is replaced, or ends the import, as is asked for.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import get_args

from triggerfish_storage import service_properties
from triggerfish_storage.blobs.model import Container
from triggerfish_storage.blobs.names import check_container_name
from triggerfish_storage.changes import Service
from triggerfish_storage.content_folder import Contents
from triggerfish_storage.data_folder import CONTENTS_FOLDER, DATABASE_FILE, migrations
from triggerfish_storage.protocol import properties
from triggerfish_storage.queues import directory as queues
from triggerfish_storage.queues.exact import QueueSettings
from triggerfish_storage.schema import Durability, connect_writer, migrate
from triggerfish_storage.tables import directory as tables
from triggerfish_storage.transfer import sources
from triggerfish_storage.transfer.blob_import import container_steps
from triggerfish_storage.transfer.exporting import FORMAT
from triggerfish_storage.transfer.fields import Line, read_lines
from triggerfish_storage.transfer.item_import import queue_steps, table_steps
from triggerfish_storage.transfer.setting_lines import read_container, read_policies, read_queue
from triggerfish_storage.transfer.sources import Source
from triggerfish_storage.transfer.steps import ImportOptions, Job, Step, told
from triggerfish_storage.transfer.tally import Advance, Tally

_SERVICES: tuple[Service, ...] = get_args(Service)


def import_account(
    folder: Path,
    source: Source,
    options: ImportOptions,
    *,
    now: datetime,
    advance: Advance,
    durability: Durability = "process",
) -> Tally:
    """Bring all of a source into the account kept in ``folder``, which the caller owns.

    Raises TransferError, and then nothing was changed.
    """
    database = folder / DATABASE_FILE
    contents = Contents(folder / CONTENTS_FOLDER, durability=durability)  # makes the folder too
    migrate(database, migrations(), durability)
    tally = Tally()
    with closing(connect_writer(database, durability)) as tx:
        tx.execute("BEGIN IMMEDIATE")
        try:
            for step in steps(Job(options, contents, now, advance), source):
                tally.add(step(tx))
            tx.execute("ROLLBACK" if options.dry else "COMMIT")
        except BaseException:
            tx.execute("ROLLBACK")
            contents.remove_unused(tx)
            raise
        contents.remove_unused(tx)  # what was replaced
    return tally


def steps(job: Job, source: Source) -> Iterator[Step]:
    """Give the steps in order; see ``transfer.steps``."""
    settings = read_settings(source, job.account, job.now)
    for service, line in settings.services.items():
        yield _service_step(job, service, line)
    for name in sorted({*settings.containers, *source.containers}):
        files = source.containers.get(name) or sources.Container()
        yield from container_steps(job, name, files, settings.containers.get(name))
    for name in sorted({*settings.queues, *source.queues}):
        queue = settings.queues.get(name) or QueueSettings(name, {}, "[]")
        yield from queue_steps(job, source.queues.get(name), queue)
    for name in sorted({*settings.tables, *source.tables}):
        policies = settings.tables.get(name, "[]")
        yield from table_steps(job, source.tables.get(name), name, policies)


@dataclass(slots=True)
class Settings:
    """What the account's manifest says, by name: as many as there are resources, not items."""

    services: dict[Service, Line] = field(default_factory=dict)
    containers: dict[str, Container] = field(default_factory=dict)
    queues: dict[str, QueueSettings] = field(default_factory=dict)
    tables: dict[str, str] = field(default_factory=dict)


def read_settings(source: Source, account: str, now: datetime) -> Settings:
    """Return what a source's manifest says; nothing where it has none."""
    found = Settings()
    for line in read_lines(source.account) if source.account is not None else ():
        with told(line.where):
            _read_setting(line, found, account, now)
    return found


def _read_setting(line: Line, found: Settings, account: str, now: datetime) -> None:
    if "service" in line.values:
        found.services[line.one_of("service", _SERVICES)] = line
    elif "container" in line.values:
        container = read_container(line, account, now)
        check_container_name(container.name)
        found.containers[container.name] = container
    elif "queue" in line.values:
        queue = read_queue(line)
        queues.check_name(queue.name)
        found.queues[queue.name] = queue
    elif "table" in line.values:
        tables.check_name(line.text("table"))
        found.tables[line.text("table")] = read_policies(line)
    elif "triggerfish" not in line.values:
        raise line.wrong('a "service", "container", "queue" or "table" is expected.')
    elif line.integer("format", FORMAT) > FORMAT:
        raise line.wrong("written by a newer version. Upgrade triggerfish.")


def service_document(line: Line) -> bytes:
    """Return the properties of a service as Set Service Properties takes them."""
    markup = "".join(line.mapping("properties").values())
    return f"<{properties.ROOT}>{markup}</{properties.ROOT}>".encode()


def _service_step(job: Job, service: Service, line: Line) -> Step:
    with told(line.where):
        wanted = properties.read_properties(service_document(line), service)

    def step(tx: sqlite3.Connection) -> Tally:
        there = service_properties.load(tx, job.account, service)
        changed = wanted if job.options.overwrites else wanted | there
        service_properties.save(tx, job.account, service, changed)
        return Tally()

    return step
