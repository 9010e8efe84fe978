"""Reads local.settings.json: settings that an app has on a developer's machine.

Never changes the environment: the caller puts the two together, and a name that the
environment has keeps its value. Behaviour: spec host-and-worker.md, 4.
https://learn.microsoft.com/azure/azure-functions/functions-develop-local
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from triggerfish.config.errors import ConfigError
from triggerfish.config.files import read_object
from triggerfish.config.kinds import Flag, Integer, Text
from triggerfish.config.notes import remark, warning
from triggerfish.config.settings_table import Setting, read
from triggerfish.config.tree import tree
from triggerfish.model import LogLine

LOCAL_SETTINGS: Final = "local.settings.json"

LOCAL_KEYS: Final = (
    Setting("IsEncrypted", Flag(), None, "Must be false.", default_text="true"),
    Setting("Host.LocalHttpPort", Integer(0, 65535), None, "Port.", default_text="7071"),
    Setting("Host.LocalHttpAddress", Text("an address"), None, "Address."),
    Setting("Host.CORS", Text("origins parted by commas, or *"), None, "Allowed origins."),
    Setting("Host.CORSCredentials", Flag(), None, "Whether credentials may be sent."),
)


@dataclass(frozen=True, slots=True)
class LocalSettings:
    """What the file adds. ``values`` holds only what the environment does not have."""

    values: Mapping[str, str] = field(default_factory=dict, repr=False)
    port: int | None = None
    address: str | None = None
    cors: str | None = None
    cors_credentials: bool | None = None
    notes: tuple[LogLine, ...] = ()


def load_local_settings(folder: Path, environ: Mapping[str, str]) -> LocalSettings:
    """Read the app's file; one that is missing or no JSON is told and counts as empty.

    Raises ``ConfigError`` for values that cannot be used.
    """
    try:
        document = read_object(folder / LOCAL_SETTINGS)
    except ConfigError as error:
        return LocalSettings(notes=(warning(f"{error} It is taken as empty."),))
    if document is None:
        text = f"There is no {LOCAL_SETTINGS} in {folder}: settings come from the environment."
        return LocalSettings(notes=(remark(text),))
    return parse_local_settings(document, environ)


def parse_local_settings(document: Mapping[str, Any], environ: Mapping[str, str]) -> LocalSettings:
    """Return what ``document`` adds to ``environ``. Raises ``ConfigError``."""
    root = tree(document)
    keys = read(LOCAL_KEYS, root, file=LOCAL_SETTINGS)
    given = [*_values(document), *_connection_strings(document)]
    if given:
        _check_not_encrypted(keys["IsEncrypted"])
    values: dict[str, str] = {}
    notes: list[LogLine] = []
    for name, value in given:
        if not name:
            notes.append(warning(f"{LOCAL_SETTINGS}: a setting without a name is skipped."))
        elif value is None:
            notes.append(warning(f"{LOCAL_SETTINGS}: '{name}' is null and is skipped."))
        elif environ.get(name):
            notes.append(warning(_defined_already(name)))
        else:
            values[name] = value
    return LocalSettings(
        values=values,
        port=keys["Host.LocalHttpPort"],
        address=keys["Host.LocalHttpAddress"],
        cors=keys["Host.CORS"],
        cors_credentials=keys["Host.CORSCredentials"],
        notes=tuple(notes),
    )


def _defined_already(name: str) -> str:
    return (
        f"Skipping '{name}' from local settings as it's already defined in current "
        "environment variables."
    )


def _check_not_encrypted(encrypted: bool | None) -> None:
    if encrypted is not False:
        found = "is true" if encrypted else "is missing, which means true"
        raise ConfigError(
            f"{found}, and values encrypted by another tool cannot be decrypted here",
            file=LOCAL_SETTINGS,
            key="IsEncrypted",
            remedy='Write "IsEncrypted": false with readable values, or run '
            "`func settings decrypt` on the machine that encrypted them.",
        )


def _values(document: Mapping[str, Any]) -> Iterator[tuple[str, str | None]]:
    for name, value in _object(document, "Values").items():
        yield name, _text(value, f"Values.{name}")


def _connection_strings(document: Mapping[str, Any]) -> Iterator[tuple[str, str | None]]:
    for name, value in _object(document, "ConnectionStrings").items():
        key = f"ConnectionStrings.{name}"
        if isinstance(value, dict):
            value, key = _member(value, "ConnectionString"), f"{key}.ConnectionString"
        yield f"ConnectionStrings:{name}" if name else "", _text(value, key)


def _object(document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = _member(document, name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ConfigError(
            "is no object",
            file=LOCAL_SETTINGS,
            key=name,
            remedy=f'Write "{name}": {{ "NAME": "value" }}.',
        )
    return value


def _text(value: object, key: str) -> str | None:
    if value is None:
        return None
    if "=" in key or "\0" in f"{key}{value}":
        raise ConfigError(
            "cannot be an environment variable",
            file=LOCAL_SETTINGS,
            key=key.replace("\0", "\\0"),
            remedy="Names have no '=', and neither names nor values a NUL character.",
        )
    if isinstance(value, dict | list):
        raise ConfigError(
            "is nested, and settings are flat",
            file=LOCAL_SETTINGS,
            key=key,
            remedy=f'Write one text for each name, such as "{key.split(".", 1)[1]}__inner".',
        )
    return Text().read(value)


def _member(document: Mapping[str, Any], name: str) -> Any:
    """Return the member called ``name`` in any letter case, None where there is none."""
    for key, value in document.items():
        if key.lower() == name.lower():
            return value
    return None
