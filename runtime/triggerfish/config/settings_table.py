"""What a declared setting is, and how a table of them is read.

A row says everything: parsing, error messages, notices at start and the reference pages
come from it. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

from triggerfish.config.errors import ConfigError
from triggerfish.config.kinds import Kind, Members
from triggerfish.config.notes import notice
from triggerfish.config.tree import ENVIRONMENT, Member, Tree, find, plain, shown
from triggerfish.model import LogLine
from triggerfish.timespan import timespan_text

Treatment = Literal["honour", "notice", "ignore", "refuse", "worker"]


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting: where it stands, what it may be, what it does.

    ``notice`` is accepted without effect and said so when it differs from the default;
    ``refuse`` stops the start; ``worker`` is read by the worker processes themselves.
    """

    key: str
    kind: Kind
    default: Any
    help: str
    treatment: Treatment = "honour"
    default_text: str = ""  # for the docs, where the default is worked out


def read(rows: Iterable[Setting], root: Tree, *, file: str) -> dict[str, Any]:
    """Return the value of every honoured row by its key. Raises ``ConfigError``."""
    values: dict[str, Any] = {}
    for row in rows:
        member = find(root, row.key, file=file)
        if row.treatment == "refuse" and member is not None:
            raise ConfigError("is not supported", file=file, key=row.key, remedy=row.help)
        if row.treatment == "honour":
            values[row.key] = row.default if member is None else _value(row, member, file)
    return values


def _value(row: Setting, member: Member, file: str) -> Any:
    if isinstance(row.kind, Members) and isinstance(member.value, dict):
        return {
            child.name: _scalar(row, row.kind.of, child, f"{row.key}.{child.name}", file)
            for child in member.value.values()
            if child.value is not None
        }
    return _scalar(row, row.kind, member, row.key, file)


def _scalar(row: Setting, kind: Kind, member: Member, key: str, file: str) -> Any:
    try:
        return kind.read(plain(member.value))
    except ValueError as error:
        raise ConfigError(
            f"{shown(member.value)} is not valid; expected {kind.expected}",
            file=ENVIRONMENT if member.variable else file,
            key=member.variable or key,
            remedy=_remedy(row),
        ) from error


def notices(rows: Iterable[Setting], root: Tree, *, file: str) -> list[LogLine]:
    """Return a line for every key that is accepted but has no effect."""
    lines = []
    for row in rows:
        if row.treatment != "notice":
            continue
        member = find(root, row.key, file=file)
        if member is not None and not _is_default(row, plain(member.value)):
            lines.append(notice(f"{file}: {row.key} has no effect: {row.help}"))
    return lines


def _is_default(row: Setting, raw: object) -> bool:
    try:
        return bool(row.kind.read(raw) == row.default)
    except ValueError:
        return False


def _remedy(row: Setting) -> str:
    default = default_text(row)
    known = f", which is {default}" if default else ""
    return f"Change it, or remove it for the default{known}."


def default_text(row: Setting) -> str:
    """Return a row's default as the user would write it, empty where there is none."""
    if row.default_text or row.default is None:
        return row.default_text
    if isinstance(row.default, bool):
        return str(row.default).lower()
    if isinstance(row.default, timedelta):
        return timespan_text(row.default)
    if isinstance(row.default, tuple | Mapping):
        return ""
    return str(row.default) if row.default != "" else '""'
