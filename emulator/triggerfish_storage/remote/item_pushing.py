"""Messages and entities from files into an account, by requests."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Final
from urllib.parse import quote

from triggerfish_storage.queues.exact import StoredMessage
from triggerfish_storage.queues.wire import write_text
from triggerfish_storage.remote.requests import AT_ONCE, Requests
from triggerfish_storage.signed_requests import Request, RequestFailed
from triggerfish_storage.tables.entity import Keys
from triggerfish_storage.transfer.entity_lines import read_entity
from triggerfish_storage.transfer.fields import Line, read_lines
from triggerfish_storage.transfer.message_lines import read_message
from triggerfish_storage.transfer.steps import REMEDY, ImportOptions, told
from triggerfish_storage.transfer.tally import Advance, Tally

_SECOND: Final = timedelta(seconds=1)
_FOR_EVER: Final = timedelta(days=365 * 100)
_LONGEST_HIDDEN: Final = timedelta(days=7)
_JSON: Final = {
    "content-type": "application/json",
    "accept": "application/json",
    "prefer": "return-no-content",
}


def push_messages(
    requests: Requests,
    queue: str,
    file: Path,
    options: ImportOptions,
    *,
    now: datetime,
    advance: Advance,
) -> int:
    """Put the messages of a file, one after the other so that they keep their order."""
    count = 0
    for line in read_lines(file):
        with told(line.where):
            message = read_message(line, now, options.encoding)
        if not options.dry:
            try:
                requests.send(_put(queue, message, now))
            except RequestFailed as error:
                raise line.wrong(str(error)) from error
        count += 1
        advance(len(line.raw))
    return count


def push_entities(
    requests: Requests,
    table: str,
    file: Path,
    options: ImportOptions,
    *,
    now: datetime,
    advance: Advance,
) -> Tally:
    """Write the entities of a file, a few at a time."""
    tally = Tally()
    lines = read_lines(file)
    while chunk := list(islice(lines, AT_ONCE)):
        writes = list(_writes(table, chunk, options, now))
        answers = [] if options.dry else requests.send_all(writes)
        tally.entities += len(chunk)
        for line, answer in zip(chunk, answers, strict=False):
            if not isinstance(answer, RequestFailed):
                continue
            if answer.code != "EntityAlreadyExists":
                raise line.wrong(str(answer)) from answer
            if options.existing == "fail":
                raise line.wrong(f"the entity exists. {REMEDY}") from answer
            tally.entities -= 1
            tally.kept += 1
        advance(sum(len(line.raw) for line in chunk))
    return tally


def _put(queue: str, message: StoredMessage, now: datetime) -> Request:
    left = message.expires_at - now
    hidden = min(max(message.visible_at - now, timedelta()), _LONGEST_HIDDEN)
    query = {"messagettl": "-1" if left > _FOR_EVER else str(max(left // _SECOND, 1))}
    if hidden // _SECOND:
        query["visibilitytimeout"] = str(hidden // _SECOND)
    return Request("queue", "POST", f"/{queue}/messages", query, write_text(message.text))


def _writes(
    table: str, lines: list[Line], options: ImportOptions, now: datetime
) -> Iterator[Request]:
    for line in lines:
        with told(line.where):
            entity = read_entity(line, now)
        body = line.raw.strip()
        if options.overwrites:
            path = f"/{table}({_address(entity.keys)})"
            yield Request("table", "PUT", path, {}, body, _JSON)
        else:
            yield Request("table", "POST", f"/{table}", {}, body, _JSON)


def _address(keys: Keys) -> str:
    partition, row = (quote(key.replace("'", "''"), safe="'") for key in keys)
    return f"PartitionKey='{partition}',RowKey='{row}'"
