"""Entities: keys, properties, version, and how they are written into a row and into JSON.

Pure. The inside of a row's JSON object is what a client with minimal metadata gets, so the
usual answer is put together without parsing anything.

Format: https://learn.microsoft.com/rest/api/storageservices/payload-format-for-table-service-operations
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from json.encoder import encode_basestring
from typing import Any, Final, NamedTuple, cast
from urllib.parse import unquote

from triggerfish_storage import errors as common
from triggerfish_storage.clock import instant
from triggerfish_storage.errors import StorageError
from triggerfish_storage.protocol.dates import iso_date
from triggerfish_storage.tables import edm, errors
from triggerfish_storage.tables.edm import EdmType, Property

PROPERTY_LIMIT: Final = 252
NAME_LIMIT: Final = 255
KEY_LIMIT: Final = 512  # UTF-16 code units, which are a kibibyte
SIZE_LIMIT_BYTES: Final = 1024 * 1024
ANY: Final = "*"
SYSTEM: Final = frozenset({"PartitionKey", "RowKey", "Timestamp"})
ANNOTATION: Final = "@odata.type"
_KEY_FORBIDDEN: Final = re.compile("[/\\\\#?\x00-\x1f\x7f-\x9f]")
to_json: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
quoted: Final = encode_basestring  # as ``to_json`` of a text, without asking what it is
_WEAK: Final = re.compile(r'W/"[^"]+"')
# The quotes may be doubled, as they were in etags of the service's first years.
_ETAG: Final = re.compile(r"W/\"datetime('{1,2})([^'\"]+)\1\"")


class Keys(NamedTuple):
    """What identifies an entity within its table."""

    partition: str
    row: str


@dataclass(slots=True)
class Entity:
    """An entity as it is stored; ``inside`` is the inside of its JSON object, without keys."""

    keys: Keys
    modified: int  # microseconds since 1970
    inside: str

    @property
    def timestamp(self) -> str:
        """The instant of its last write, in ISO 8601 with seven digits of a second."""
        return _timestamp(self.modified)

    @property
    def etag(self) -> str:
        """What stands for this state of it in conditions."""
        return etag_text(self.modified)

    def properties(self) -> dict[str, Property]:
        """Return the properties by name, system properties not among them."""
        return decode(self.inside)


@dataclass(slots=True)
class Draft:
    """An entity as a client sends it; a key is None where the body does not name it."""

    partition: str | None
    row: str | None
    properties: Mapping[str, Property]


def etag_text(modified: int) -> str:
    """Return an entity's etag: its timestamp, percent-encoded as the service has it."""
    return f"W/\"datetime'{_timestamp(modified).replace(':', '%3A')}'\""


def check_etag(given: str) -> str:
    """Return an If-Match header in the form of ``etag_text``, or ``*``.

    Another weak etag is returned as it is, and no entity's; raises for what is none.
    """
    if given == ANY:
        return ANY
    found = _ETAG.fullmatch(given.strip())
    if found is None:
        if _WEAK.fullmatch(given.strip()):
            return given
        raise StorageError(
            common.INVALID_INPUT,
            Reason=f"The etag value '{given}' of a request header is not valid.",
        )
    return f"W/\"datetime'{unquote(found[2]).replace(':', '%3A')}'\""


# --- keys -------------------------------------------------------------------------------------


def check_keys(draft: Draft) -> Keys:
    """Return the keys of a new entity; raises where one is missing or cannot be one."""
    if draft.partition is None or draft.row is None:
        raise StorageError(errors.PROPERTIES_NEED_VALUE)
    text = draft.partition + draft.row
    if len(text) <= KEY_LIMIT // 2 and not _KEY_FORBIDDEN.search(text):
        return Keys(draft.partition, draft.row)  # as almost all do
    for name, key in (("PartitionKey", draft.partition), ("RowKey", draft.row)):
        if edm.utf16_units(key) > KEY_LIMIT:
            raise StorageError(errors.KEY_VALUE_TOO_LARGE)
        if _KEY_FORBIDDEN.search(key):
            raise StorageError(
                common.OUT_OF_RANGE_INPUT,
                Reason=f"The '{name}' parameter of value '{key}' is out of range.",
            )
    return Keys(draft.partition, draft.row)


def check_size(keys: Keys, properties: Mapping[str, Property]) -> None:
    """Raise where an entity has too many properties or is too large."""
    if len(properties) > PROPERTY_LIMIT:
        raise StorageError(errors.TOO_MANY_PROPERTIES)
    size = 4 + 2 * (edm.utf16_units(keys.partition) + edm.utf16_units(keys.row))
    for name, prop in properties.items():
        size += 8 + 2 * len(name) + edm.size_bytes(prop)
    if size > SIZE_LIMIT_BYTES:
        raise StorageError(errors.ENTITY_TOO_LARGE)


# --- JSON -------------------------------------------------------------------------------------


