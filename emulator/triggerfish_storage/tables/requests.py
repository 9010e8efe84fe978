"""What a request asks for, whether it comes alone or as a part of a batch.

Pure: method, address, headers and body in, an ``Action`` or a ``Query`` out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from triggerfish_storage import errors as common
from triggerfish_storage.errors import StorageError
from triggerfish_storage.tables import errors
from triggerfish_storage.tables.action import Action, Kind
from triggerfish_storage.tables.entity import Draft, Keys, check_etag, check_keys, read_draft
from triggerfish_storage.tables.filter import All, AnyOf, Compare, Filter
from triggerfish_storage.tables.wire import parse_keys

Prefer = Literal["", "return-content", "return-no-content"]

_CHANGES: Final[Mapping[str, Kind]] = {
    "PUT": "replace",
    "MERGE": "merge",
    "PATCH": "merge",
    "DELETE": "delete",
}
NO_KEYS: Final = Keys("", "")


@dataclass(frozen=True, slots=True)
class KeyRange:
    """The keys that a shared access signature is for; empty ends are open."""

    first: Keys = NO_KEYS
    last: Keys = NO_KEYS
    first_has_row: bool = False
    last_has_row: bool = False

    def holds(self, keys: Keys) -> bool:
        """Whether an entity is within the range."""
        if self.first.partition:
            at = (keys.partition, keys.row if self.first_has_row else "")
            if at < (self.first.partition, self.first.row):
                return False
        if self.last.partition:
            at = (keys.partition, keys.row if self.last_has_row else "")
            return at <= (self.last.partition, self.last.row)
        return True

    def narrow(self, tree: Filter) -> Filter:
        """Return a filter that lets through only what is within the range."""
        parts = [tree]
        if self.first.partition:
            parts += _from(self.first, "ge", "gt", has_row=self.first_has_row)
        if self.last.partition:
            parts += _from(self.last, "le", "lt", has_row=self.last_has_row)
        return tree if len(parts) == 1 else All(tuple(parts))


UNBOUNDED: Final = KeyRange()


def key_range(query: Mapping[str, str]) -> KeyRange:
    """Return the range that a table's shared access signature names."""
    if "tn" not in query:
        return UNBOUNDED
    return KeyRange(
        Keys(query.get("spk", ""), query.get("srk", "")),
        Keys(query.get("epk", ""), query.get("erk", "")),
        first_has_row="srk" in query,
        last_has_row="erk" in query,
    )


def read_action(
    method: str, table: str, keys: str | None, headers: Mapping[str, str], body: bytes
) -> Action:
    """Return the change that a request asks for; ``keys`` is what stands in parentheses."""
    method = real_method(method, headers)
    if keys is None:
        if method != "POST":
            raise StorageError(common.UNSUPPORTED_HTTP_VERB)
        draft = _draft(headers, body, is_addressed=False)
        return Action(table, "insert", check_keys(draft), draft.properties)
    kind = _CHANGES.get(method)
    if kind is None:
        raise StorageError(common.UNSUPPORTED_HTTP_VERB)
    addressed = parse_keys(keys)
    given = headers.get("if-match")
    if_match = check_etag(given) if given is not None else None
    if kind == "delete":
        if if_match is None:
            raise StorageError(common.MISSING_REQUIRED_HEADER, HeaderName="If-Match")
        return Action(table, kind, addressed, if_match=if_match)
    draft = _draft(headers, body, is_addressed=True)
    named = check_keys(Draft(addressed.partition, addressed.row, {}))
    return Action(table, kind, named, draft.properties, if_match)


def real_method(method: str, headers: Mapping[str, str]) -> str:
    """Return the method, which a POST may carry in a header."""
    tunnelled = headers.get("x-http-method")
    if tunnelled is None:
        return method
    if method != "POST":
        raise StorageError(errors.X_METHOD_NOT_USING_POST)
    if tunnelled.upper() not in _CHANGES:
        raise StorageError(errors.X_METHOD_INCORRECT_VALUE)
    return tunnelled.upper()


def prefer(headers: Mapping[str, str]) -> Prefer:
    """Return whether a client wants what it wrote back."""
    given = headers.get("prefer")
    match given and given.strip().lower():
        case "return-content":
            return "return-content"
        case "return-no-content":
            return "return-no-content"
    return ""


def split_address(segment: str) -> tuple[str, str | None]:
    """Return the table of an address's last segment, and what stands in parentheses."""
    table, opening, rest = segment.partition("(")
    if not opening:
        return table, None
    if not rest.endswith(")"):
        raise StorageError(common.INVALID_URI)
    return table, rest[:-1].strip() or None


def _draft(headers: Mapping[str, str], body: bytes, *, is_addressed: bool) -> Draft:
    if "atom" in headers.get("content-type", "").lower():
        raise StorageError(errors.ATOM_FORMAT_NOT_SUPPORTED)
    return read_draft(body, is_addressed=is_addressed)


def _from(
    end: Keys, weak: Literal["ge", "le"], strict: Literal["gt", "lt"], *, has_row: bool
) -> list[Filter]:
    at_most: Filter = Compare("PartitionKey", weak, ("string", end.partition))
    if not has_row:
        return [at_most]
    return [
        at_most,
        AnyOf(
            (
                Compare("PartitionKey", strict, ("string", end.partition)),
                Compare("RowKey", weak, ("string", end.row)),
            )
        ),
    ]
