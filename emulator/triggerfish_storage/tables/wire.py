"""The Table service's JSON: entities and tables in three levels of metadata, and addresses.

Pure. ``minimalmetadata`` is what clients ask for, and for it an entity's row is used as it is.

Format: https://learn.microsoft.com/rest/api/storageservices/payload-format-for-table-service-operations
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal
from urllib.parse import quote

from triggerfish_storage import errors as common
from triggerfish_storage.errors import StorageError
from triggerfish_storage.tables import errors
from triggerfish_storage.tables.edm import Property
from triggerfish_storage.tables.entity import (
    ANNOTATION,
    Entity,
    Keys,
    needs_annotation,
    quoted,
    system_properties,
    to_json,
)

Level = Literal["nometadata", "minimalmetadata", "fullmetadata"]

_LEVELS: Final[Mapping[str, Level]] = {
    "nometadata": "nometadata",
    "minimalmetadata": "minimalmetadata",
    "fullmetadata": "fullmetadata",
}
_ODATA: Final = re.compile(r"odata\s*=\s*\"?(\w+)\"?", re.IGNORECASE)
_QUOTED: Final = r"'([^']*(?:''[^']*)*)'"
_KEYS: Final = re.compile(
    rf"\s*(?:PartitionKey\s*=\s*{_QUOTED}\s*,\s*RowKey\s*=\s*{_QUOTED}"
    rf"|RowKey\s*=\s*{_QUOTED}\s*,\s*PartitionKey\s*=\s*{_QUOTED})\s*"
)
_TEXT: Final = re.compile(r"\s*(?:TableName\s*=\s*)?'((?:[^']|'')*)'\s*")


@dataclass(frozen=True, slots=True)
class Shape:
    """How an answer is to look: its metadata, and which properties (None: all) it has."""

    level: Level
    endpoint: str
    account: str
    select: tuple[str, ...] | None = None

    @property
    def content_type(self) -> str:
        return f"application/json;odata={self.level};streaming=true;charset=utf-8"


# --- what a request says ----------------------------------------------------------------------


@lru_cache(maxsize=256)
def shape_of(accept: str, format_: str, select: str, endpoint: str, account: str) -> Shape:
    """Return how an answer is to look; ``format_`` and ``select`` are query options.

    A client asks for the same few shapes with every request, so the result is kept.
    """
    return Shape(_level(accept, format_), endpoint, account, _selection(select))


def _level(accept: str, format_: str) -> Level:
    """Return the metadata level that ``Accept`` (or ``$format``) asks for."""
    wanted = (format_ or accept).lower()
    found = _ODATA.search(wanted)
    if found is not None:
        if found[1] not in _LEVELS:
            raise StorageError(common.INVALID_HEADER_VALUE, HeaderName="Accept", HeaderValue=accept)
        return _LEVELS[found[1]]
    if "atom" in wanted and "json" not in wanted:
        raise StorageError(errors.ATOM_FORMAT_NOT_SUPPORTED)
    return "minimalmetadata" if wanted in ("", "*/*") else "nometadata"


def parse_keys(text: str) -> Keys:
    """Return the keys that an address names between parentheses."""
    found = _KEYS.fullmatch(text)
    if found is None:
        raise StorageError(errors.KEYS_MISMATCH, Reason=f"'{text[:200]}' names no entity.")
    partition, row, row_first, partition_last = found.groups()
    if partition is None:
        partition, row = partition_last, row_first
    if "''" in text:
        partition, row = _unquoted(partition), _unquoted(row)
    return Keys(partition, row)


def parse_table_key(text: str) -> str:
    """Return the table that ``Tables('…')`` names."""
    found = _TEXT.fullmatch(text)
    if found is None:
        raise StorageError(common.INVALID_INPUT, Reason=f"'{text[:200]}' names no table.")
    return _unquoted(found[1])


def _selection(text: str) -> tuple[str, ...] | None:
    """Return the names of ``$select``, None where all properties are wanted.

    What an answer says of an entity (``odata.etag``) is no property, and said anyway.
    """
    if not text:
        return None
    names = dict.fromkeys(name.strip() for name in text.split(",") if name.strip())
    if not names or "*" in names:
        return None
    return tuple(name for name in names if not name.startswith("odata."))


def continuation(text: str) -> str:
    """Return a key as continuation headers carry it."""
    encoded = urlsafe_b64encode(text.encode()).decode("ascii")
    return f"1!{len(encoded)}!{encoded.replace('=', '-')}"


def parse_continuation(text: str) -> str:
    """Undo ``continuation``; raises where it is none of ours."""
    try:
        version, length, encoded = text.split("!", 2)
        if (version, int(length)) == ("1", len(encoded)):
            padding = len(encoded) - len(encoded.rstrip("-"))
            body = encoded[: len(encoded) - padding] + "=" * padding
            return urlsafe_b64decode(body.encode("ascii")).decode()
    except ValueError:
        pass
    raise StorageError(common.INVALID_INPUT, Reason="The continuation token is malformed.")


# --- what an answer says ----------------------------------------------------------------------


def entity_address(table: str, keys: Keys) -> str:
    """Return an entity's address behind the endpoint."""
    return f"{table}(PartitionKey='{_quoted(keys.partition)}',RowKey='{_quoted(keys.row)}')"