def read_draft(body: bytes, *, is_addressed: bool = False) -> Draft:
    """Return the entity that a request's body describes.

    Of one that is addressed the keys in the body say nothing, not even of which type they are.
    """
    document = read_object(body)
    properties: dict[str, Property] = {}
    has_annotations = "@" in "".join(document)
    for name, value in document.items():
        if value is None or not _is_property(name):
            continue
        annotation = document.get(name + ANNOTATION) if has_annotations else None
        properties[name] = (
            edm.infer(value) if annotation is None else edm.convert(str(annotation), value)
        )
    if is_addressed:
        return Draft(None, None, properties)
    return Draft(_key(document, "PartitionKey"), _key(document, "RowKey"), properties)


def _key(document: Mapping[str, object], name: str) -> str | None:
    key = document.get(name)
    annotation = document.get(name + ANNOTATION, "Edm.String")
    if key is not None and not (isinstance(key, str) and annotation == "Edm.String"):
        raise StorageError(common.INVALID_INPUT, Reason=f"The '{name}' is no Edm.String.")
    return key


@lru_cache(maxsize=1024)
def _is_property(name: str) -> bool:
    """Whether a member is a property; raises where it can be none.

    Others are keys, or say something of another member or of the entity as a whole.
    """
    if name in SYSTEM or "@" in name or name.startswith("odata."):
        return False
    if len(name) > NAME_LIMIT:
        raise StorageError(errors.PROPERTY_NAME_TOO_LONG)
    # The names of C#, which allows letters of any alphabet.
    if not name.isidentifier():
        raise StorageError(errors.PROPERTY_NAME_INVALID)
    return True


def read_object(body: bytes) -> dict[str, Any]:
    """Return the JSON object of a body, whose texts are all legal; raises for others."""
    try:
        text = body.decode().removeprefix("\ufeff").strip(" \t\n\r")
        found, end = _DECODER.raw_decode(text)
        if end != len(text):
            raise ValueError("something stands behind the document")  # noqa: TRY301
        # A lone surrogate can be written in JSON (``"\\ud800"``) but not in UTF-8.
        if "\\" in text:
            to_json(found).encode()
    except (ValueError, RecursionError) as error:
        raise StorageError(common.INVALID_INPUT, Reason="The body is no JSON object.") from error
    if not isinstance(found, dict):
        raise StorageError(common.INVALID_INPUT, Reason="The body is no JSON object.")
    return cast("dict[str, Any]", found)


def encode(properties: Mapping[str, Property]) -> str:
    """Return properties as the inside of a JSON object, annotated where a type needs it."""
    return ",".join([_member(name, prop) for name, prop in properties.items()])


def _member(name: str, prop: Property) -> str:
    """Return a property as JSON; names are letters, digits and underscores."""
    value = prop.value
    if isinstance(value, str):
        if prop.type == "Edm.String":
            return f'"{name}":{quoted(value)}'
        return f'"{name}{ANNOTATION}":"{prop.type}","{name}":{quoted(value)}'
    if isinstance(value, bool):
        return f'"{name}":true' if value else f'"{name}":false'
    return f'"{name}":{value!r}'


def decode(inside: str) -> dict[str, Property]:
    """Undo ``encode``."""
    document: dict[str, Any] = json.loads(f"{{{inside}}}")
    found: dict[str, Property] = {}
    annotation = ""
    for name, value in document.items():
        if name.endswith(ANNOTATION):
            annotation = value
        else:
            found[name] = Property(cast("EdmType", annotation or _plain_type(value)), value)
            annotation = ""
    return found


def needs_annotation(prop: Property) -> bool:
    """Whether JSON alone does not tell a property's type."""
    if prop.type == "Edm.Double":
        return isinstance(prop.value, str)
    return prop.type in ("Edm.Binary", "Edm.DateTime", "Edm.Guid", "Edm.Int64")


def system_properties(keys: Keys, timestamp: str) -> dict[str, Property]:
    """Return the properties that every entity has, for filters and selections."""
    return {
        "PartitionKey": Property("Edm.String", keys.partition),
        "RowKey": Property("Edm.String", keys.row),
        "Timestamp": Property("Edm.DateTime", timestamp),
    }


@lru_cache(maxsize=1024)  # one answer gives it more than once
def _timestamp(modified: int) -> str:
    seconds, fraction = divmod(modified, 1_000_000)
    return f"{_second(seconds)}.{fraction:06}0Z"


@lru_cache(maxsize=4096)
def _second(seconds: int) -> str:
    return iso_date(instant(seconds * 1_000_000))[:19]


def _plain_type(value: object) -> EdmType:
    if isinstance(value, bool):
        return "Edm.Boolean"
    if isinstance(value, int):
        return "Edm.Int32"
    return "Edm.Double" if isinstance(value, float) else "Edm.String"


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise StorageError(errors.DUPLICATE_PROPERTIES_SPECIFIED)
    return found


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON")


_DECODER: Final = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_no_constant)
