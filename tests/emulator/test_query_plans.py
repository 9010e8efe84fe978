"""No statement of the account goes through what it stores: each finds its rows by an index.

All SQL is constants of modules, so all of it can be found and explained: a new statement that
scans or sorts fails here until it has an index, or a row below that says why it may.
"""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from importlib.resources import files
from pathlib import Path
from typing import Final

import pytest

import triggerfish_storage
from triggerfish_storage.schema import connect_writer, migrate

_STATEMENT: Final = re.compile(r"\s*(SELECT|INSERT|UPDATE|DELETE|WITH)\b")
_PARAMETER: Final = re.compile(r":([a-z_][a-z0-9_]*)")
_POSITION: Final = re.compile(r"\?\d*")
_TABLES: Final = "SELECT name FROM sqlite_schema WHERE type = 'table'"

# Steps that go through something, and why it costs no more where much is stored.
ALLOWED: Final = {
    # Files to be deleted, the next thousand of those that still are, or all before serving.
    "contents._DISCARDED": {"SCAN discarded_file"},
    "contents._ALL_DISCARDED_DONE": {"SCAN discarded_file"},
    # The contents that one unit of work names, grouped to count each as often as it is named.
    "contents._SHARE": {"USE TEMP B-TREE FOR GROUP BY"},
    "contents._DROP": {"USE TEMP B-TREE FOR GROUP BY"},
    # Backlogs being removed, which have an index of their own.
    "queues.directory.DISCARDED": {"SCAN backlog USING INDEX backlog_discarded"},
    # As many as there are containers, queues and tables, once for an export.
    "transfer.folder_origin._ACCOUNTS": {
        "SCAN container USING COVERING INDEX sqlite_autoindex_container_1",
        "SCAN queue USING COVERING INDEX sqlite_autoindex_queue_1",
        "SCAN entity_table USING COVERING INDEX sqlite_autoindex_entity_table_1",
        "SCAN service",
    },
}
# Statements that are for a database of their own.
ELSEWHERE: Final = ("transfer.path_set",)


def statements() -> Iterator[tuple[str, str]]:
    """Give the name and text of every SQL constant of the package."""
    package = triggerfish_storage.__name__
    for found in pkgutil.walk_packages(triggerfish_storage.__path__, package + "."):
        if found.name.endswith(("__main__", *ELSEWHERE)):
            continue
        module = importlib.import_module(found.name)
        for name, value in vars(module).items():
            if name.isupper() and isinstance(value, str) and _STATEMENT.match(value):
                yield f"{found.name.removeprefix(package + '.')}.{name}", value


STATEMENTS: Final = dict(statements())


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sqlite3.Connection]:
    path = tmp_path_factory.mktemp("plans") / "storage.db"
    migrate(path, files("triggerfish_storage") / "migrations", "process")
    with closing(connect_writer(path, "process")) as connection:
        yield connection


@pytest.mark.parametrize("name", sorted(STATEMENTS))
def test_a_statement_finds_its_rows_by_index(empty: sqlite3.Connection, name: str) -> None:
    sql = STATEMENTS[name]
    values = (0,) * positions(sql) or dict.fromkeys(_PARAMETER.findall(sql), 0)

    plan = [row[3] for row in empty.execute(f"EXPLAIN QUERY PLAN {sql}", values)]

    assert set(going_through(empty, plan)) == ALLOWED.get(name, set()), plan


def positions(sql: str) -> int:
    """Return how many values a statement takes that has no names for them."""
    given = _POSITION.findall(sql)
    return given.count("?") + len(set(given) - {"?"})


def going_through(empty: sqlite3.Connection, plan: list[str]) -> Iterator[str]:
    """Give the steps that read a whole table or index, or sort; not those over a subquery."""
    tables = [name for (name,) in empty.execute(_TABLES)]
    for step in plan:
        words = step.split()
        if (words[0] == "SCAN" and words[1] in tables) or step.startswith("USE TEMP B-TREE"):
            yield step


def test_what_is_allowed_exists() -> None:
    assert set(ALLOWED) <= set(STATEMENTS)


def sources() -> Iterator[Path]:
    for folder in triggerfish_storage.__path__:
        yield from Path(folder).rglob("*.py")


def test_all_sql_is_constants_of_modules() -> None:
    """Else it would not be found here."""
    inline = {
        f"{path.name}:{node.lineno}"
        for path in sources()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in ("execute", "executemany")
        and isinstance(node.args[0], ast.Constant)
        and _STATEMENT.match(str(node.args[0].value))
    }

    assert {place.split(":")[0] for place in inline} <= {"schema.py"}, inline
