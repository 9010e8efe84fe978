"""What clients set on a whole service: kept per account and service, one markup per element.

Owns the ``service`` table. What the elements mean is known to ``protocol.properties``.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from typing import Final, Literal

Service = Literal["blob", "queue", "table"]

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
