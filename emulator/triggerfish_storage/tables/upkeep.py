"""What happens to tables by itself: the entities of deleted ones are purged, a few at a time."""

from __future__ import annotations

from triggerfish_storage.database import Database
from triggerfish_storage.tables import directory


async def table_upkeep(database: Database) -> bool:
    """Remove some of what is due; False once nothing is."""
    if not database.look(directory.has_hidden):
        return False
    return await database.write(directory.purge_some)
