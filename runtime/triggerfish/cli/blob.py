"""``triggerfish blob``: put, get and list blobs.

Of the running host's account, or of any other with ``--connection``.
"""

from __future__ import annotations

import mimetypes
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from triggerfish.cli.accounts import Target, of_account
from triggerfish.cli.blob_paths import BlobPath, folder_of, local_path
from triggerfish.cli.history_view import emit_raw, size
from triggerfish.cli.output import emit_json, emit_table, json_option, remark
from triggerfish.cli.progress import progress
from triggerfish.model import TriggerfishError
from triggerfish_storage.client import ListedBlob, StorageClient


@click.group(short_help="Put, get and list blobs.")
def blob() -> None:
    """Put, get and list blobs; a blob is named CONTAINER/BLOB."""


@blob.command("put")
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE…")
@click.argument("destination", metavar="CONTAINER[/BLOB]")
@click.option("--content-type", default="", help="[default: by the file's name]")
@of_account
def put(*, sources: tuple[str, ...], destination: str, content_type: str, target: Target) -> None:
    """Put files, folders, or - (what is piped in); creates the container if need be.

    One file becomes the blob named; several, folders, or a destination that is a container or
    ends in / keep their names below it.
    """
    uploads = _uploads(sources, BlobPath.parse(destination))

    async def put_each(client: StorageClient) -> None:
        await client.create_container(uploads[0].to.container)
        for upload in uploads:
            content = upload.content()
            kind = content_type or mimetypes.guess_type(upload.to.name)[0] or ""
            await client.put_blob(upload.to.container, upload.to.name, content, content_type=kind)
            advance(len(content))

    total = sum(upload.size_bytes for upload in uploads)
    with progress("Putting", total, in_bytes=True) as advance:
        target.run(put_each)
    remark(f"{uploads[0].to} was put." if len(uploads) == 1 else f"{len(uploads)} blobs put.")


@dataclass(frozen=True, slots=True)
class _Upload:
    """A file on its way to a blob; without a file it is what is piped in."""

    file: Path | None
    to: BlobPath

    @property
    def size_bytes(self) -> int:
        return self.file.stat().st_size if self.file is not None else 0

    def content(self) -> bytes:
        return self.file.read_bytes() if self.file is not None else sys.stdin.buffer.read()


def _uploads(sources: Sequence[str], to: BlobPath) -> list[_Upload]:
    if tuple(sources) == ("-",):
        if not to.name or to.name.endswith("/"):
            raise click.UsageError("What is piped in needs a name: give CONTAINER/BLOB.")
        return [_Upload(None, to)]
    files = [Path(source) for source in sources]
    for file in files:
        if not file.exists():
            raise TriggerfishError(f"{file}: there is no such file or folder.")
    if len(files) == 1 and files[0].is_file() and to.name and not to.name.endswith("/"):
        return [_Upload(files[0], to)]
    prefix = f"{to.name.rstrip('/')}/" if to.name else ""
    uploads = [
        _Upload(found, BlobPath(to.container, prefix + name))
        for file in files
        for found, name in _named(file)
    ]
    if not uploads:
        raise TriggerfishError("There are no files in what was named.")
    return uploads


def _named(file: Path) -> list[tuple[Path, str]]:
    """Return a file with its name, or all files of a folder with their paths within it."""
    if file.is_file():
        return [(file, file.name)]
    found = sorted(one for one in file.rglob("*") if one.is_file())
    return [(one, one.relative_to(file).as_posix()) for one in found]


@blob.command("get")
@click.argument("source", metavar="CONTAINER/BLOB")
@click.argument("destination", default=".")
@click.option("--prefix", help="All blobs of CONTAINER whose names begin like this.")
@of_account
def get(*, source: str, destination: str, prefix: str | None, target: Target) -> None:
    """Get a blob, or all that match a pattern; - is stdout.

    In a pattern * and ? stay within a folder, ** crosses folders: 'uploads/2024/**/*.csv'.
    DESTINATION is a file, or a folder (default: this one), which several are written below.
    """
    path = BlobPath.parse(source)
    if prefix is not None:
        if path.name:
            raise click.UsageError("--prefix goes with a container alone.")
        path = BlobPath(path.container, f"{prefix}**")
    if not path.name:
        raise click.UsageError(f"Which blobs of it? All are '{path.container}/**'.")
    if path.is_pattern:
        _get_many(target, path, destination)
    else:
        _get_one(target, path, destination)


def _get_one(target: Target, path: BlobPath, destination: str) -> None:
    content = target.run(lambda client: client.get_blob(path.container, path.name))
    if destination == "-":
        emit_raw(content)
        return
    file = Path(destination)
    if file.is_dir() or destination.endswith(("/", "\\")):
        file = local_path(file, path.name.rpartition("/")[2])
    _write(file, content)
    remark(f"{path} was written to {file} ({size(len(content))}).")


def _get_many(target: Target, path: BlobPath, destination: str) -> None:
    found = _matching(target, path)
    if not found:
        raise TriggerfishError(f"No blob matches '{path}'.")
    left_out = folder_of(path)
    # Where each goes is known before the first is written.
    files = {one.name: local_path(Path(destination), one.name[len(left_out) :]) for one in found}

    async def get_each(client: StorageClient) -> None:
        for name, file in files.items():
            content = await client.get_blob(path.container, name)
            if destination == "-":
                emit_raw(content)
            else:
                _write(file, content)
            advance(len(content))

    with progress("Getting", sum(one.length for one in found), in_bytes=True) as advance:
        target.run(get_each)
    if destination != "-":
        remark(f"{len(found)} blobs written below {destination}.")


def _write(file: Path, content: bytes) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    except OSError as error:
        raise TriggerfishError(f"{file}: cannot be written ({error.strerror}).") from error


def _matching(target: Target, path: BlobPath) -> list[ListedBlob]:
    async def collect(client: StorageClient) -> list[ListedBlob]:
        blobs = client.blobs(path.container, path.fixed)
        return [one async for one in blobs if not path.is_pattern or path.matches(one.name)]

    return target.run(collect)


@blob.command("list")
@click.argument("path", required=False, metavar="[CONTAINER[/PREFIX]]")
@click.option("--prefix", help="Only names that begin like this.")
@json_option
@of_account
def list_(*, path: str | None, prefix: str | None, as_json: bool, target: Target) -> None:
    """List containers, or the blobs of one; PREFIX may be a pattern, as of blob get."""
    if path is None:
        _list_containers(target, prefix or "", as_json=as_json)
        return
    where = BlobPath.parse(path)
    if prefix is not None:
        where = BlobPath(where.container, f"{where.name}{prefix}")
    found = _matching(target, where)
    if as_json:
        emit_json(
            [
                {
                    "name": one.name,
                    "length": one.length,
                    "modified": one.modified,
                    "contentType": one.content_type,
                }
                for one in found
            ]
        )
        return
    emit_table(
        ("BLOB", "SIZE", "MODIFIED", "TYPE"),
        ((one.name, one.length, one.modified, one.content_type) for one in found),
    )


def _list_containers(target: Target, prefix: str, *, as_json: bool) -> None:
    async def collect(client: StorageClient) -> list[str]:
        return [name async for name in client.containers(prefix)]

    found = target.run(collect)
    if as_json:
        emit_json([{"name": name} for name in found])
    else:
        emit_table(("CONTAINER",), ([name] for name in found))
