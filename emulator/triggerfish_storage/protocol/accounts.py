"""The accounts a server knows, and their keys.

There is always ``devstoreaccount1`` with the key that every emulator and SDK publishes;
``AZURITE_ACCOUNTS`` (``name:key1:key2;…``) adds more, and gives it other keys where it names
it. With ``@FILE`` it is what that file holds, an account a line or as above: the environment
of a process cannot be changed from outside, a file can. The setting is read again while
running, at most once a minute.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from triggerfish_storage.protocol.auth import decode_key

DEFAULT_ACCOUNT: Final = "devstoreaccount1"
DEFAULT_KEY: Final = (
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
)
READ_EVERY: Final = timedelta(minutes=1)

_NAME: Final = re.compile(r"[a-z0-9]{3,24}")
_log = logging.getLogger(__name__)


class AccountsError(ValueError):
    """``AZURITE_ACCOUNTS`` cannot be understood; the message says where and what is expected."""


def check_account_name(name: str) -> None:
    """Raise ValueError where no account can have this name."""
    if not _NAME.fullmatch(name):
        raise ValueError(
            f"'{name}' is no account name; 3 to 24 lower-case letters and digits are expected"
        )


def parse_accounts(setting: str) -> dict[str, tuple[bytes, ...]]:
    """Return accounts and their keys from ``name:key1:key2;…``. Raises AccountsError."""
    found: dict[str, tuple[bytes, ...]] = {}
    for entry in filter(None, (part.strip() for part in setting.split(";"))):
        name, *keys = entry.split(":")
        try:
            check_account_name(name)
        except ValueError as error:
            raise AccountsError(
                f"AZURITE_ACCOUNTS: {error}, as in name:key1:key2;name2:key."
            ) from error
        if not 1 <= len(keys) <= 2 or not all(keys):
            raise AccountsError(f"AZURITE_ACCOUNTS: account '{name}' needs one or two keys.")
        try:
            found[name] = tuple(decode_key(key) for key in keys)
        except ValueError as error:
            raise AccountsError(
                f"AZURITE_ACCOUNTS: a key of account '{name}' is not base64 text."
            ) from error
    return found


def read_accounts(setting: str) -> str:
    """Return a setting, or for ``@FILE`` what the file holds now. Raises AccountsError."""
    if not setting.startswith("@"):
        return setting
    if setting == "@":
        raise AccountsError("AZURITE_ACCOUNTS: '@' is to be followed by the name of a file.")
    file = Path(setting[1:])
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise AccountsError(f"AZURITE_ACCOUNTS: {file}: {reason}.") from error
    return ";".join(line.strip() for line in lines if not line.lstrip().startswith("#"))


class Accounts(Mapping[str, tuple[bytes, ...]]):
    """Keys by account name; ``read`` gives the setting as it is now."""

    def __init__(self, read: Callable[[], str] = str) -> None:
        self._read = read
        self._setting = read()
        self._keys = _with_default(self._setting)
        self._next: datetime | None = None

    def refresh(self, now: datetime) -> Mapping[str, tuple[bytes, ...]]:
        """Return the keys, read again if it is time.

        A setting that is broken is logged and changes nothing.
        """
        if self._next is None or now >= self._next:
            self._refresh(now)
        return self._keys

    def _refresh(self, now: datetime) -> None:
        self._next = now + READ_EVERY
        try:
            setting = self._read()
            if setting != self._setting:
                self._setting = setting
                self._keys = _with_default(setting)
        except AccountsError as error:
            _log.error("%s The accounts stay as they were.", error)

    def __getitem__(self, name: str) -> tuple[bytes, ...]:
        return self._keys[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)

    def __contains__(self, name: object) -> bool:
        return name in self._keys


def _with_default(setting: str) -> dict[str, tuple[bytes, ...]]:
    return {DEFAULT_ACCOUNT: (decode_key(DEFAULT_KEY),)} | parse_accounts(setting)
