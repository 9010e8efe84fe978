"""``triggerfish storage export`` and ``import``: a whole account as a folder or an archive."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import click

from triggerfish_storage.cli.failing import Failed, failing
from triggerfish_storage.cli.output import emit_json, json_option, remark
from triggerfish_storage.cli.progress import progress

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


@click.command("export", short_help="Write a whole account into a folder or an archive.")
@click.argument("target", type=_PATH)
@click.option("--account", metavar="NAME", help="Which account, where the folder has several.")
@click.option("--overwrite", is_flag=True, help="Replace what is at TARGET.")
@json_option
@data_option
@click.pass_context
@failing
def export(
    ctx: click.Context,
    /,
    *,
    target: Path,
    account: str | None,
    overwrite: bool,
    as_json: bool,
    folder: Path | None,
) -> None:
    """Write all that an account holds to TARGET, as files that people can read.

    TARGET is a folder, or an archive where its name ends in .tar, .tar.gz, .tgz or .zip. The
    account may be in use: what is written is its state at one instant.
    """
    from triggerfish_storage.clock import SystemClock
    from triggerfish_storage.transfer.carriers import carrier
    from triggerfish_storage.transfer.exporting import export_account
    from triggerfish_storage.transfer.folder_origin import FolderOrigin, accounts_in, size_of
    from triggerfish_storage.transfer.pinning import pinned

    now = SystemClock().now()
    with pinned(folder_of(ctx, folder)) as view:
        name = _account(account, accounts_in(view.tx))
        with (
            carrier(target, overwrite=overwrite) as files,
            progress("Exporting", size_of(view.tx, name), in_bytes=True) as advance,
        ):
            origin = FolderOrigin(view, name, now)
            tally = export_account(origin, files, now=now, advance=advance)
    if as_json:
        emit_json({"account": name, "path": str(target), **tally.document()})
    else:
        remark(f"Exported {name} to {target}: {tally}.")


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
@json_option
@data_option
@click.pass_context
@failing
def import_(ctx: click.Context, /, *, source: Path, folder: Path | None, **given: Any) -> None:
    """Bring all of SOURCE into an account: all of it, or after an error nothing.

    SOURCE is what export wrote, or a folder made by hand: files below blobs/CONTAINER, JSON
    lines in queues/QUEUE.jsonl and tables/TABLE.jsonl. Where a program runs on the account it is
    asked to do it, and serves nobody else meanwhile.
    """
    from triggerfish_storage.cli.asking import ask_owner
    from triggerfish_storage.clock import SystemClock
    from triggerfish_storage.ownership import FolderOwned, own
    from triggerfish_storage.protocol.accounts import DEFAULT_ACCOUNT
    from triggerfish_storage.transfer import sources
    from triggerfish_storage.transfer.importing import import_account
    from triggerfish_storage.transfer.owner import asked_import
    from triggerfish_storage.transfer.steps import ImportOptions
    from triggerfish_storage.transfer.tally import Tally

    now = SystemClock().now()
    data = folder_of(ctx, folder)
    options = ImportOptions(
        account=given["account"] or DEFAULT_ACCOUNT,
        existing=given["existing"],
        encoding="base64" if given["as_base64"] else "none",
        dry=given["dry_run"],
    )
    try:
        with (
            own(data, started=now.isoformat()),
            sources.opened(source, data) as found,
            progress("Importing", sources.size_of(found), in_bytes=True) as advance,
        ):
            tally = import_account(data, found, options, now=now, advance=advance)
    except FolderOwned as owned:
        counts = ask_owner(data, "Importing", asked_import(source, options), owned)
        tally = Tally.of(counts)
    if given["as_json"]:
        emit_json({"account": options.account, "dryRun": options.dry, **tally.document()})
    else:
        done = "Would import" if options.dry else "Imported"
        remark(f"{done} into {options.account}: {tally}.")
