"""The visible messages of a queue, left where they are.

Up to 32 can be peeked at, which changes nothing. To see more they have to be received: hidden
for a while, given back at the end, each with a dequeue count that is one higher.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from triggerfish_storage.queues.rows import Message
from triggerfish_storage.queues.wire import read_message_list
from triggerfish_storage.remote.requests import AT_ONCE, Requests
from triggerfish_storage.signed_requests import Request, RequestFailed
from triggerfish_storage.transfer.exporting import Outgoing
from triggerfish_storage.transfer.fields import to_line
from triggerfish_storage.transfer.message_lines import message_document

_PAGE: Final = 32
_HIDDEN_SECONDS: Final = 600


def read_messages(requests: Requests, queue: str) -> Iterator[Outgoing]:
    """Give the messages of a queue as lines; whether some are hidden is remarked."""
    there = _count(requests, queue)
    for message in _visible(requests, queue):
        there -= 1
        yield Outgoing(to_line(message_document(message)), len(message.text))
    if there > 0:
        requests.remark(f"Left out, because they are hidden: {there} messages of {queue!r}.")


def _visible(requests: Requests, queue: str) -> Iterator[Message]:
    found = _get(requests, queue, {"peekonly": "true"})
    if len(found) < _PAGE:
        yield from found
        return
    held: dict[str, str] = {}  # receipts by id
    try:
        while True:
            found = _get(requests, queue, {"visibilitytimeout": str(_HIDDEN_SECONDS)})
            fresh = [message for message in found if message.id not in held]
            held.update((message.id, message.pop_receipt) for message in found)
            if not fresh:
                return
            for message in fresh:
                yield message._replace(dequeue_count=message.dequeue_count - 1)
    finally:
        _give_back(requests, queue, list(held.items()))


def _count(requests: Requests, queue: str) -> int:
    answer = requests.send(Request("queue", "GET", f"/{queue}", {"comp": "metadata"}))
    return int(answer.headers["x-ms-approximate-messages-count"])


def _get(requests: Requests, queue: str, query: dict[str, str]) -> list[Message]:
    asked = {"numofmessages": str(_PAGE), **query}
    return read_message_list(requests.send(Request("queue", "GET", _path(queue), asked)).body)


def _give_back(requests: Requests, queue: str, held: list[tuple[str, str]]) -> None:
    """Show messages again, but for those that somebody else has by now."""
    for begin in range(0, len(held), AT_ONCE):
        answers = requests.send_all([_shown(queue, *one) for one in held[begin : begin + AT_ONCE]])
        if any(isinstance(one, RequestFailed) and one.status == 0 for one in answers):
            requests.remark(f"Messages of {queue!r} stay hidden for ten minutes: no answer.")
            return


def _shown(queue: str, message_id: str, pop_receipt: str) -> Request:
    query = {"popreceipt": pop_receipt, "visibilitytimeout": "0"}
    return Request("queue", "PUT", f"{_path(queue)}/{message_id}", query)


def _path(queue: str) -> str:
    return f"/{queue}/messages"
