"""Statements that give all they find in one row, as JSON.

Python's ``sqlite3`` gives the interpreter's lock up around every row, and a reading thread then
waits for it as long as others have something to do (docs/design/pages.md).

Pure; for names of columns and statements of ours only, as nothing is escaped here.
"""

from __future__ import annotations


def json_rows(columns: str, source: str) -> str:
    """Return a statement whose one value is a JSON array, with an array of columns for each row.

    ``source`` is all of a statement from FROM on. Put together as text, because SQLite would
    parse each entry again for ``json_group_array``.
    """
    return f"""
    SELECT '[' || coalesce(group_concat(entry), '') || ']' FROM (
        SELECT json_array({columns}) AS entry {source})"""  # noqa: S608 - constants
