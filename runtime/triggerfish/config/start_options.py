"""What the command line of ``start`` asks for, as one value for the host."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from triggerfish.model import LogLevel

if TYPE_CHECKING:
    from ssl import SSLContext

Timing = Literal["local", "azure"]
Durability = Literal["normal", "full"]

DEFAULT_PORT: Final = 7071
DEFAULT_ADDRESS: Final = "127.0.0.1"
DEFAULT_BLOB_PORT: Final = 10000
DEFAULT_QUEUE_PORT: Final = 10001
DEFAULT_TABLE_PORT: Final = 10002


@dataclass(frozen=True, slots=True)
class StartOptions:
    """How to start the host. ``None`` means "not given": a file or the default decides then."""

    app_folder: Path
    port: int | None = None
    address: str | None = None
    blob_port: int = DEFAULT_BLOB_PORT
    queue_port: int = DEFAULT_QUEUE_PORT
    table_port: int = DEFAULT_TABLE_PORT
    data: Path | None = None  # default: .triggerfish in the app folder
    seed: Path | None = None  # what the account is to hold unless it does already
    functions: tuple[str, ...] = ()  # empty: all
    reload: bool = True
    verbose: bool = False
    json_logs: bool = False
    strict: bool = False
    user_log_level: LogLevel | None = None
    cors: str | None = None
    cors_credentials: bool | None = None
    timing: Timing = "local"
    durability: Durability = "normal"
    storage_address: str = DEFAULT_ADDRESS
    accepts_bearer: bool = False  # the account takes tokens that nobody checks
    keeps_versions: bool = False  # of the account's blobs
    rehydrates_after: timedelta = timedelta()  # of its archive
    tls: SSLContext | None = None  # what the account is served with, where over HTTPS
    colours: bool = True  # False: never; True: where the output is a terminal
    interpreter_arguments: tuple[str, ...] = ()
