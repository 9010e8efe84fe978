"""``triggerfish blob``: put, get and list blobs.

Of the running host's account, or of any other with ``--connection``.
"""

from __future__ import annotations

import mimetypes
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Final

import click

from triggerfish.cli.accounts import Target, of_account
from triggerfish.cli.blob_paths import BlobPath, folder_of, local_path
from triggerfish.cli.history_view import emit_raw, is_text, size
from triggerfish.model import TriggerfishError
from triggerfish_storage.cli.output import emit_json, emit_table, json_option, remark, wants_table
from triggerfish_storage.cli.progress import progress
from triggerfish_storage.client import ListedBlob, StorageClient

_DOCUMENTS: Final = ("{", "[", "<")


@click.group(short_help="Put, get and list blobs.")
def blob() -> None:
    """Put, get and list blobs; a blob is named CONTAINER/BLOB."""


@blob.command("put", short_help="Put files, folders or a text.")
@click.argument("destination", metavar="CONTAINER[/BLOB]")
@click.argument("sources", nargs=-1, metavar="[SOURCE]…")
@click.option("--text", help="The content itself.")
@click.option("--content-type", default="", help="What the blob is.  [default: by the blob's name]")
@of_account
def put(
    *,
    destination: str,
    sources: tuple[str, ...],
    text: str | None,
    content_type: str,
    target: Target,
) -> None:
    """Put files, folders, a text, or what is piped in; creates the container if need be.

    One file becomes the blob named; several, folders, or a destination that is a container or
    ends in / keep their names below it. A SOURCE that is no file but reads like a document,
    such as '{"name": "Ann"}', is the content itself; - is what is piped in.
    """
    if text is not None and sources:
        raise click.UsageError("--text is the content: it goes without files.")
    uploads = _uploads(BlobPath.parse(destination), sources, text)

    async def put_each(client: StorageClient) -> None:
        await client.create_container(uploads[0].to.container)
        for upload in uploads:
            content = upload.read()
            kind = content_type or mimetypes.guess_type(upload.to.name)[0] or ""
            await client.put_blob(upload.to.container, upload.to.name, content, content_type=kind)
            advance(len(content))

    total = sum(upload.size_bytes for upload in uploads)
    with progress("Putting", total, in_bytes=True) as advance:
        target.run(put_each)
    remark(f"{uploads[0].to} was put." if len(uploads) == 1 else f"{len(uploads)} blobs put.")


@dataclass(frozen=True, slots=True)
class _Upload:
    """A file, or a content, on its way to a blob."""

    to: BlobPath
    source: Path | bytes

    @property
    def size_bytes(self) -> int:
        return self.source.stat().st_size if isinstance(self.source, Path) else len(self.source)

    def read(self) -> bytes:
        return self.source.read_bytes() if isinstance(self.source, Path) else self.source


def _uploads(to: BlobPath, sources: Sequence[str], text: str | None) -> list[_Upload]:
    content = _content(sources, text)
    is_folder = not to.name or to.name.endswith("/")
    if content is not None:
        if is_folder:
            raise click.UsageError("What is no file needs a name: give CONTAINER/BLOB.")
        return [_Upload(to, content)]
    files = [Path(source) for source in sources]
    for file in files:
        if not file.exists():
            raise TriggerfishError(
                f"{file}: there is no such file or folder. To put a text, use --text."
            )
    if len(files) == 1 and files[0].is_file() and not is_folder:
        return [_Upload(to, files[0])]
    prefix = f"{to.name.rstrip('/')}/" if to.name else ""
    uploads = [
        _Upload(BlobPath(to.container, prefix + name), found)
        for file in files
        for found, name in _named(file)
    ]
    if not uploads:
        raise TriggerfishError("There are no files in what was named.")
    return uploads


def _content(sources: Sequence[str], text: str | None) -> bytes | None:
    """Return the content that is given itself; None where files are named."""
    if text is not None:
        return text.encode()
    if not sources and sys.stdin.isatty():
        raise click.UsageError("Nothing to put: name a SOURCE, give --text, or pipe it in.")
    if not sources or tuple(sources) == ("-",):
        return sys.stdin.buffer.read()
    alone = sources[0] if len(sources) == 1 else ""
    # A misspelled file name must not become a blob, so a text has to look like one.
    if alone[:1] in _DOCUMENTS and alone and not Path(alone).exists():
        return alone.encode()
    return None


def _named(file: Path) -> list[tuple[Path, str]]:
    """Return a file with its name, or all files of a folder with their paths within it."""
    if file.is_file():
        return [(file, file.name)]
    found = sorted(one for one in file.rglob("*") if one.is_file())
    return [(one, one.relative_to(file).as_posix()) for one in found]


@blob.command("get", short_help="Show a blob, or write blobs to files.")
@click.argument("source", metavar="CONTAINER/BLOB")
@click.argument("destination", required=False)
@click.option("--prefix", help="All blobs of CONTAINER whose names begin like this.")
@of_account
def get(*, source: str, destination: str | None, prefix: str | None, target: Target) -> None:
    """Show a blob, write it to a file or folder, or write all that match a pattern.

    In a pattern * and ? stay within a folder, ** crosses folders: 'uploads/2024/**/*.csv'.
    DESTINATION is a file or a folder, - is stdout. Without one a single blob goes to stdout,
    and those of a pattern below the current folder.
    """
    path = BlobPath.parse(source)
    if prefix is not None:
        if path.name:
            raise click.UsageError("--prefix goes with a container alone.")
        path = BlobPath(path.container, f"{prefix}**")
    if not path.name:
        raise click.UsageError(f"Which blobs of it? All are '{path.container}/**'.")
    if path.is_pattern:
        _get_many(target, path, destination or ".")
    else:
        _get_one(target, path, destination)


def _get_one(target: Target, path: BlobPath, destination: str | None) -> None:
    content = target.run(lambda client: client.get_blob(path.container, path.name))
    if destination is None and wants_table() and not is_text(content):
        raise TriggerfishError(
            f"{path} is no text ({size(len(content))}): name a file for it, or - for stdout."
        )
    if destination is None or destination == "-":
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


@blob.command("list", short_help="List containers, or the blobs of one.")
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
                    "modified": _instant(one.modified),
                    "contentType": one.content_type,
                }
                for one in found
            ]
        )
        return
    emit_table(
        ("BLOB", "SIZE", "MODIFIED", "TYPE"),
        ((one.name, one.length, _instant(one.modified), one.content_type) for one in found),
    )


def _instant(http_date: str) -> datetime | str:
    """Return an instant as all commands show it, or what another service sent in its place."""
    try:
        return parsedate_to_datetime(http_date)
    except ValueError:
        return http_date


def _list_containers(target: Target, prefix: str, *, as_json: bool) -> None:
    async def collect(client: StorageClient) -> list[str]:
        return [name async for name in client.containers(prefix)]

    found = target.run(collect)
    if as_json:
        emit_json([{"name": name} for name in found])
    else:
        emit_table(("CONTAINER",), ([name] for name in found))
