"""Which storage account a command is about, and a client of it.

By default the account of the function app: the embedded one where the app's settings ask for
it, which the owner of the data folder serves. Where no app is, that of the storage which was
started here. ``--connection`` names any other.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from triggerfish.cli.running import Place, place_options
from triggerfish.config.app_folder import DATA_FOLDER, find_app_folder
from triggerfish.config.connections import ConnectionString, Embedded, find_connection
from triggerfish.config.errors import ConfigError
from triggerfish.config.host_json import load_host_config
from triggerfish.config.local_settings import load_local_settings
from triggerfish.model import TriggerfishError
from triggerfish_storage.addresses import reachable
from triggerfish_storage.client import StorageClient, connect
from triggerfish_storage.connection_string import (
    DEVELOPMENT,
    PORTS,
    Connection,
    ConnectionStringError,
    development_connection_string,
    parse_connection_string,
)
from triggerfish_storage.ownership import read_owner
from triggerfish_storage.signed_requests import RequestFailed

T = TypeVar("T")
Command = TypeVar("Command", bound=Callable[..., Any])

connection_option: Final = click.option(
    "--connection",
    metavar="STRING|NAME",
    help="A connection string, or the app setting with one.  [default: the app's own storage]",
)


class AccountFailed(TriggerfishError):  # noqa: N818 - what it did
    """The account refused or did not answer; the message is its own."""


@dataclass(frozen=True, slots=True)
class Target:
    """The account a command is about; ``folder`` is its data folder where it is embedded."""

    place: Place
    connection: Connection
    folder: Path | None = None

    def run(self, use: Callable[[StorageClient], Coroutine[Any, Any, T]]) -> T:
        """Run ``use`` with a client of the account; its refusals become ``AccountFailed``."""

        async def with_client() -> T:
            async with connect(self.connection) as client:
                return await use(client)

        try:
            return asyncio.run(with_client())
        except RequestFailed as error:
            raise AccountFailed(_explained(error)) from error
        except ConnectionStringError as error:
            raise AccountFailed(str(error)) from error


def find_target(place: Place, connection: str | None) -> Target:
    """Return the account that the options of a command name. Raises ``TriggerfishError``."""
    try:
        if connection is not None and "=" in connection:
            return Target(place, parse_connection_string(connection))
        return _of_setting(place, connection or "")
    except ConnectionStringError as error:
        raise AccountFailed(f"--connection: {error}") from error


def message_encoding(place: Place) -> str:
    """Return how the app encodes messages: ``base64``, or ``none`` where host.json says so."""
    folder = _app(place)
    if folder is None:
        return "base64"
    return load_host_config(folder, _settings(folder)).queues.message_encoding


def _of_setting(place: Place, name: str) -> Target:
    if not name and place.data is not None and place.app is None:
        return _embedded(place)
    folder = _app(place)
    if folder is None:
        if name:
            raise AccountFailed(
                f"--connection {name}: there is no app whose setting that could be. Name the app "
                "with --app, or write a whole connection string."
            )
        return _embedded(place)
    found = find_connection(name, _settings(folder))
    if isinstance(found, Embedded):
        return _embedded(place)
    if isinstance(found, ConnectionString):
        return Target(place, parse_connection_string(found.text))
    raise AccountFailed(
        f"{found.setting} is reached as an identity, which this command cannot do. Give a "
        "connection string of that account with --connection."
    )


def _embedded(place: Place) -> Target:
    folder = _data_folder(place)
    owner = read_owner(folder)
    if owner is None and place.data is not None:  # not another account than the one named
        raise AccountFailed(
            f"{folder}: no program runs on this data folder. Start one with 'triggerfish start' or "
            f"'triggerfish storage', or name a running account with --connection, such as "
            f"{DEVELOPMENT}."
        )
    if owner is None or not owner.ports:
        # Whatever answers on the well-known ports: a storage alone, or Azurite.
        return Target(place, parse_connection_string(DEVELOPMENT, ports=PORTS))
    ports = {service: owner.ports.get(service, port) for service, port in PORTS.items()}
    text = development_connection_string(
        ports, host=reachable(owner.address), protocol=owner.scheme
    )
    connection = replace(parse_connection_string(text), certificate=owner.certificate)
    return Target(place, connection, folder)


def _app(place: Place) -> Path | None:
    """Return the app folder; None where the command is not given inside of one."""
    try:
        return find_app_folder(place.app)
    except ConfigError:
        if place.app is not None:
            raise
        return None


def _data_folder(place: Place) -> Path:
    """Return the app's, or where no app is, the one that a storage started here has."""
    try:
        return place.data_folder()
    except ConfigError:
        return Path(DATA_FOLDER)


def _settings(folder: Path) -> Mapping[str, str]:
    return {**os.environ, **load_local_settings(folder, os.environ).values}


def _explained(error: RequestFailed) -> str:
    if error.status == 0:
        return (
            f"{error} Start it with 'triggerfish start' or 'triggerfish storage', or name another "
            "account with --connection."
        )
    remedy = _REMEDIES.get(error.code)
    return f"{error} {remedy}" if remedy else str(error)


_REMEDIES: Final = {
    "MessageTooLarge": "64 KiB fit into one, in base64 48 KiB: put the content into a blob, and "
    "its name into the message.",
    "QueueNotFound": "See which there are: triggerfish queue list",
    "ContainerNotFound": "See which there are: triggerfish blob list",
    "BlobNotFound": "See which there are: triggerfish blob list CONTAINER",
}


def of_account(command: Command) -> Command:
    """Add the options that say which account; the command is given it as ``target``."""

    def with_target(
        *, app: Path | None, data: Path | None, connection: str | None, **given: Any
    ) -> Any:
        return command(target=find_target(Place(app, data, ""), connection), **given)

    with_target.__doc__ = command.__doc__
    with_target.__name__ = command.__name__
    decorated: Any = connection_option(place_options()(with_target))
    return decorated  # type: ignore[no-any-return]
