"""All that configures one app, put together: files, environment, command line.

Reads the environment, once, and never changes it: workers are given ``settings`` as theirs.
Behaviour: spec host-and-worker.md, 1 to 4.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeVar

from triggerfish.config.app_settings import AppSettings, parse_app_settings
from triggerfish.config.connections import STORAGE, Connection, Embedded, find_connection
from triggerfish.config.cors import Cors, parse_cors
from triggerfish.config.host_id import computed_host_id
from triggerfish.config.host_json import load_host_config
from triggerfish.config.host_options import HostConfig
from triggerfish.config.local_settings import LOCAL_SETTINGS, LocalSettings, load_local_settings
from triggerfish.config.notes import notice, remark, warning
from triggerfish.config.start_options import DEFAULT_ADDRESS, DEFAULT_PORT, StartOptions
from triggerfish.model import LogLevel, LogLine
from triggerfish_storage.connection_string import DEVELOPMENT

_ENVIRONMENT: Final = "AZURE_FUNCTIONS_ENVIRONMENT"
_DEVELOPMENT: Final = "Development"
_KEY_VAULT: Final = "@Microsoft.KeyVault("
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class AppConfig:
    """A configured app. ``settings`` are the environment of its workers, whole.

    ``notes`` are for the console at start. ``host`` alone may change while the app runs:
    ``load_host_config(folder, settings)`` reads it again.
    """

    folder: Path
    settings: Mapping[str, str] = field(repr=False)  # secrets are among them
    app: AppSettings
    host: HostConfig
    storage: Connection
    host_id: str
    port: int
    address: str
    cors: Cors | None
    functions: tuple[str, ...]
    verbose: bool
    user_log_level: LogLevel | None
    interpreter_arguments: tuple[str, ...]
    notes: tuple[LogLine, ...]


def load_app_config(options: StartOptions, environ: Mapping[str, str] | None = None) -> AppConfig:
    """Read the configuration of an app that starts now. Raises ``ConfigError``."""
    environ = os.environ if environ is None else environ
    local = load_local_settings(options.app_folder, environ)
    port = _first(options.port, local.port, DEFAULT_PORT)
    settings, notes = _settings(options.app_folder, environ, local, port)
    app = parse_app_settings(settings)
    storage = find_connection("", settings)
    if storage == Embedded():  # nothing is set; a client in user code looks there too
        settings[STORAGE] = DEVELOPMENT
    host = load_host_config(options.app_folder, settings)
    return AppConfig(
        folder=options.app_folder,
        settings=settings,
        app=app,
        host=host,
        storage=storage,
        host_id=app.host_id or computed_host_id(platform.node(), str(options.app_folder)),
        port=port,
        address=_first(options.address, local.address, DEFAULT_ADDRESS),
        cors=_cors(options, local),
        functions=options.functions or host.functions,
        verbose=options.verbose or app.in_continuous_integration,
        user_log_level=_first(options.user_log_level, app.user_log_level, None),
        interpreter_arguments=options.interpreter_arguments or app.interpreter_arguments,
        notes=(*local.notes, *notes, *app.notices, *_storage_notes(storage)),
    )


def _first(given: _T | None, in_file: _T | None, default: _T) -> _T:
    if given is not None:
        return given
    return default if in_file is None else in_file


def _settings(
    folder: Path, environ: Mapping[str, str], local: LocalSettings, port: int
) -> tuple[dict[str, str], list[LogLine]]:
    settings = {
        "WEBSITE_HOSTNAME": f"localhost:{port}",
        "AzureWebJobsScriptRoot": str(folder),
        **environ,
        **local.values,
    }
    notes = []
    if settings.get(_ENVIRONMENT, _DEVELOPMENT) != _DEVELOPMENT:
        notes.append(warning(f"{_ENVIRONMENT} is set to '{_DEVELOPMENT}', as in every local run."))
    settings[_ENVIRONMENT] = _DEVELOPMENT
    for name, value in local.values.items():
        if value.startswith(_KEY_VAULT):
            notes.append(
                notice(f"{LOCAL_SETTINGS}: '{name}' refers to a key vault and is not resolved.")
            )
    return settings, notes


def _storage_notes(storage: Connection) -> list[LogLine]:
    if storage == Embedded():
        return [remark(f"{STORAGE} is not set: it is taken for {DEVELOPMENT}.")]
    return []


def _cors(options: StartOptions, local: LocalSettings) -> Cors | None:
    given = options.cors is not None
    return parse_cors(
        options.cors if given else local.cors,
        credentials=_first(options.cors_credentials, local.cors_credentials, False),
        place="--cors" if given else f"{LOCAL_SETTINGS}: Host",
    )
