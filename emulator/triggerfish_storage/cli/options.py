"""The options of ``triggerfish storage``, each declared once: names, variable, default, help.

Azurite's spellings stand beside ours, so that what scripts and editors pass is understood.
Azurite's options: https://learn.microsoft.com/azure/storage/common/storage-use-azurite
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar

import click

from triggerfish_storage.connection_string import PORTS
from triggerfish_storage.protocol.auth import ServiceName

if TYPE_CHECKING:
    import ssl

ENVIRONMENT_PREFIX: Final = "TRIGGERFISH_"
DEFAULT_FOLDER: Final = ".triggerfish"
PORT: Final = click.IntRange(0, 65535)
PFX_SUFFIXES: Final = (".pfx", ".p12")
TO_TERMINAL: Final = ("-", "1", "true")  # as TRIGGERFISH_DEBUG may say

Command = TypeVar("Command", bound=Callable[..., Any])


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
    seed: Path | None


def option(*names: str, also: str = "", **settings: Any) -> Callable[[Any], Any]:
    """An option that is also a variable, named after it: TRIGGERFISH_BLOB_PORT.

    ``also`` is another option by whose name the variable may be called.
    """
    variables = [_variable(name) for name in filter(None, (names[0], also))]
    return click.option(*names, envvar=variables, show_envvar=True, **settings)


def unused(*names: str, **settings: Any) -> Callable[[Any], Any]:
    """Accept an option of Azurite that changes nothing here; ``help`` says why."""
    return click.option(
        *names, envvar=_variable(names[0]), expose_value=False, hidden=True, **settings
    )


def _variable(name: str) -> str:
    """Return the variable of an option: TRIGGERFISH_BLOB_PORT of --blob-port, or of --blobPort."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name.removeprefix("--"))
    return ENVIRONMENT_PREFIX + words.replace("-", "_").upper()


_KEEP_ALIVE: Final = "Idle connections are kept for two minutes, whatever clients expect"
_DECLARED: Final = (
    option(
        "--blob-port",
        "--blobPort",
        type=PORT,
        default=PORTS["blob"],
        show_default=True,
        help="Port of the Blob service; 0 finds a free one.",
    ),
    option(
        "--queue-port",
        "--queuePort",
        type=PORT,
        default=PORTS["queue"],
        show_default=True,
        help="Port of the Queue service.",
    ),
    option(
        "--table-port",
        "--tablePort",
        type=PORT,
        default=PORTS["table"],
        show_default=True,
        help="Port of the Table service.",
    ),
    option(
        "--address",
        default="127.0.0.1",
        show_default=True,
        help="Address to listen on; 0.0.0.0 for all.",
    ),
    option("--blob-host", "--blobHost", help="Address of the Blob service."),
    option("--queue-host", "--queueHost", help="Address of the Queue service."),
    option("--table-host", "--tableHost", help="Address of the Table service."),
    option(
        "--data",
        "-l",
        "--location",
        "folder",
        also="--location",
        default=DEFAULT_FOLDER,
        show_default=True,
        type=click.Path(file_okay=False, path_type=Path),
        help="Folder that keeps the account.",
    ),
    option(
        "--seed",
        metavar="PATH",
        type=click.Path(path_type=Path),
        help="Folder, archive or queue's file: what the account is to hold unless it does already.",
    ),
    option(
        "--in-memory",
        "--inMemoryPersistence",
        also="--inMemoryPersistence",
        is_flag=True,
        help="Keep nothing after the end.",
    ),
    option(
        "--durability",
        type=click.Choice(["normal", "full"]),
        default="normal",
        show_default=True,
        help="What an answered write survives: the end of the process, or a loss of power too.",
    ),
    option("--silent", "-s", is_flag=True, help="Print nothing but errors."),
    option(
        "--debug",
        "-d",
        is_flag=False,
        flag_value=TO_TERMINAL[0],
        default=None,
        metavar="[FILE]",
        help="Log every request, to a file or to the terminal.",
    ),
    option(
        "--cert",
        type=click.Path(exists=True, dir_okay=False),
        help="Certificate (PEM); with it HTTPS is served.",
    ),
    option(
        "--key",
        type=click.Path(exists=True, dir_okay=False),
        help="Private key of the certificate (PEM).",
    ),
    option("--pwd", help="Password of the private key (of a PEM file: PFX files are not read)."),
    option(
        "--oauth",
        type=click.Choice(["basic"]),
        help="Take bearer tokens too, without checking who signed them.",
    ),
    unused("--loose", "-L", is_flag=True, help="Unknown headers and parameters are ignored anyway"),
    unused("--skipApiVersionCheck", is_flag=True, help="All versions are served anyway"),
    unused(
        "--disableProductStyleUrl",
        is_flag=True,
        help="An account in the path goes before one in the host name anyway",
    ),
    unused("--disableTelemetry", is_flag=True, help="There is none"),
    unused("--extentMemoryLimit", type=float, help="Contents lie in files, in memory too"),
    unused("--blobKeepAliveTimeout", type=int, help=_KEEP_ALIVE),
    unused("--queueKeepAliveTimeout", type=int, help=_KEEP_ALIVE),
    unused("--tableKeepAliveTimeout", type=int, help=_KEEP_ALIVE),
)


def storage_options(command: Command) -> Command:
    """Add all options; ``options_from`` reads them."""
    for declared in reversed(_DECLARED):
        command = declared(command)
    return command


def options_from(given: Mapping[str, Any]) -> Options:
    """Return what was asked for; raises click.UsageError where it makes no sense."""
    services: tuple[ServiceName, ...] = ("blob", "queue", "table")
    return Options(
        ports={name: given[f"{name}_port"] for name in services},
        addresses={name: given[f"{name}_host"] or given["address"] for name in services},
        folder=None if given["in_memory"] else given["folder"],
        durability="full" if given["durability"] == "full" else "process",
        is_silent=given["silent"],
        tls=_tls(given["cert"], given["key"], given["pwd"]),
        accepts_bearer=given["oauth"] is not None,
        seed=given["seed"],
    )


def _tls(cert: str | None, key: str | None, password: str | None) -> ssl.SSLContext | None:
    if cert is None:
        if key is not None:
            raise click.UsageError("--key needs the certificate that it belongs to (--cert).")
        return None
    if cert.lower().endswith(PFX_SUFFIXES):
        raise click.UsageError(
            f"--cert {cert}: PFX files are not read. Make a PEM file of it, which holds the key "
            f"too: openssl pkcs12 -in {cert} -out cert.pem -nodes"
        )
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(cert, key, password)
    except (OSError, ssl.SSLError) as error:
        raise click.UsageError(
            f"--cert {cert}: no usable certificate and key in PEM form ({error})."
        ) from error
    return context
