"""The queue store against a plain model, whatever is done in whatever order."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
)

from triggerfish_storage.errors import StorageError
from triggerfish_storage.queues import directory, expiry, receipts, rows
from triggerfish_storage.schema import connect_writer, migrate
from triggerfish_storage.testing import START

ACCOUNT = "devstoreaccount1"
QUEUES = st.sampled_from(["first", "second"])
LENGTHS = st.sampled_from([0, 1, 5, 60])


@dataclass
class Expected:
    """A message as the model has it."""

    queue: str
    text: str
    order: int
    visible_at: datetime
    expires_at: datetime
    receipt: str
    dequeue_count: int = 0
    is_held: bool = False


class QueueMachine(RuleBasedStateMachine):
    """Every rule does the same to the store and to a dictionary."""

    receipts = Bundle("receipts")

    @initialize()
    def open(self) -> None:
        self.folder = TemporaryDirectory()
        path = Path(self.folder.name) / "storage.db"
        migrate(path, files("triggerfish_storage") / "migrations", "process")
        self.tx = connect_writer(path, "process")
        self.now = START
        self.order = 0
        self.model: dict[str, Expected] = {}
        for queue in ("first", "second"):
            directory.create(self.tx, ACCOUNT, queue)

    def teardown(self) -> None:
        if hasattr(self, "tx"):
            self.tx.close()
            self.folder.cleanup()

    def living(self, queue: str) -> dict[str, Expected]:
        return {
            id_: message
            for id_, message in self.model.items()
            if message.queue == queue and message.expires_at > self.now
        }

    def visible(self, queue: str, count: int) -> list[str]:
        found = [(m.visible_at, m.order, id_) for id_, m in self.living(queue).items()]
        return [id_ for at, _, id_ in sorted(found) if at <= self.now][:count]

    @rule(
        target=receipts, queue=QUEUES, text=st.text("ab<é", max_size=3), after=LENGTHS, life=LENGTHS
    )
    def put(self, queue: str, text: str, after: int, life: int) -> tuple[str, str, str]:
        message = rows.put(
            self.tx,
            ACCOUNT,
            queue,
            text,
            now=self.now,
            after=timedelta(seconds=after),
            life=timedelta(seconds=life) if life else None,
        )
        self.order += 1
        self.model[message.id] = Expected(
            queue, text, self.order, message.visible_at, message.expires_at, message.pop_receipt
        )
        return queue, message.id, message.pop_receipt

    @rule(target=receipts, queue=QUEUES, count=st.integers(1, 4), hide=LENGTHS, held=st.booleans())
    def take(self, queue: str, count: int, hide: int, held: bool) -> object:
        expected = self.visible(queue, count)
        hide_for = timedelta(seconds=hide)
        taken = rows.take(
            self.tx, ACCOUNT, queue, count=count, now=self.now, hide_for=hide_for, held=held
        )

        assert [message.id for message in taken] == expected
        for message in taken:
            model = self.model[message.id]
            model.dequeue_count += 1
            model.visible_at = self.now + hide_for
            model.receipt = message.pop_receipt
            model.is_held = held
            assert (message.text, message.dequeue_count) == (model.text, model.dequeue_count)
        return multiple(*((queue, message.id, message.pop_receipt) for message in taken))

    @rule(queue=QUEUES, count=st.integers(1, 4))
    def peek(self, queue: str, count: int) -> None:
        seen = rows.peek(self.tx, ACCOUNT, queue, count=count, now=self.now)

        assert [message.id for message in seen] == self.visible(queue, count)

    @rule(
        target=receipts, held_by=receipts, hide=LENGTHS, text=st.none() | st.text("xy", max_size=2)
    )
    def update(self, held_by: tuple[str, str, str], hide: int, text: str | None) -> object:
        queue, id_, receipt = held_by
        code = self.refusal(queue, id_, receipt)
        hide_for = timedelta(seconds=hide)
        if not code and self.now + hide_for > self.model[id_].expires_at:
            code = "OutOfRangeQueryParameterValue"
        self.tx.execute("BEGIN")
        try:
            new, visible_at = receipts.update(
                self.tx, ACCOUNT, queue, id_, receipt, now=self.now, hide_for=hide_for, text=text
            )
        except StorageError as error:
            self.tx.execute("ROLLBACK")
            outcome = error.error.code
        else:
            self.tx.execute("COMMIT")
            outcome = ""
        assert outcome == code
        if code:
            return multiple()
        model = self.model[id_]
        model.receipt, model.visible_at = new, visible_at
        model.text = model.text if text is None else text
        return queue, id_, new

    @rule(held_by=consumes(receipts))
    def delete(self, held_by: tuple[str, str, str]) -> None:
        queue, id_, receipt = held_by
        code = self.refusal(queue, id_, receipt)
        if code:
            with pytest.raises(StorageError, match=code):
                receipts.delete(self.tx, ACCOUNT, queue, id_, receipt, now=self.now)
        else:
            receipts.delete(self.tx, ACCOUNT, queue, id_, receipt, now=self.now)
            del self.model[id_]

    @rule(queue=QUEUES)
    def clear(self, queue: str) -> None:
        directory.clear(self.tx, ACCOUNT, queue)
        self.forget(queue)

    @rule(queue=QUEUES)
    def delete_queue(self, queue: str) -> None:
        directory.delete(self.tx, ACCOUNT, queue)
        directory.create(self.tx, ACCOUNT, queue)
        self.forget(queue)

    @rule()
    def host_dies(self) -> None:
        rows.release_orphans(self.tx, now=self.now)
        for message in self.model.values():
            if message.is_held:
                message.visible_at = min(message.visible_at, self.now)
                message.dequeue_count -= 1
                message.is_held = False
                message.receipt = "nobody's"

    @rule()
    def keep_up(self) -> None:
        while directory.remove_discarded(self.tx) or expiry.purge(self.tx, now=self.now):
            pass
        (left,) = self.tx.execute("SELECT count(*) FROM message").fetchone()
        assert left == len(self.living("first")) + len(self.living("second"))

    @rule(seconds=LENGTHS)
    def wait(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    @invariant()
    def counts_agree(self) -> None:
        for queue in ("first", "second"):
            if hasattr(self, "tx"):
                expected = len(self.living(queue))
                assert directory.count(self.tx, ACCOUNT, queue, now=self.now) == expected

    @invariant()
    def listeners_know_when_to_look(self) -> None:
        for queue in ("first", "second"):
            if hasattr(self, "tx"):
                later = [
                    message.visible_at
                    for message in self.living(queue).values()
                    if self.now < message.visible_at < message.expires_at
                ]
                found = rows.next_visible(self.tx, ACCOUNT, queue, now=self.now)
                assert found == (min(later) if later else None)

    def refusal(self, queue: str, id_: str, receipt: str) -> str:
        model = self.living(queue).get(id_)
        if model is None:
            return "MessageNotFound"
        return "" if model.receipt == receipt else "PopReceiptMismatch"

    def forget(self, queue: str) -> None:
        self.model = {id_: m for id_, m in self.model.items() if m.queue != queue}


TestQueueMachine = QueueMachine.TestCase
TestQueueMachine.settings = settings(max_examples=25, stateful_step_count=40, deadline=None)
