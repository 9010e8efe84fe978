"""What a JSON payload adds to the binding data of its trigger.

Pure; the same for bodies of queue messages and of HTTP requests.
Behaviour: spec binding-expressions.md, section 6; queue-trigger.md, section 10.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from triggerfish import lenient_json
from triggerfish.dotnet_text import format_date, scalar_text

_DATE_LIKE: Final = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,7})?(?:Z|[+-]\d\d:?\d\d)?", re.ASCII
)


def payload_properties(text: str) -> dict[str, object]:
    """Return what a JSON object payload adds to the binding data; nothing for other texts.

    Scalars become texts, objects stay for paths, arrays and nulls are left out (section 6).
    """
    return dict(PayloadProperties(text))


class PayloadProperties(Mapping[str, object]):
    """``payload_properties`` of a text, which is read where somebody asks: most never do."""

    __slots__ = ("_members", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self._members: dict[str, Any] | None = None

    @property
    def may_be_any(self) -> bool:
        """Whether the text looks like a JSON object at all."""
        return self.text.rstrip()[-1:] == "}"

    def why_missing(self) -> str:
        """Return why a name may be missing; nothing where the text is a JSON object."""
        try:
            is_object = isinstance(lenient_json.loads(self.text.strip()), dict)
        except lenient_json.LenientJsonError:
            is_object = False
        return "" if is_object else "the message is not a JSON object"

    def _read(self) -> dict[str, Any]:
        if self._members is None:
            self._members = _members(self.text.strip())
        return self._members

    def __getitem__(self, name: str) -> object:
        value = self._read()[name]
        return value if isinstance(value, dict) else scalar_text(value)

    def __iter__(self) -> Iterator[str]:
        return iter(self._read())

    def __len__(self) -> int:
        return len(self._read())


def _members(text: str) -> dict[str, Any]:
    """Return the members of an object that are properties, as they are in JSON."""
    if not (text.startswith("{") and text.endswith("}")):
        return {}
    try:
        document: dict[str, Any] = lenient_json.loads(text)
    except lenient_json.LenientJsonError:
        return {}
    if _DATE_LIKE.search(text):
        document = _dates_rewritten(document)
    return {
        name: value
        for name, value in document.items()
        if value is not None and not isinstance(value, list)
    }


def _dates_rewritten(value: Any) -> Any:
    # The parser used upstream takes such texts for dates, and writes them in its own way.
    if isinstance(value, dict):
        return {name: _dates_rewritten(member) for name, member in value.items()}
    if not isinstance(value, str) or not _DATE_LIKE.fullmatch(value):
        return value
    try:
        instant = datetime.fromisoformat(value)
        return format_date(instant if instant.tzinfo is None else instant.astimezone(UTC), "G")
    except (ValueError, OverflowError):  # no such day, or none in UTC
        return value
