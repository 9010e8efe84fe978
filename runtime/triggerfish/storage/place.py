"""Where the embedded account of a host lives, and how it is served. A value; opens nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from ssl import SSLContext
from typing import Final
from urllib.parse import urlsplit

from triggerfish.config.app_config import AppConfig
from triggerfish.config.connections import (
    DEVELOPMENT_ACCOUNT,
    DEVELOPMENT_KEY,
    Connection,
    ConnectionString,
    Embedded,
)
from triggerfish.config.start_options import StartOptions
from triggerfish_storage.addresses import LOOPBACK, reachable
from triggerfish_storage.database import Durability
from triggerfish_storage.transfer.seeding import Seed

_LOOPBACK_NAMES: Final = frozenset({LOOPBACK, "localhost", "::1"})


@dataclass(frozen=True, slots=True)
class Place:
    """Where the embedded account lives: its folder, and the ports it is served on.

    With ``tls`` it is served over HTTPS. ``accepts_bearer`` takes tokens without a look at who
    signed them.
    """

    data: Path
    ports: Mapping[str, int]
    address: str = LOOPBACK
    durability: Durability = "process"
    announces: bool = True
    seed: Seed | None = None
    tls: SSLContext | None = None
    accepts_bearer: bool = False
    keeps_versions: bool = False
    rehydrates_after: timedelta = timedelta()

    @property
    def scheme(self) -> str:
        return "https" if self.tls else "http"


def place_of(options: StartOptions, config: AppConfig, data: Path) -> Place:
    """Return where the options of ``start`` put the account; ``data`` is its folder."""
    return Place(
        data=data,
        ports={
            "blob": options.blob_port,
            "queue": options.queue_port,
            "table": options.table_port,
        },
        address=options.storage_address,
        durability="full" if options.durability == "full" else "process",
        announces=options.timing == "local",
        seed=_seed(options.seed, config),
        tls=options.tls,
        accepts_bearer=options.accepts_bearer,
        keeps_versions=options.keeps_versions,
        rehydrates_after=options.rehydrates_after,
    )


def _seed(path: Path | None, config: AppConfig) -> Seed | None:
    if path is None:
        return None
    return Seed(path, "base64" if config.host.queues.message_encoding == "base64" else "none")


def names_ports(connection: Connection, ports: Mapping[str, int], scheme: str) -> bool:
    """Whether a connection is the development account on these ports of this machine."""
    if not isinstance(connection, ConnectionString):
        return isinstance(connection, Embedded)
    if (connection.account_name, connection.account_key) != (DEVELOPMENT_ACCOUNT, DEVELOPMENT_KEY):
        return False
    endpoints = {
        "blob": connection.blob_endpoint,
        "queue": connection.queue_endpoint,
        "table": connection.table_endpoint,
    }
    return all(
        _points_at(endpoint, ports.get(service, 0), scheme)
        for service, endpoint in endpoints.items()
        if endpoint
    )


def _points_at(endpoint: str, port: int, scheme: str) -> bool:
    parts = urlsplit(endpoint)
    return (
        parts.scheme == scheme
        and parts.hostname in _LOOPBACK_NAMES
        and parts.port == port
        and parts.path.strip("/") == DEVELOPMENT_ACCOUNT
    )


def endpoint(address: str, port: int, scheme: str) -> str:
    """Return the URL of a service of the development account that listens on ``address``."""
    return f"{scheme}://{reachable(address)}:{port}/{DEVELOPMENT_ACCOUNT}"


def connection_to(
    address: str, ports: Mapping[str, int], certificate: str = ""
) -> ConnectionString:
    """Return the connection to the development account that listens there.

    With the ``certificate`` that it shows (PEM) it is one over HTTPS.
    """
    scheme = "https" if certificate else "http"
    return ConnectionString(
        setting="UseDevelopmentStorage=true",
        text="",
        account_name=DEVELOPMENT_ACCOUNT,
        account_key=DEVELOPMENT_KEY,
        sas_token="",
        blob_endpoint=endpoint(address, ports["blob"], scheme),
        queue_endpoint=endpoint(address, ports["queue"], scheme),
        table_endpoint=endpoint(address, ports["table"], scheme) if "table" in ports else "",
        certificate=certificate,
    )
