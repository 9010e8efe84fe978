"""``triggerfish storage export`` and ``import``: a whole account as a folder or an archive."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
from click.core import ParameterSource

from triggerfish_storage.cli.failing import Failed, failing
from triggerfish_storage.cli.output import emit_json, json_option, remark
from triggerfish_storage.cli.progress import progress

if TYPE_CHECKING:
    from triggerfish_storage.transfer.sources import Source
    from triggerfish_storage.transfer.steps import ImportOptions
    from triggerfish_storage.transfer.tally import Tally

data_option: Final = click.option(
    "--data",
    "-l",
    "--location",
    "folder",
    envvar=["TRIGGERFISH_DATA", "TRIGGERFISH_LOCATION"],
    show_envvar=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder that keeps the account.  [default: .triggerfish]",
)
_PATH: Final = click.Path(path_type=Path)


def folder_of(ctx: click.Context, folder: Path | None) -> Path:
    """Return the data folder: as said here, else as said before the command's name."""
    found: Path = folder if folder is not None else ctx.obj
    return found


connection_option: Final = click.option(
    "--connection-string",
    "--connection",
    "connection",
    metavar="STRING",
    help="An account anywhere instead of a data folder: here, Azurite's, in Azure.",
)


@click.command("export", short_help="Write a whole account into a folder or an archive.")
@click.argument("target", type=_PATH)
@click.option("--account", metavar="NAME", help="Which account, where the folder has several.")
@click.option("--overwrite", is_flag=True, help="Replace what is at TARGET.")
@connection_option
@json_option
@data_option
@click.pass_context
@failing
def export(ctx: click.Context, /, *, target: Path, as_json: bool, **given: Any) -> None:
    """Write all that an account holds to TARGET, as files that people can read.

    TARGET is a folder, or an archive where its name ends in .tar, .tar.gz, .tgz or .zip. The
    account may be in use: what is written is its state at one instant. With a connection string
    it is read request by request: what is written meanwhile may be there or not, and what requests
    cannot tell (hidden messages, what is soft-deleted) is left out.
    """
    if str(target) == "-":
        raise click.UsageError("An export does not go to stdout: name a folder or an archive.")
    connection = _checked_connection(ctx, given)
    if connection is None:
        name, tally = _export_folder(folder_of(ctx, given["folder"]), target, given)
    else:
        name, tally = _export_remote(connection, target, given)
    if as_json:
        emit_json({"account": name, "path": str(target), **tally.document()})
    else:
        remark(f"Exported {name} to {target}: {tally}.")


def _export_folder(data: Path, target: Path, given: Mapping[str, Any]) -> tuple[str, Tally]:
    from triggerfish_storage.clock import SystemClock
    from triggerfish_storage.transfer.carriers import carrier
    from triggerfish_storage.transfer.exporting import export_account
    from triggerfish_storage.transfer.folder_origin import FolderOrigin, accounts_in, size_of
    from triggerfish_storage.transfer.pinning import pinned

    now = SystemClock().now()
    with pinned(data) as view:
        name = _account(given["account"], accounts_in(view.tx))
        with (
            carrier(target, overwrite=given["overwrite"]) as files,
            progress("Exporting", size_of(view.tx, name), in_bytes=True) as advance,
        ):
            origin = FolderOrigin(view, name, now)
            return name, export_account(origin, files, now=now, advance=advance)


def _export_remote(connection: str, target: Path, given: Mapping[str, Any]) -> tuple[str, Tally]:
    from triggerfish_storage.clock import SystemClock
    from triggerfish_storage.remote.origin import RemoteOrigin
    from triggerfish_storage.remote.requests import reached
    from triggerfish_storage.transfer.carriers import carrier
    from triggerfish_storage.transfer.exporting import export_account

    with reached(connection) as requests:
        with (
            carrier(target, overwrite=given["overwrite"]) as files,
            progress("Exporting", None, in_bytes=True) as advance,
        ):
            origin, now = RemoteOrigin(requests), SystemClock().now()
            tally = export_account(origin, files, now=now, advance=advance)
        for text in requests.remarks:
            remark(text)
        return requests.account, tally


def _checked_connection(ctx: click.Context, given: Mapping[str, Any]) -> str | None:
    """Return the connection string, where one was given and nothing that contradicts it."""
    connection: str | None = given["connection"]
    if connection is not None:
        for name in ("account", "folder"):
            if ctx.get_parameter_source(name) == ParameterSource.COMMANDLINE:
                option = {"account": "--account", "folder": "--data"}[name]
                raise click.UsageError(
                    f"--connection-string names the account; leave {option} out."
                )
    return connection


def _account(wanted: str | None, present: list[str]) -> str:
    from triggerfish_storage.protocol.accounts import DEFAULT_ACCOUNT

    if wanted is not None and wanted not in (*present, DEFAULT_ACCOUNT):
        raise Failed(f"There is no account {wanted!r}; there is: {', '.join(present) or 'none'}.")
    if wanted is None and len(present) > 1:
        raise Failed(f"There are several accounts; choose with --account: {', '.join(present)}.")
    return wanted or (present[0] if present else DEFAULT_ACCOUNT)


