"""What a request's address says: account, path and query, for every way of addressing.

``http://HOST:PORT/ACCOUNT/…`` for any host name, ``http://ACCOUNT.blob.HOST:PORT/…``, and both
with ``-secondary`` behind the account's name. A first path segment that is a known account
decides; else the first label of the host.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

from triggerfish_storage import errors
from triggerfish_storage.errors import StorageError

SECONDARY: Final = "-secondary"


@dataclass(slots=True)
class Target:
    """An address taken apart. ``path`` is raw, behind the account, without its first slash."""

    account: str
    is_secondary: bool
    raw_path: str
    path: str
    query: dict[str, str]
    endpoint: str


def parse_target(raw: str, *, host: str, scheme: str, accounts: Container[str]) -> Target:
    """Take the target of a request line apart; ``host`` is its Host header.

    Raises InvalidUri where it names no account that is served here.
    """
    if raw[:1] != "/":  # a proxy's form: scheme://host/path
        raw = "/" + raw.partition("://")[2].partition("/")[2]
    raw_path, _, raw_query = raw.partition("?")
    first, slash, rest = raw_path[1:].partition("/")
    account, is_secondary = first, False
    if first not in accounts:
        account, is_secondary = _account(unquote(first), accounts)
    endpoint = f"{scheme}://{host}/{first}"
    if is_secondary and rest == f"{account}/":
        rest = ""  # so the SDKs for Python ask for an emulator's stats
    if not account:
        account, is_secondary = _account(host.partition(".")[0].lower(), accounts)
        rest, endpoint = first + slash + rest, f"{scheme}://{host}"
    if not account:
        raise StorageError(
            errors.INVALID_URI,
            Reason=f"Neither the path ('/{first}') nor the host ('{host}') starts with the name "
            "of an account that is served here.",
        )
    query = parse_query(raw_query) if raw_query else {}
    return Target(account, is_secondary, raw_path, rest, query, endpoint)


def parse_query(raw: str) -> dict[str, str]:
    """Return the decoded parameters by lower-case name.

    Of repeated ones all values are given, sorted and with commas, as signatures see them.
    """
    found: dict[str, str] = {}
    repeated: dict[str, list[str]] = {}
    for pair in raw.split("&") if raw else ():
        name, _, value = pair.partition("=")
        name = _decoded(name).lower()
        # An unescaped plus is a space, except in a base64 signature.
        value = unquote(value) if name == "sig" else _decoded(value)
        if name in found:
            values = repeated.setdefault(name, [found[name]])
            values.append(value)
            found[name] = ",".join(sorted(values))
        elif name:
            found[name] = value
    return found


def _account(name: str, accounts: Container[str]) -> tuple[str, bool]:
    if name in accounts:
        return name, False
    primary = name.removesuffix(SECONDARY)
    return (primary, True) if primary != name and primary in accounts else ("", False)


def _decoded(text: str) -> str:
    if "+" in text:
        text = text.replace("+", " ")
    if "%" not in text:
        return text
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError as error:
        raise StorageError(errors.INVALID_URI) from error
