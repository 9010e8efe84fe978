"""What scale.py asks of an account: requests about a few of the many that are stored there.

Used by scale.py; measures nothing itself.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import cycle, repeat
from typing import Final
from urllib.parse import quote, urlencode

import scale_fill
from account import BLOCK_BLOB, JSON, delete_query, escaped, message_body, request
from connections import Request

from triggerfish_storage.blobs.listing import Position
from triggerfish_storage.blobs.names import marker_text
from triggerfish_storage.protocol.auth import ServiceName
from triggerfish_storage.tables.wire import continuation

SAMPLE: Final = 2_000  # different requests of one kind; they go round
NEW: Final = 60_000  # more than an account takes in the time


@dataclass
class Stored:
    """An account that holds ``count`` of everything, and what was done there meanwhile."""

    count: int
    chance: random.Random = field(default_factory=lambda: random.Random(7))
    # Anywhere, as an account may be kept that was asked before.
    added: int = field(default_factory=lambda: NEW * random.randrange(1_000))
    put: int = 0  # messages that were put last, and nobody got
    receipts: list[tuple[str, str]] = field(default_factory=list)

    def some(self) -> Iterator[int]:
        """Give numbers of what was there from the start, anywhere among it."""
        for _ in range(SAMPLE):
            yield self.chance.randrange(self.count)

    def early(self) -> Iterator[int]:
        """Give numbers with a few hundred more behind them."""
        for _ in range(SAMPLE):
            yield self.chance.randrange(self.count // 2)

    def new(self) -> Iterator[int]:
        """Give numbers that are not taken, in no order."""
        first, self.added = self.added, self.added + NEW
        yield from self.chance.sample(range(10**7 + first, 10**7 + first + NEW), NEW)


Requests = Callable[[Stored], Iterator[Request]]


# --- queues -----------------------------------------------------------------------------------

_MESSAGES: Final = f"/{scale_fill.QUEUE}/messages"


def put_message(_: Stored) -> Iterator[Request]:
    return cycle([request("queue", "POST", _MESSAGES, body=message_body())])


def get_message(stored: Stored) -> Iterator[Request]:
    """Get what was put last, and no more: where a queue runs empty, getting costs less."""
    put, stored.put = stored.put, 0
    return repeat(request("queue", "GET", _MESSAGES, "visibilitytimeout=3600"), put)


def peek_messages(_: Stored) -> Iterator[Request]:
    return cycle([request("queue", "GET", _MESSAGES, "peekonly=true&numofmessages=32")])


def delete_message(stored: Stored) -> Iterator[Request]:
    taken, stored.receipts = stored.receipts, []
    for id_, receipt in taken:
        yield request("queue", "DELETE", f"{_MESSAGES}/{id_}", delete_query(receipt))


def queue_metadata(_: Stored) -> Iterator[Request]:
    return cycle([request("queue", "GET", f"/{scale_fill.QUEUE}", "comp=metadata")])


def list_queues(stored: Stored) -> Iterator[Request]:
    return cycle(_listings(stored, "queue", lambda number: f"listed-{number:08}"))


# --- blobs ------------------------------------------------------------------------------------


def _blob(number: int) -> str:
    return f"/{scale_fill.CONTAINER}/{scale_fill.blob_name(number)}"


def put_blob(stored: Stored) -> Iterator[Request]:
    for number in stored.new():
        yield request("blob", "PUT", _blob(number), body=scale_fill.BODY, headers=BLOCK_BLOB)


def overwrite_blob(stored: Stored) -> Iterator[Request]:
    """Put a blob anew, with its tags: lists are to find as many of these as before."""
    tagged = {**BLOCK_BLOB, "x-ms-tags": urlencode(scale_fill.TAGS)}
    for number in stored.some():
        headers = BLOCK_BLOB if number % scale_fill.TAGGED else tagged
        yield request("blob", "PUT", _blob(number), body=scale_fill.BODY, headers=headers)


def get_blob(stored: Stored) -> Iterator[Request]:
    return cycle([request("blob", "GET", _blob(number)) for number in stored.some()])


_LIST: Final = "restype=container&comp=list"


def list_blobs(stored: Stored) -> Iterator[Request]:
    """A page of a hundred, from anywhere."""
    path, query = f"/{scale_fill.CONTAINER}", f"{_LIST}&maxresults=100&marker="
    starts = [Position(scale_fill.blob_name(number)) for number in stored.early()]
    return cycle([request("blob", "GET", path, query + escaped(marker_text(s))) for s in starts])


def list_prefix(stored: Stored) -> Iterator[Request]:
    """The blobs whose names differ in the last digit."""
    path, query = f"/{scale_fill.CONTAINER}", f"{_LIST}&prefix="
    prefixes = [scale_fill.blob_name(number)[:-1] for number in stored.some()]
    return cycle([request("blob", "GET", path, query + quote(p, safe="")) for p in prefixes])


def list_folders(_: Stored) -> Iterator[Request]:
    return cycle([request("blob", "GET", f"/{scale_fill.CONTAINER}", f"{_LIST}&delimiter=%2F")])


def find_by_tags(_: Stored) -> Iterator[Request]:
    query = "comp=blobs&maxresults=50&where=" + quote("kind='rare'", safe="")
    return cycle([request("blob", "GET", "/", query)])


def list_containers(stored: Stored) -> Iterator[Request]:
    return cycle(_listings(stored, "blob", lambda number: f"listed-{number:08}"))


def _listings(
    stored: Stored, service: ServiceName, name: Callable[[int], str]
) -> Iterator[Request]:
    for number in stored.early():
        query = f"comp=list&prefix=listed&maxresults=100&marker={name(number)}"
        yield request(service, "GET", "/", query)


# --- tables -----------------------------------------------------------------------------------


def insert_entity(stored: Stored) -> Iterator[Request]:
    for number in stored.new():
        keys = scale_fill.keys_in_many(number)
        body = f'{{"PartitionKey":"{keys.partition}","RowKey":"{keys.row}","Total":99.5}}'
        path = f"/{scale_fill.MANY_PARTITIONS}"
        yield request("table", "POST", path, body=body.encode(), headers=JSON)


def get_entity(stored: Stored) -> Iterator[Request]:
    requests = []
    for number in stored.some():
        keys = scale_fill.keys_in_one(number)
        path = f"/{scale_fill.ONE_PARTITION}(PartitionKey='{keys.partition}',RowKey='{keys.row}')"
        requests.append(request("table", "GET", path, headers=JSON))
    return cycle(requests)


def query_rows(stored: Stored) -> Iterator[Request]:
    """A hundred rows of the only partition."""
    return cycle(
        _queries(
            scale_fill.ONE_PARTITION,
            [
                f"PartitionKey eq 'p' and RowKey ge '{number:08}' and RowKey lt '{number + 100:08}'"
                for number in stored.early()
            ],
        )
    )


def query_partition(stored: Stored) -> Iterator[Request]:
    """All of one partition among many: a hundred entities."""
    numbers = stored.some()
    filters = [f"PartitionKey eq '{scale_fill.keys_in_many(n).partition}'" for n in numbers]
    return cycle(_queries(scale_fill.MANY_PARTITIONS, filters))


def query_filtered(stored: Stored) -> Iterator[Request]:
    """Go on with a query by a property, which looks at a hundred entities for each it finds."""
    query = "$filter=Kind%20eq%20'rare'&$top=3"
    requests = []
    for number in stored.early():
        keys = scale_fill.keys_in_many(number)
        start = f"NextPartitionKey={continuation(keys.partition)}"
        start += f"&NextRowKey={continuation(keys.row)}"
        path = f"/{scale_fill.MANY_PARTITIONS}()"
        requests.append(request("table", "GET", path, f"{query}&{start}", headers=JSON))
    return cycle(requests)


def query_tables(stored: Stored) -> Iterator[Request]:
    requests = []
    for number in stored.early():
        start = f"$top=100&NextTableName={continuation(f'listed{number:08}')}"
        requests.append(request("table", "GET", "/Tables", start, headers=JSON))
    return cycle(requests)


def _queries(table: str, filters: Sequence[str]) -> Iterator[Request]:
    for text in filters:
        query = "$filter=" + quote(text, safe="'")
        yield request("table", "GET", f"/{table}()", query, headers=JSON)


# --- what is measured -------------------------------------------------------------------------

OPERATIONS: Final[Mapping[str, tuple[ServiceName, Requests]]] = {
    "put message": ("queue", put_message),
    "get message": ("queue", get_message),
    "delete message": ("queue", delete_message),
    "peek 32 messages": ("queue", peek_messages),
    "get queue metadata": ("queue", queue_metadata),
    "list 100 queues": ("queue", list_queues),
    "put blob": ("blob", put_blob),
    "overwrite blob": ("blob", overwrite_blob),
    "get blob": ("blob", get_blob),
    "list 100 blobs, anywhere": ("blob", list_blobs),
    "list by prefix": ("blob", list_prefix),
    "list by delimiter": ("blob", list_folders),
    "find 50 blobs by tags": ("blob", find_by_tags),
    "list 100 containers": ("blob", list_containers),
    "insert entity": ("table", insert_entity),
    "get entity": ("table", get_entity),
    "query 100 rows": ("table", query_rows),
    "query partition": ("table", query_partition),
    "query by property": ("table", query_filtered),
    "query 100 tables": ("table", query_tables),
}