def one_entity(entity: Entity, table: str, shape: Shape) -> bytes:
    """Return the body for a single entity."""
    context = _metadata(f"{table}/@Element{_chosen(shape)}", shape)
    return f"{{{context}{_inside(entity, table, shape)}}}".encode()


def entity_list(entities: Iterable[Entity], table: str, shape: Shape) -> bytes:
    """Return the body for a page of entities."""
    listed = ",".join(f"{{{_inside(entity, table, shape)}}}" for entity in entities)
    return f'{{{_metadata(f"{table}{_chosen(shape)}", shape)}"value":[{listed}]}}'.encode()


def one_table(name: str, shape: Shape) -> bytes:
    """Return the body for a table that was created or asked for."""
    return f"{{{_metadata('Tables/@Element', shape)}{_table_inside(name, shape)}}}".encode()


def table_list(names: Sequence[str], shape: Shape) -> bytes:
    """Return the body for a page of tables."""
    listed = ",".join(f"{{{_table_inside(name, shape)}}}" for name in names)
    return f'{{{_metadata("Tables", shape)}"value":[{listed}]}}'.encode()


def _chosen(shape: Shape) -> str:
    return f"&$select={','.join(shape.select)}" if shape.select else ""


def _metadata(context: str, shape: Shape) -> str:
    if shape.level == "nometadata":
        return ""
    return f'"odata.metadata":{quoted(f"{shape.endpoint}/$metadata#{context}")},'


def _inside(entity: Entity, table: str, shape: Shape) -> str:
    if shape.select is None and _is_ready(entity, shape.level):
        keys = entity.keys
        etag = f'"odata.etag":{quoted(entity.etag)},' if shape.level != "nometadata" else ""
        start = (
            f'{etag}"PartitionKey":{quoted(keys.partition)},"RowKey":{quoted(keys.row)},'
            f'"Timestamp":"{entity.timestamp}"'
        )
        return f"{start},{entity.inside}" if entity.inside else start
    document = _links(entity, table, shape)
    for name, prop in _selected(entity, shape).items():
        if prop is None:
            document[name] = None
            continue
        system_annotated = name == "Timestamp" and shape.level != "fullmetadata"
        if shape.level != "nometadata" and needs_annotation(prop) and not system_annotated:
            document[f"{name}{ANNOTATION}"] = prop.type
        document[name] = prop.value
    return to_json(document)[1:-1]


def _is_ready(entity: Entity, level: Level) -> bool:
    """Whether what a row keeps is what the answer says of the properties."""
    return level == "minimalmetadata" or (level == "nometadata" and ANNOTATION not in entity.inside)


def _links(entity: Entity, table: str, shape: Shape) -> dict[str, object]:
    if shape.level == "nometadata":
        return {}
    document: dict[str, object] = {}
    if shape.level == "fullmetadata":
        address = entity_address(table, entity.keys)
        document["odata.type"] = f"{shape.account}.{table}"
        document["odata.id"] = f"{shape.endpoint}/{address}"
    document["odata.etag"] = entity.etag
    if shape.level == "fullmetadata":
        document["odata.editLink"] = address
    return document


def _selected(entity: Entity, shape: Shape) -> dict[str, Property | None]:
    whole = system_properties(entity.keys, entity.timestamp) | entity.properties()
    if shape.select is None:
        return dict(whole)
    return {name: whole.get(name) for name in shape.select}


def _table_inside(name: str, shape: Shape) -> str:
    document: dict[str, object] = {}
    if shape.level == "fullmetadata":
        document["odata.type"] = f"{shape.account}.Tables"
        document["odata.id"] = f"{shape.endpoint}/Tables('{name}')"
        document["odata.editLink"] = f"Tables('{name}')"
    document["TableName"] = name
    return to_json(document)[1:-1]


def _quoted(key: str) -> str:
    if key.isascii() and key.isalnum():
        return key
    return quote(key.replace("'", "''"), safe="'")


def _unquoted(text: str) -> str:
    return text.replace("''", "'")
