"""The options of ``triggerfish storage``, each declared once: names, variable, default, help.

Azurite's spellings stand beside ours, so that what scripts and editors pass is understood.
Azurite's options: https://learn.microsoft.com/azure/storage/common/storage-use-azurite
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar, cast

import click

from triggerfish_storage.cli.certificates import server_context
from triggerfish_storage.connection_string import PORTS
from triggerfish_storage.protocol.auth import ServiceName

if TYPE_CHECKING:
    import ssl

ENVIRONMENT_PREFIX: Final = "TRIGGERFISH_"
DEFAULT_FOLDER: Final = ".triggerfish"
PORT: Final = click.IntRange(0, 65535)
LONGEST_REHYDRATION: Final = timedelta(days=7)
TO_TERMINAL: Final = ("-", "1", "true", "yes", "on")  # as TRIGGERFISH_DEBUG may say
NOT_AT_ALL: Final = ("0", "false", "no", "off")

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
    keeps_versions: bool
    rehydrates_after: timedelta


class _Seconds(click.FloatRange):
    """Seconds within limits, which "nan" is by all that it can be compared with."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        seconds = float(super().convert(value, param, ctx))
        if math.isnan(seconds):
            self.fail(f"{value!r} is no number of seconds.", param, ctx)
        return seconds


def option(*names: str, also: str = "", **settings: Any) -> Callable[[Any], Any]:
    """An option that is also a variable, named after it: TRIGGERFISH_BLOB_PORT.

    ``also`` is another option by whose name the variable may be called.
    """
    variables = [_variable(name) for name in filter(None, (names[0], also))]
    return click.option(*names, envvar=variables, show_envvar=True, **settings)


def unused(*names: str, **settings: Any) -> Callable[[Any], Any]:
    """Accept an option of Azurite that changes nothing here; ``help`` says why."""
    return click.option(
        *names,
        envvar=_variable(names[0]),
        show_envvar=True,  # where its value is wrong
        expose_value=False,
        hidden=True,
        **settings,
    )


def _variable(name: str) -> str:
    """Return the variable of an option: TRIGGERFISH_BLOB_PORT of --blob-port, or of --blobPort."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name.removeprefix("--"))
    return ENVIRONMENT_PREFIX + words.replace("-", "_").upper()


def certificate_options(prefix: str = "--") -> Sequence[Callable[[Any], Any]]:
    """The options that ``server_context`` takes the values of, their names after ``prefix``."""
    file = click.Path(exists=True, dir_okay=False)
    return (
        option(
            f"{prefix}cert",
            type=file,
            help="Certificate (PEM or PFX) to serve storage over HTTPS with.",
        ),
        option(f"{prefix}key", type=file, help="Its private key (PEM), where it is not in there."),
        option(f"{prefix}pwd", help="Password of the private key, or of the PFX file."),
    )


port_options: Final = tuple(
    option(
        f"--{name}-port",
        f"--{name}Port",
        type=PORT,
        default=port,
        show_default=True,
        help=f"Port of the {name.capitalize()} service; 0 finds a free one.",
    )
    for name, port in PORTS.items()
)
seed_option: Final = option(
    "--seed",
    metavar="PATH",
    type=click.Path(path_type=Path),
    help="Folder, archive or queue's file: what the account is to hold unless it does already.",
)
durability_option: Final = option(
    "--durability",
    type=click.Choice(["normal", "full"]),
    default="normal",
    show_default=True,
    help="What an answered write survives: the end of the process, or a loss of power too.",
)
oauth_option: Final = option(
    "--oauth",
    type=click.Choice(["basic"], case_sensitive=False),
    help="Take bearer tokens of storage clients too, without checking who signed them.",
)
versions_option: Final = option(
    "--blob-versions",
    is_flag=True,
    help="Keep what a blob was before each write, as an account in Azure can be set to.",
)
rehydrate_option: Final = option(
    "--rehydrate-after",
    metavar="SECONDS",
    type=_Seconds(0, LONGEST_REHYDRATION.total_seconds()),
    default=0,
    show_default=True,
    help="How long a blob takes to come back from the archive.",
)
_KEEP_ALIVE: Final = "Idle connections are kept for two minutes, whatever clients expect"
_DECLARED: Final = (
    *port_options,
    option(
        "--address",
        default="127.0.0.1",
        show_default=True,
        help="Address to listen on; 0.0.0.0 for all, :: for all of IPv6 too.",
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
    seed_option,
    option(
        "--in-memory",
        "--inMemoryPersistence",
        also="--inMemoryPersistence",
        is_flag=True,
        help="Keep nothing after the end.",
    ),
    durability_option,
    option("--silent", "-s", is_flag=True, help="Print only where it listens, and errors."),
    option(
        "--debug",
        "-d",
        is_flag=False,
        flag_value=TO_TERMINAL[0],
        default=None,
        metavar="[FILE]",
        help="Log every request, to a file or to the terminal.",
    ),
    *certificate_options(),
    oauth_option,
    versions_option,
    rehydrate_option,
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


def with_options(*declared: Callable[[Any], Any]) -> Callable[[Command], Command]:
    """Add options to a command, shown in this order."""

    def added(command: Command) -> Command:
        for one in reversed(declared):
            command = one(command)
        return command

    return added


storage_options: Final = with_options(*_DECLARED)


def options_from(given: Mapping[str, Any]) -> Options:
    """Return what was asked for; raises click.UsageError where it makes no sense."""
    services: tuple[ServiceName, ...] = ("blob", "queue", "table")
    return Options(
        ports={name: given[f"{name}_port"] for name in services},
        addresses={name: given[f"{name}_host"] or given["address"] for name in services},
        folder=_folder(given),
        durability="full" if given["durability"] == "full" else "process",
        is_silent=given["silent"],
        tls=server_context(given["cert"], given["key"], given["pwd"]),
        accepts_bearer=given["oauth"] is not None,
        seed=given["seed"],
        keeps_versions=given["blob_versions"],
        rehydrates_after=timedelta(seconds=given["rehydrate_after"]),
    )


def _folder(given: Mapping[str, Any]) -> Path | None:
    """Return where the account is kept, None for in memory.

    The command line may overrule a variable, such as one of a container; said in one place, both
    together are a mistake, as they are for Azurite.
    """
    if not given["in_memory"]:
        return cast(Path, given["folder"])
    source = click.get_current_context().get_parameter_source
    if source("in_memory") == source("folder"):
        raise click.UsageError(
            "--in-memory keeps nothing, and --data names a folder that keeps it: give one of them."
        )
    return None