@click.command("import", short_help="Bring the files of such a folder or archive in.")
@click.argument("source", type=_PATH)
@click.option("--account", metavar="NAME", help="Into which account.  [default: devstoreaccount1]")
@click.option(
    "--existing",
    type=click.Choice(["fail", "skip", "overwrite"]),
    default="fail",
    show_default=True,
    help="What to do where a blob, an entity or a queue with messages exists.",
)
@click.option(
    "--base64/--raw",
    "as_base64",
    default=True,
    show_default=True,
    help='How messages are encoded that are written as "body".',
)
@click.option("--dry-run", is_flag=True, help="Check everything and change nothing.")
@connection_option
@json_option
@data_option
@click.pass_context
@failing
def import_(ctx: click.Context, /, *, source: Path, **given: Any) -> None:
    """Bring all of SOURCE into an account: all of it, or after an error nothing.

    SOURCE is what export wrote, or a folder made by hand: files below blobs/CONTAINER, JSON
    lines in queues/QUEUE.jsonl and tables/TABLE.jsonl. Where a program runs on the account it is
    asked to do it; meanwhile others read there, and their writes wait. With a connection string
    all is sent request by request, others are served beside it, and what was sent before an error
    stays.
    """
    from triggerfish_storage.protocol.accounts import DEFAULT_ACCOUNT, check_account_name
    from triggerfish_storage.transfer.steps import ImportOptions

    account = given["account"] or DEFAULT_ACCOUNT
    try:
        check_account_name(account)
    except ValueError as error:
        raise click.UsageError(f"--account: {error}.") from error
    options = ImportOptions(
        account=account,
        existing=given["existing"],
        encoding="base64" if given["as_base64"] else "none",
        dry=given["dry_run"],
    )
    connection = _checked_connection(ctx, given)
    if connection is None:
        name, tally = _import_folder(folder_of(ctx, given["folder"]), source, options)
    else:
        name, tally = _import_remote(connection, source, options)
    if given["as_json"]:
        emit_json({"account": name, "dryRun": options.dry, **tally.document()})
    else:
        done = "Would import" if options.dry else "Imported"
        remark(f"{done} into {name}: {tally}.")


def _import_folder(data: Path, source: Path, options: ImportOptions) -> tuple[str, Tally]:
    from triggerfish_storage.cli.asking import ask_owner
    from triggerfish_storage.ownership import FolderOwned
    from triggerfish_storage.transfer import sources
    from triggerfish_storage.transfer.owner import asked_import
    from triggerfish_storage.transfer.scratch import temporary_folder
    from triggerfish_storage.transfer.tally import Tally

    sources.check(source)  # before a folder is made for nothing
    try:
        if options.dry and not data.exists():
            with temporary_folder() as nothing:
                tally = _import_owned(nothing, source, options)
        else:
            tally = _import_owned(data, source, options)
    except FolderOwned as owned:
        asked = asked_import(source, options)
        counts = ask_owner(data, "Importing", asked, owned, total=_size_of(source))
        tally = Tally.of(counts)
    return options.account, tally


def _import_owned(data: Path, source: Path, options: ImportOptions) -> Tally:
    """Import into a folder that nobody has open. Raises FolderOwned where somebody does."""
    from triggerfish_storage.clock import SystemClock
    from triggerfish_storage.data_folder import hide_from_git
    from triggerfish_storage.ownership import own
    from triggerfish_storage.transfer import sources
    from triggerfish_storage.transfer.importing import import_account

    now = SystemClock().now()
    with own(data, started=now.isoformat()):
        hide_from_git(data)
        with (
            _opened(source, data) as found,
            progress("Importing", sources.size_of(found), in_bytes=True) as advance,
        ):
            return import_account(data, found, options, now=now, advance=advance)


@contextmanager
def _opened(source: Path, folder: Path) -> Iterator[Source]:
    """Give what is at ``source``, and show how an archive is unpacked in ``folder``."""
    from triggerfish_storage.transfer import sources

    with ExitStack() as stack:
        with progress("Unpacking", None, in_bytes=True) as advance:
            found = stack.enter_context(sources.opened(source, folder, advance=advance))
        yield found


def _size_of(source: Path) -> int | None:
    """Return how many bytes an import has to read, where nothing has to be unpacked for that."""
    from triggerfish_storage.transfer import sources

    if not source.is_dir():
        return None
    with sources.opened(source, source) as found:
        return sources.size_of(found)


def _import_remote(connection: str, source: Path, options: ImportOptions) -> tuple[str, Tally]:
    from triggerfish_storage.clock import SystemClock
    from triggerfish_storage.ownership import own
    from triggerfish_storage.remote.pushing import push_account
    from triggerfish_storage.remote.requests import reached
    from triggerfish_storage.transfer import sources
    from triggerfish_storage.transfer.scratch import temporary_folder

    with (
        reached(connection) as requests,
        temporary_folder() as folder,
        own(folder, started=""),  # so that nobody takes it for left
        _opened(source, folder) as found,
    ):
        with progress("Importing", sources.size_of(found), in_bytes=True) as advance:
            now = SystemClock().now()
            tally = push_account(requests, found, options, now=now, advance=advance)
        for text in requests.remarks:
            remark(text)
        return requests.account, tally
