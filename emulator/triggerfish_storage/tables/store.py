"""The Table service of one account, in process: each method is one unit of work.

The rules and the SQL are in the modules beside this one, as functions over an open transaction.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence
from datetime import datetime

from triggerfish_storage.changes import Change, Changes
from triggerfish_storage.database import Database
from triggerfish_storage.service_properties import ServiceProperties
from triggerfish_storage.tables import action as actions
from triggerfish_storage.tables import directory, rows, search
from triggerfish_storage.tables.action import Action
from triggerfish_storage.tables.edm import Property
from triggerfish_storage.tables.entity import Entity, Keys
from triggerfish_storage.tables.filter import EVERYTHING, Filter
from triggerfish_storage.tables.matching import bounds_of, matches, without_case
from triggerfish_storage.tables.search import EntityPage, Query


class TableStore:
    """Tables and entities of ``account``."""

    def __init__(
        self,
        database: Database,
        changes: Changes,
        *,
        account: str = "devstoreaccount1",
        due: asyncio.Event | None = None,
    ) -> None:
        self.account = account
        self.service_properties = ServiceProperties(database, account, "table")
        self._database = database
        self._changes = changes
        self._due = due or asyncio.Event()  # set where upkeep has entities to purge

    # --- tables -------------------------------------------------------------------------------

    async def create(self, table: str) -> None:
        """Create a table; raises TableAlreadyExists."""
        await self._database.write(lambda tx: directory.create(tx, self.account, table))
        self._announce(table)

    async def delete_table(self, table: str) -> None:
        """Delete a table with all its entities, which upkeep purges."""
        await self._database.write(lambda tx: directory.delete(tx, self.account, table))
        self._due.set()
        self._announce(table)

    def exists(self, table: str) -> bool:
        return self._database.look(lambda tx: directory.exists(tx, self.account, table))

    async def listing(
        self, tree: Filter = EVERYTHING, *, start: str = "", limit: int = search.PAGE_LIMIT
    ) -> tuple[list[str], str]:
        """Return up to ``limit`` tables that a filter lets through, and where to go on.

        Names are compared without regard to case, as they are when a table is addressed.
        """
        folded = without_case(tree)
        bounds = bounds_of(folded, "TableName")
        first = max(start.lower(), bounds.first)

        def unit(tx: sqlite3.Connection) -> tuple[list[str], str]:
            found: list[str] = []
            for looked_at, name in enumerate(directory.names(tx, self.account, start=first)):
                if bounds.end is not None and name.lower() >= bounds.end:
                    break
                if looked_at == search.LOOKED_AT_LIMIT:
                    return found, name
                if matches(folded, {"TableName": Property("Edm.String", name.lower())}):
                    if len(found) == limit:
                        return found, name
                    found.append(name)
            return found, ""

        return await self._database.read(unit)

    def policies(self, table: str) -> str:
        """Return the stored access policies as a text; raises TableNotFound."""
        return self._database.look(lambda tx: directory.policies(tx, self.account, table))

    async def set_policies(self, table: str, policies: str) -> None:
        """Replace the stored access policies, kept as the text that ``policies`` returns."""
        await self._database.write(
            lambda tx: directory.set_policies(tx, self.account, table, policies)
        )

    # --- entities -----------------------------------------------------------------------------

    async def perform(self, action: Action, *, now: datetime) -> Entity | None:
        """Carry out one change; return the entity as it is now, None where it is deleted."""
        done = await self._database.write(
            lambda tx: actions.perform(tx, self.account, action, now=now)
        )
        self._announce(action.table)
        return done

    async def perform_all(self, batch: Sequence[Action], *, now: datetime) -> list[Entity | None]:
        """Carry out a batch: all of it, or nothing and an error that says which failed."""
        actions.check_batch(batch)
        done = await self._database.write(
            lambda tx: actions.perform_all(tx, self.account, batch, now=now)
        )
        self._announce(batch[0].table)
        return done

    def get(self, table: str, keys: Keys) -> Entity:
        """Return an entity; raises ResourceNotFound or TableNotFound."""

        return self._database.look(lambda tx: rows.get(tx, self.account, table, keys))

    async def find(self, table: str, query: Query) -> EntityPage:
        """Return a page of a query's answer."""

        def unit(tx: sqlite3.Connection) -> EntityPage:
            return search.find(tx, directory.table_id(tx, self.account, table), query)

        if search.point_of(query.filter) is not None:
            return self._database.look(unit)
        return await self._database.read(unit)

    def _announce(self, table: str) -> None:
        self._changes.announce(Change("table", table.lower()))
