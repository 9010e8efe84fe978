"""Lines of JSON, read field by field: what is wrong is named with its file, line and key."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

from triggerfish_storage.transfer.failure import TransferError

T = TypeVar("T", bound=str)

_NO_TEXT: Final = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
_readable: Final = json.JSONEncoder(ensure_ascii=False).encode


class Line(NamedTuple):
    """One object of a file of JSON lines, and where it stands; line 0 is the file itself.

    Each field is read by a method that checks its type, and gives a default where it is missing.
    They raise TransferError, which names file, line and key.
    """

    file: str
    number: int
    raw: bytes
    values: Mapping[str, Any]

    @property
    def where(self) -> str:
        return f"{self.file}, line {self.number}" if self.number else self.file

    def wrong(self, problem: str) -> TransferError:
        """Return the error for this line."""
        return TransferError(f"{self.where}: {problem}")

    def text(self, key: str, default: str = "") -> str:
        found: str = self._of(key, str, default, "a text")
        return found

    def integer(self, key: str, default: int = 0) -> int:
        found: int = self._of(key, int, default, "a whole number")
        return found

    def flag(self, key: str) -> bool:
        found: bool = self._of(key, bool, default=False, expected="true or false")
        return found

    def instant(self, key: str) -> datetime | None:
        """Return an ISO 8601 date and time, UTC where it names no zone; None without one."""
        text = self.text(key)
        if not text:
            return None
        try:
            found = datetime.fromisoformat(text)
        except ValueError as error:
            raise self.wrong(f'"{key}" is no date and time in ISO 8601.') from error
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)

    def mapping(self, key: str) -> dict[str, str]:
        found: dict[str, Any] = self._of(key, dict, {}, "an object of texts")
        if not all(isinstance(value, str) for value in found.values()):
            raise self.wrong(f'"{key}" has to be an object of texts.')
        return found

    def metadata(self) -> dict[str, str]:
        """Return the metadata of a resource, which goes over the wire as headers."""
        found = self.mapping("metadata")
        for name, value in found.items():
            if not (name.isidentifier() and name.isascii() and not _NO_TEXT.search(value)):
                raise self.wrong(
                    f'"metadata": {name!r} is no ASCII name of letters and digits with a value of '
                    "one line."
                )
        return found

    def items(self, key: str) -> Sequence[Any]:
        found: list[Any] = self._of(key, list, [], "a list")
        return found

    def one_of(self, key: str, allowed: Sequence[T]) -> T:
        """Return one of the texts that are allowed; the first of them where none is given."""
        found = self.values.get(key, allowed[0])
        if found not in allowed:
            raise self.wrong(f'"{key}" is {found!r}; expected: {", ".join(filter(None, allowed))}.')
        return allowed[allowed.index(found)]

    def _of(self, key: str, kind: type, default: Any, expected: str) -> Any:
        found = self.values.get(key, default)
        if not isinstance(found, kind) or (isinstance(found, bool) and kind is int):
            raise self.wrong(f'"{key}" has to be {expected}.')
        return found


def read_lines(path: Path) -> Iterator[Line]:
    """Give the objects of a file of JSON lines; empty lines do not count."""
    with path.open("rb") as file:
        for number, raw in enumerate(file, start=1):
            if not raw.strip():
                continue
            try:
                found = json.loads(raw.decode("utf-8-sig" if number == 1 else "utf-8"))
            except (ValueError, RecursionError) as error:
                raise TransferError(f"{path}, line {number}: not JSON ({error}).") from error
            if not isinstance(found, dict):
                raise TransferError(f"{path}, line {number}: a JSON object is expected.")
            yield Line(str(path), number, raw, found)


def to_line(document: Mapping[str, object]) -> bytes:
    """Return a document as a line, readable as far as UTF-8 can carry it."""
    try:
        return _readable(document).encode() + b"\n"
    except UnicodeEncodeError:  # a header held bytes that are no text
        return json.dumps(document).encode() + b"\n"


def iso(at: datetime) -> str:
    """Return an instant as lines hold it: all of its microseconds, in UTC."""
    return at.isoformat()


def given(document: Mapping[str, object]) -> dict[str, object]:
    """Return a document without what is empty or none: most blobs have little to say."""
    return {key: value for key, value in document.items() if value not in (None, "", {}, [], False)}
