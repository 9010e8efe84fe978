"""Moving poison messages back to the queue they came from.

Poison queues: spec queue-trigger.md, 7.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from triggerfish.bindings.queue import POISON_SUFFIX
from triggerfish.cli.accounts import Target, find_target, message_encoding
from triggerfish.cli.message_files import body_text
from triggerfish.cli.queue_transfer import move
from triggerfish.cli.running import Place
from triggerfish.listeners.blob import POISON_QUEUE
from triggerfish.model import TriggerfishError
from triggerfish_storage.cli.output import counted, emit_json, emit_table, remark
from triggerfish_storage.cli.progress import progress
from triggerfish_storage.transfer.message_lines import Message, message_document

_SHOWN: Final = 32
_ALL: Final = 2**62


def move_back(
    place: Place, queue: str, *, limit: int | None, dry: bool, connection: str | None, as_json: bool
) -> None:
    """Move the messages of ``QUEUE-poison`` to ``QUEUE``, and tell how many they were."""
    queue = queue.removesuffix(POISON_SUFFIX)
    poison = queue + POISON_SUFFIX
    if poison == POISON_QUEUE:
        raise TriggerfishError(
            f"The messages of {poison} are about blobs, not for a queue of yours. Replay the "
            "blobs instead: triggerfish replay --failed --function NAME."
        )
    target = find_target(place, connection)
    total = min(limit or _ALL, target.run(lambda client: client.count_messages(poison)))
    if dry:
        _show(target, poison, total, as_json=as_json)
        return
    with progress("Moving", total) as advance:
        moved = target.run(lambda client: move(client, poison, queue, limit=total, advance=advance))
    if as_json:
        emit_json({"from": poison, "to": queue, "moved": moved})
    remark(f"{counted(moved, 'message')} moved from {poison} to {queue}.")


def _show(target: Target, poison: str, total: int, *, as_json: bool) -> None:
    count = max(1, min(total, _SHOWN))
    peeked: Sequence[Message] = target.run(lambda client: client.peek_messages(poison, count))
    messages = peeked[:total]
    if as_json:
        emit_json([message_document(one) for one in messages])
    else:
        encoding = message_encoding(target.place)
        emit_table(
            ("ID", "INSERTED", "BODY"),
            ((one.id, one.inserted_at, body_text(one.text, encoding)) for one in messages),
        )
    remark(f"{counted(total, 'message')} would be moved from {poison}.")
