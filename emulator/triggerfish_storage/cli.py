"""The command ``triggerfish storage``: a storage account and nothing else.

Understands the command line of Azurite too, so that scripts and editors which start that can
start this. Every option is also an environment variable.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import ssl
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import click

from triggerfish_storage.connection_string import PORTS
from triggerfish_storage.protocol.auth import ServiceName

ENVIRONMENT_PREFIX: Final = "TRIGGERFISH_"
DEFAULT_FOLDER: Final = ".triggerfish"
PORT: Final = click.IntRange(0, 65535)


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says."""

    ports: Mapping[ServiceName, int]
    addresses: Mapping[ServiceName, str]
    folder: Path | None
    durability: Literal["process", "full"]
    is_silent: bool
    tls: ssl.SSLContext | None
    accepts_bearer: bool


def option(*names: str, variable: str, **settings: Any) -> Callable[[Any], Any]:
    """Declare an option once: names, environment variable, type, default and help."""
    return click.option(*names, envvar=ENVIRONMENT_PREFIX + variable, show_envvar=True, **settings)


def unused(*names: str, **settings: Any) -> Callable[[Any], Any]:
    """Accept an option of Azurite that changes nothing here."""
    return click.option(*names, expose_value=False, hidden=True, **settings)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@option(
    "--blob-port",
    "--blobPort",
    variable="BLOB_PORT",
    type=PORT,
    default=PORTS["blob"],
    show_default=True,
    help="Port of the Blob service; 0 finds a free one.",
)
@option(
    "--queue-port",
    "--queuePort",
    variable="QUEUE_PORT",
    type=PORT,
    default=PORTS["queue"],
    show_default=True,
    help="Port of the Queue service.",
)
@option(
    "--table-port",
    "--tablePort",
    variable="TABLE_PORT",
    type=PORT,
    default=PORTS["table"],
    show_default=True,
    help="Port of the Table service.",
)
@option(
    "--address",
    variable="ADDRESS",
    default="127.0.0.1",
    show_default=True,
    help="Address to listen on; 0.0.0.0 for all.",
)
@option("--blob-host", "--blobHost", variable="BLOB_HOST", help="Address of the Blob service.")
@option("--queue-host", "--queueHost", variable="QUEUE_HOST", help="Address of the Queue service.")
@option("--table-host", "--tableHost", variable="TABLE_HOST", help="Address of the Table service.")
@option(
    "--data",
    "-l",
    "--location",
    "folder",
    variable="DATA",
    default=DEFAULT_FOLDER,
    show_default=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder that keeps the account.",
)
@option(
    "--in-memory",
    "--inMemoryPersistence",
    variable="IN_MEMORY",
    is_flag=True,
    help="Keep nothing after the end.",
)
@option(
    "--durability",
    variable="DURABILITY",
    type=click.Choice(["normal", "full"]),
    default="normal",
    show_default=True,
    help="What an answered write survives: the end of the process, or a loss of power too.",
)
@option("--silent", "-s", variable="SILENT", is_flag=True, help="Print nothing but errors.")
@option(
    "--debug",
    "-d",
    variable="DEBUG_LOG",
    is_flag=False,
    flag_value="-",
    default=None,
    metavar="[FILE]",
    help="Log every request, to a file or to the terminal.",
)
@option(
    "--cert",
    variable="CERT",
    type=click.Path(exists=True, dir_okay=False),
    help="Certificate (PEM); with it HTTPS is served.",
)
@option(
    "--key",
    variable="KEY",
    type=click.Path(exists=True, dir_okay=False),
    help="Private key of the certificate (PEM).",
)
@option("--pwd", variable="PWD_OF_KEY", help="Password of the private key.")
@option(
    "--oauth",
    variable="OAUTH",
    type=click.Choice(["basic"]),
    help="Take bearer tokens too, without checking who signed them.",
)
@unused("--loose", "-L", is_flag=True)
@unused("--skipApiVersionCheck", is_flag=True)
@unused("--disableProductStyleUrl", is_flag=True)
@unused("--disableTelemetry", is_flag=True)
@unused("--extentMemoryLimit", type=float)
@unused("--blobKeepAliveTimeout", type=int)
@unused("--queueKeepAliveTimeout", type=int)
@unused("--tableKeepAliveTimeout", type=int)
def storage(**given: Any) -> None:
    """Run a storage account: Blob, Queue and Table services for Azure's own clients.

    Accounts beside devstoreaccount1 come from AZURITE_ACCOUNTS ("name:key1:key2;…").
    """
    _log_to(given["debug"], is_silent=given["silent"])
    options = _options(given)
    loop_factory = None
    with suppress(ImportError):  # where it does not exist, asyncio's own loop serves
        import uvloop

        loop_factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        problem = runner.run(_run(options))
    if problem:
        click.echo(problem, err=True)
        sys.exit(1)


