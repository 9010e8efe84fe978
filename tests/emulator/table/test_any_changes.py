"""A table and a dictionary that are told the same changes stay the same."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from triggerfish_storage.errors import StorageError
from triggerfish_storage.schema import connect_writer
from triggerfish_storage.tables import directory, rows, search
from triggerfish_storage.tables.action import Action, perform_all
from triggerfish_storage.tables.edm import Property
from triggerfish_storage.tables.entity import Keys
from triggerfish_storage.tables.filter import parse_filter
from triggerfish_storage.tables.search import Query
from triggerfish_storage.testing import START

ACCOUNT = "devstoreaccount1"
MIGRATION = (Path(rows.__file__).parent.parent / "migrations" / "0003_tables.sql").read_text(
    encoding="utf-8"
)
KEYS = st.builds(Keys, st.sampled_from(["p", "q"]), st.sampled_from(["a", "b", "c"]))
PROPERTIES = st.dictionaries(
    st.sampled_from(["x", "y"]),
    st.builds(Property, st.just("Edm.Int32"), st.integers(0, 2)),
)


class Entities(RuleBasedStateMachine):
    """A table and a dictionary that are told the same."""

    def __init__(self) -> None:
        super().__init__()
        path = Path(":memory:")
        self.tx = connect_writer(path, "process")
        self.tx.executescript(MIGRATION)
        directory.create(self.tx, ACCOUNT, "people")
        self.model: dict[Keys, dict[str, Property]] = {}
        self.now: datetime = START

    @rule(
        kind=st.sampled_from(["insert", "replace", "merge", "delete"]),
        keys=KEYS,
        properties=PROPERTIES,
        if_match=st.sampled_from([None, "*"]),
    )
    def change(
        self, kind: Any, keys: Keys, properties: dict[str, Property], if_match: str | None
    ) -> None:
        self.now += timedelta(seconds=1)
        if kind == "delete":
            if_match = "*"
        action = Action("people", kind, keys, properties, if_match)
        is_there = keys in self.model
        fails = (kind == "insert" and is_there) or (
            kind != "insert" and if_match is not None and not is_there
        )
        try:
            perform_all(self.tx, ACCOUNT, [action], now=self.now)
        except StorageError:
            assert fails
            return
        assert not fails
        if kind == "delete":
            del self.model[keys]
        elif kind == "merge" and is_there:
            self.model[keys] = {**self.model[keys], **properties}
        else:
            self.model[keys] = dict(properties)

    @rule(partition=st.sampled_from(["p", "q"]), value=st.integers(0, 2))
    def query(self, partition: str, value: int) -> None:
        tree = parse_filter(f"PartitionKey eq '{partition}' and x ge {value}")
        table = directory.table_id(self.tx, ACCOUNT, "people")

        found = [entity.keys for entity in search.find(self.tx, table, Query(tree)).entities]

        assert found == sorted(
            (
                keys
                for keys, properties in self.model.items()
                if keys.partition == partition
                and "x" in properties
                and int(properties["x"].value) >= value
            ),
            key=lambda keys: (keys.partition, keys.row),
        )

    @invariant()
    def they_agree(self) -> None:
        table = directory.table_id(self.tx, ACCOUNT, "people")
        found = search.find(self.tx, table, Query()).entities
        assert {entity.keys: entity.properties() for entity in found} == self.model

    def teardown(self) -> None:
        self.tx.close()


TestEntities = Entities.TestCase
TestEntities.settings = settings(max_examples=12, stateful_step_count=20, deadline=None)
