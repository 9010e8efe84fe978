"""Versions of blobs, where the account keeps them: what each write leaves behind.

A version is a row like a snapshot's, whose instant is that of its own creation; snapshots are
taken later, and by that the two are told apart. The current version is the blob's own row, and
its id the instant at which it was created. So a blob costs nothing more for being a version.

In Azure an account is set to keep versions through its management; here a program is started so
(``--blob-versions``). Rules run inside the caller's transaction.

Versioning: https://learn.microsoft.com/azure/storage/blobs/versioning-overview
"""

from __future__ import annotations

import sqlite3
from typing import Final

from triggerfish_storage.blobs.extents import copy_extents
from triggerfish_storage.blobs.model import Blob
from triggerfish_storage.blobs.rows import add_blob, load_data, move_blob, save_blob
from triggerfish_storage.blobs.tags import unindex_tags

# No account has an empty name: what is kept under it holds for all.
_TURN_ON: Final = """
    INSERT INTO service (account, name, properties) VALUES ('', 'blob', '{}')
    ON CONFLICT DO NOTHING"""
_TURN_OFF: Final = "DELETE FROM service WHERE account = '' AND name = 'blob'"
_IS_ON: Final = "SELECT 1 FROM service WHERE account = '' AND name = 'blob'"
# The last instant that something of a blob has, where one is taken.
_IS_TAKEN: Final = """
    SELECT (SELECT max(snapshot) FROM blob
        WHERE container_id = :container AND name = :name AND snapshot < 9223372036854775807)
    FROM blob WHERE container_id = :container AND name = :name AND snapshot = :version"""
_CREATED: Final = "UPDATE blob SET created = snapshot WHERE id = :id"


def turn(tx: sqlite3.Connection, *, on: bool) -> None:
    """Let writes leave versions behind from now on, or not any more; those there are stay."""
    tx.execute(_TURN_ON if on else _TURN_OFF)


def keeps_versions(tx: sqlite3.Connection) -> bool:
    """Whether writes leave versions behind."""
    return tx.execute(_IS_ON).fetchone() is not None


def set_aside(tx: sqlite3.Connection, blob: Blob) -> None:
    """Make the current version an earlier one: then there is no current one."""
    if blob.lease is not None:
        save_blob(tx, blob._replace(lease=None))
    unindex_tags(tx, blob.id)
    _place(tx, blob)


def copy_aside(tx: sqlite3.Connection, blob: Blob) -> None:
    """Keep the current version as an earlier one, too; it costs no copy of its bytes."""
    version = _free_id(tx, blob)
    kept = blob._replace(snapshot=version, lease=None)
    kept = kept._replace(id=add_blob(tx, kept, load_data(tx, blob)))
    copy_extents(tx, blob.id, kept.id)
    if version != blob.version:
        tx.execute(_CREATED, {"id": kept.id})


def _place(tx: sqlite3.Connection, blob: Blob) -> None:
    version = _free_id(tx, blob)
    move_blob(tx, blob, version)
    if version != blob.version:
        tx.execute(_CREATED, {"id": blob.id})


def _free_id(tx: sqlite3.Connection, blob: Blob) -> int:
    """Return the version's id; another one where something of before versions has that instant."""
    values = {"container": blob.container_id, "name": blob.name, "version": blob.version}
    found = tx.execute(_IS_TAKEN, values).fetchone()
    return blob.version if found is None else int(found[0]) + 1