async def _run(options: Options) -> str:
    """Serve until a signal comes; return what kept us from it, if anything did."""
    # The server is imported only to run, so that --help answers at once.
    from triggerfish_storage.database import DatabaseError
    from triggerfish_storage.ownership import FolderOwned
    from triggerfish_storage.protocol.accounts import Accounts, AccountsError
    from triggerfish_storage.server import PortTaken, open_account, serve

    stopping = asyncio.Event()
    _stop_on_signals(stopping)
    try:
        accounts = Accounts(lambda: os.environ.get("AZURITE_ACCOUNTS", ""))
        async with (
            open_account(options.folder, durability=options.durability) as account,
            serve(
                account,
                ports=options.ports,
                addresses=options.addresses,
                accounts=accounts,
                tls=options.tls,
                accepts_bearer=options.accepts_bearer,
            ) as ports,
        ):
            if not options.is_silent:
                click.echo(_greeting(options, ports))
            await stopping.wait()
    except (AccountsError, DatabaseError, FolderOwned, PortTaken) as error:
        return str(error)
    except OSError as error:
        return f"{options.folder}: {error.strerror or error}. Choose another folder with --data."
    return ""


def _options(given: Mapping[str, Any]) -> Options:
    services: tuple[ServiceName, ...] = ("blob", "queue", "table")
    return Options(
        ports={name: given[f"{name}_port"] for name in services},
        addresses={name: given[f"{name}_host"] or given["address"] for name in services},
        folder=None if given["in_memory"] else given["folder"],
        durability="full" if given["durability"] == "full" else "process",
        is_silent=given["silent"],
        tls=_tls(given["cert"], given["key"], given["pwd"]),
        accepts_bearer=given["oauth"] is not None,
    )


def _tls(cert: str | None, key: str | None, password: str | None) -> ssl.SSLContext | None:
    if cert is None:
        if key is not None:
            raise click.UsageError("--key needs the certificate that it belongs to (--cert).")
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(cert, key, password)
    except (OSError, ssl.SSLError) as error:
        raise click.UsageError(
            f"--cert {cert}: no usable certificate and key in PEM form ({error})."
        ) from error
    return context


def _stop_on_signals(stopping: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        try:
            loop.add_signal_handler(name, stopping.set)
        except NotImplementedError:  # Windows
            signal.signal(name, lambda *_: loop.call_soon_threadsafe(stopping.set))


def _greeting(options: Options, ports: Mapping[ServiceName, int]) -> str:
    from triggerfish_storage.connection_string import development_connection_string
    from triggerfish_storage.protocol.accounts import DEFAULT_ACCOUNT

    protocol = "https" if options.tls else "http"
    lines = [
        f"{name.capitalize():5}  {protocol}://{_reachable(options.addresses[name])}:{port}"
        f"/{DEFAULT_ACCOUNT}"
        for name, port in ports.items()
    ]
    host = _reachable(options.addresses["blob"])
    where = options.folder.resolve() if options.folder else "in memory: gone at the end"
    return "\n".join(
        [
            *lines,
            f"Data   {where}",
            "",
            development_connection_string(ports, host=host, protocol=protocol),
            "",
            "Ctrl-C stops it.",
        ]
    )


def _reachable(address: str) -> str:
    """Return how clients on this machine reach a server that listens on ``address``."""
    if address in ("0.0.0.0", "::", ""):  # noqa: S104 - compared, not bound
        return "127.0.0.1"
    return f"[{address}]" if ":" in address else address


def _log_to(target: str | None, *, is_silent: bool) -> None:
    level = logging.DEBUG if target else logging.ERROR if is_silent else logging.WARNING
    file = target if target not in (None, "-") else None
    logging.basicConfig(
        level=logging.WARNING, filename=file, format="%(asctime)s %(levelname)s %(message)s"
    )
    logging.getLogger("triggerfish_storage").setLevel(level)
