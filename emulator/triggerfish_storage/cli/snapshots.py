"""``triggerfish storage snapshot`` and ``restore``: an account as it was, again and again."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from triggerfish_storage.cli.failing import failing
from triggerfish_storage.cli.options import DEFAULT_FOLDER
from triggerfish_storage.cli.output import emit_json, emit_table, json_option, remark
from triggerfish_storage.cli.progress import progress
from triggerfish_storage.cli.transfer import data_option, folder_of


@click.command("snapshot", short_help="Keep the data folder's state under a name; list those kept.")
@click.argument("name", required=False)
@click.option("--delete", "-d", "deletes", is_flag=True, help="Remove the snapshot instead.")
@click.option("--overwrite", is_flag=True, help="Replace a snapshot of that name.")
@json_option
@data_option
@click.pass_context
@failing
def snapshot(
    ctx: click.Context,
    /,
    *,
    name: str | None,
    deletes: bool,
    overwrite: bool,
    as_json: bool,
    folder: Path | None,
) -> None:
    """Keep all accounts of the data folder exactly as they are now, as NAME.

    The account may be in use. NAME is kept in the data folder; with a slash in it, it is a path.
    Without a NAME the snapshots are listed.
    """
    from triggerfish_storage.clock import SystemClock
    from triggerfish_storage.transfer import snapshots

    data = folder_of(ctx, folder)
    if name is None:
        if deletes:
            raise click.UsageError("--delete needs the NAME of a snapshot.")
        _list(data, as_json=as_json)
        return
    place = snapshots.place_of(data, name)
    if deletes:
        snapshots.delete(data, place)
        if as_json:
            emit_json({"name": name, "path": str(place)})
        else:
            remark(f"Snapshot {name} was removed.")
        return
    with progress("Keeping", snapshots.size_of(data), in_bytes=True) as advance:
        snapshots.take(data, place, overwrite=overwrite, now=SystemClock().now(), advance=advance)
    if as_json:
        emit_json({"name": name, "path": str(place), "bytes": snapshots.size_of(place)})
    else:
        back = ["triggerfish", "storage", "restore", name]
        if data != Path(DEFAULT_FOLDER):
            back += ["--data", str(data)]
        remark(f"Snapshot {name} was taken. Put it back with: {shlex.join(back)}")


@click.command("restore", short_help="Put a snapshot back.")
@click.argument("name")
@json_option
@data_option
@click.pass_context
@failing
def restore(ctx: click.Context, /, *, name: str, as_json: bool, folder: Path | None) -> None:
    """Make all accounts of the data folder what they were when snapshot NAME was taken.

    What came since is lost; a kill in the middle leaves either the old state or the new one.
    Where a program runs on the accounts it is asked to do it.
    """
    from triggerfish_storage.cli.asking import ask_owner
    from triggerfish_storage.clock import SystemClock
    from triggerfish_storage.data_folder import hide_from_git
    from triggerfish_storage.ownership import FolderOwned, own
    from triggerfish_storage.transfer import snapshots
    from triggerfish_storage.transfer.owner import asked_restore

    data = folder_of(ctx, folder)
    place = snapshots.place_of(data, name)
    snapshots.check(place)  # before a folder is made for nothing
    try:
        with (
            own(data, started=SystemClock().now().isoformat()),
            progress("Restoring", snapshots.size_of(place), in_bytes=True) as advance,
        ):
            hide_from_git(data)
            snapshots.restore(data, place, advance=advance)
    except FolderOwned as owned:
        ask_owner(data, "Restoring", asked_restore(place), owned)
    if as_json:
        emit_json({"name": name, "path": str(place), "bytes": snapshots.size_of(place)})
    else:
        remark(f"Snapshot {name} was put back.")


def _list(data: Path, *, as_json: bool) -> None:
    from triggerfish_storage.transfer import snapshots

    found = snapshots.listed(data)
    if as_json:
        emit_json(
            [
                {
                    "name": one.name,
                    "takenAt": one.taken,
                    "bytes": one.size_bytes,
                    "path": one.path,
                }
                for one in found
            ]
        )
        return
    emit_table(
        ("SNAPSHOT", "TAKEN", "MIB"),
        ((one.name, one.taken, f"{one.size_bytes / 2**20:.1f}") for one in found),
    )
    if not found:
        remark(f"{data}: there are no snapshots. 'triggerfish storage snapshot NAME' takes one.")
