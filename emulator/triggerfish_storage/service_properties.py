"""What clients set on a whole service: kept per account and service, one markup per element.

Owns the ``service`` table. ``load`` and ``save`` work inside the transaction they are given. What
the elements mean is known to ``protocol.properties``.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from typing import Final

from triggerfish_storage.changes import Service
from triggerfish_storage.database import Database

GET: Final = "SELECT properties FROM service WHERE account = :account AND name = :name"
SET: Final = """
    INSERT INTO service (account, name, properties) VALUES (:account, :name, :properties)
    ON CONFLICT DO UPDATE SET properties = excluded.properties
"""


def load(tx: sqlite3.Connection, account: str, service: Service) -> dict[str, str]:
    """Return the elements that were set so far, by name."""
    found = tx.execute(GET, {"account": account, "name": service}).fetchone()
    properties: dict[str, str] = json.loads(found[0]) if found else {}
    return properties


def save(
    tx: sqlite3.Connection, account: str, service: Service, properties: Mapping[str, str]
) -> None:
    """Set these elements and leave the others as they are."""
    whole = load(tx, account, service) | dict(properties)
    tx.execute(SET, {"account": account, "name": service, "properties": json.dumps(whole)})


class ServiceProperties:
    """The properties of one service of an account, each method a unit of work."""

    def __init__(self, database: Database, account: str, service: Service) -> None:
        self.service = service
        self._database = database
        self._account = account
        self._loaded: Mapping[str, str] = {}
        self._loaded_at = -1  # by the number of commits: most requests ask for what they say

    def load(self) -> Mapping[str, str]:
        """Return the elements that were set so far, by name."""
        if self._loaded_at != self._database.commits:
            self._loaded_at = self._database.commits
            self._loaded = self._database.look(lambda tx: load(tx, self._account, self.service))
        return self._loaded

    async def save(self, properties: Mapping[str, str]) -> None:
        """Set these elements and leave the others as they are."""
        await self._database.write(lambda tx: save(tx, self._account, self.service, properties))
