"""The store of queues, over a database of its own."""

from __future__ import annotations

import pytest

from triggerfish_storage.changes import Changes
from triggerfish_storage.database import Database
from triggerfish_storage.queues.store import QueueStore


@pytest.fixture
def store(database: Database, changes: Changes) -> QueueStore:
    return QueueStore(database, changes)
