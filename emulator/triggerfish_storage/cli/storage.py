"""The command ``triggerfish storage``: a storage account and nothing else.

Understands the command line of Azurite too, so that scripts and editors which start that can
start this. Every option is also an environment variable.
"""

from __future__ import annotations

from typing import Any

import click

from triggerfish_storage.cli.options import storage_options
from triggerfish_storage.cli.snapshots import restore, snapshot
from triggerfish_storage.cli.transfer import export, import_


@click.group(invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@storage_options
@click.version_option(None, "-v", "--version", package_name="triggerfish", message="%(version)s")
@click.pass_context
def storage(ctx: click.Context, /, **given: Any) -> None:
    """Run a storage account: Blob, Queue and Table services for Azure's own clients.

    Accounts beside devstoreaccount1 come from AZURITE_ACCOUNTS ("name:key1:key2;…", or "@FILE"
    for a file of them), which is read again while running. With one of the commands nothing is
    run: they work on the account that the data folder keeps.

    Azurite's command line is understood, its other options (--loose, --skipApiVersionCheck …) too.
    """
    ctx.obj = given["folder"]
    if ctx.invoked_subcommand is None:
        from triggerfish_storage.cli.serving import serve_account  # heavy, and --help does without

        serve_account(given)


for command in (export, import_, snapshot, restore):
    storage.add_command(command)


@storage.command("version", hidden=True)
def version() -> None:
    """Show the version, as Azurite's command of that name does."""
    from importlib.metadata import version as version_of  # a tenth of a second

    click.echo(version_of("triggerfish"))


@storage.command("help", hidden=True)
@click.pass_context
def help_(ctx: click.Context, /) -> None:
    """Show the help, as Azurite's command of that name does."""
    if ctx.parent is not None:
        click.echo(ctx.parent.get_help())
