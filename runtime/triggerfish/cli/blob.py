"""``triggerfish blob``: put, get, list and delete blobs.

Of the running host's account, or of any other with ``--connection``.
"""

from __future__ import annotations

import mimetypes
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, Final

import click

from triggerfish.cli.accounts import Target, of_account
from triggerfish.cli.blob_paths import BlobPath, folder_of, local_path
from triggerfish.cli.blob_transfer import download, replacing, upload
from triggerfish.cli.history_view import emit_raw, is_text, size
from triggerfish.model import TriggerfishError
from triggerfish_storage.cli.failing import ending_well
from triggerfish_storage.cli.output import (
    confirm,
    counted,
    emit_json,
    emit_table,
    json_option,
    remark,
    wants_table,
)
from triggerfish_storage.cli.progress import progress
from triggerfish_storage.client import ListedBlob, StorageClient
from triggerfish_storage.transfer.tally import Advance

_DOCUMENTS: Final = ("{", "[", "<")


class _BlobPath(click.ParamType):  # type: ignore[type-arg]  # not generic before click 8.3
    """A container, and what there is in it, checked before anything is sent."""

    name = "path"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> BlobPath:
        try:
            return BlobPath.parse(value)
        except ValueError as problem:
            self.fail(str(problem), param, ctx)


@click.group(short_help="Put, get, list and delete blobs.")
def blob() -> None:
    """Put, get, list and delete blobs; a blob is named CONTAINER/BLOB."""


@blob.command("put", short_help="Put files, folders or a text.")
@click.argument("destination", metavar="CONTAINER[/BLOB]", type=_BlobPath())
@click.argument("sources", nargs=-1, metavar="[SOURCE]…")
@click.option("--text", help="The content itself.")
@click.option("--content-type", default="", help="What the blob is.  [default: by the blob's name]")
@of_account
def put(
    *,
    destination: BlobPath,
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
    uploads = _uploads(destination, sources, text)

    async def put_each(client: StorageClient) -> None:
        await client.create_container(uploads[0].to.container)
        for one in uploads:
            kind = content_type or mimetypes.guess_type(one.to.name)[0] or ""
            with one.opened() as content:
                await upload(
                    client,
                    one.to,
                    content,
                    size_bytes=one.size_bytes,
                    content_type=kind,
                    advance=advance,
                )

    total = sum(one.size_bytes for one in uploads)
    with progress("Putting", total or None, in_bytes=True) as advance:
        target.run(put_each)
    remark(
        f"{uploads[0].to} was put."
        if len(uploads) == 1
        else f"{counted(len(uploads), 'blob')} put."
    )


@dataclass(frozen=True, slots=True)
class _Upload:
    """A file, a text, or where that is None what is piped in, on its way to a blob."""

    to: BlobPath
    source: Path | bytes | None

    @property
    def size_bytes(self) -> int:
        """How much it is; 0 where that cannot be known."""
        if self.source is None:
            return 0
        return self.source.stat().st_size if isinstance(self.source, Path) else len(self.source)

    @contextmanager
    def opened(self) -> Iterator[BinaryIO]:
        """Give what is to be read; stdin stays open."""
        if isinstance(self.source, Path):
            with self.source.open("rb") as file:
                yield file
        else:
            yield sys.stdin.buffer if self.source is None else BytesIO(self.source)


def _uploads(to: BlobPath, sources: Sequence[str], text: str | None) -> list[_Upload]:
    is_folder = not to.name or to.name.endswith("/")
    if _are_files(sources, text):
        return _uploads_of_files(to, [Path(source) for source in sources], is_folder=is_folder)
    if is_folder:
        raise click.UsageError("What is no file needs a name: give CONTAINER/BLOB.")
    if text is None and tuple(sources) not in ((), ("-",)):
        [text] = sources
    return [_Upload(to, None if text is None else text.encode())]


def _are_files(sources: Sequence[str], text: str | None) -> bool:
    """Whether files are named, and not a content is given itself."""
    if text is not None:
        return False
    if not sources and sys.stdin.isatty():
        raise click.UsageError("Nothing to put: name a SOURCE, give --text, or pipe it in.")
    if not sources or tuple(sources) == ("-",):
        return False
    alone = sources[0] if len(sources) == 1 else ""
    # A misspelled file name must not become a blob, so a text has to look like one.
    return not (alone and alone[:1] in _DOCUMENTS and not Path(alone).exists())


def _uploads_of_files(to: BlobPath, files: Sequence[Path], *, is_folder: bool) -> list[_Upload]:
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


def _named(file: Path) -> list[tuple[Path, str]]:
    """Return a file with its name, or all files of a folder with their paths within it."""
    if file.is_file():
        return [(file, file.name)]
    found = sorted(one for one in file.rglob("*") if one.is_file())
    return [(one, one.relative_to(file).as_posix()) for one in found]


@blob.command("get", short_help="Show a blob, or write blobs to files.")
@click.argument("path", metavar="CONTAINER/BLOB", type=_BlobPath())
@click.argument("destination", required=False)
@click.option("--prefix", help="All blobs of CONTAINER whose names begin like this.")
@of_account
def get(*, path: BlobPath, destination: str | None, prefix: str | None, target: Target) -> None:
    """Show a blob, write it to a file or folder, or write all that match a pattern.

    In a pattern * and ? stay within a folder, ** crosses folders: 'uploads/2024/**/*.csv'.
    DESTINATION is a file or a folder, - is stdout. Without one a single blob goes to stdout,
    and those of a pattern below the current folder.
    """
    if prefix is not None:
        if path.name:
            raise click.UsageError("--prefix goes with a container alone.")
        path = BlobPath(path.container, f"{prefix}**")
    _check_named(path)
    if path.is_pattern:
        _get_many(target, path, destination or ".")
    else:
        _get_one(target, path, destination)


def _check_named(path: BlobPath) -> None:
    if not path.name:
        raise click.UsageError(f"Which blobs of it? All are '{path.container}/**'.")


def _get_one(target: Target, path: BlobPath, destination: str | None) -> None:
    if destination is None and wants_table():
        _show(target, path)
        return
    if destination is None or destination == "-":
        _get_all(target, path.container, {path.name: None}, total=None)
        return
    file = Path(destination)
    if file.is_dir() or destination.endswith(("/", "\\")):
        file = local_path(file, path.name.rpartition("/")[2])
    size_bytes = _get_all(target, path.container, {path.name: file}, total=None)
    remark(f"{path} was written to {file} ({size(size_bytes)}).")


def _show(target: Target, path: BlobPath) -> None:
    """Write a blob to the terminal, where that can show it."""
    content = target.run(lambda client: client.get_blob(path.container, path.name))
    if not is_text(content):
        raise TriggerfishError(
            f"{path} is no text ({size(len(content))}): name a file for it, or - for stdout."
        )
    emit_raw(content)


def _get_many(target: Target, path: BlobPath, destination: str) -> None:
    found = _some_matching(target, path)
    left_out = folder_of(path)
    # Where each goes is known before the first is written.
    files = {one.name: local_path(Path(destination), one.name[len(left_out) :]) for one in found}
    places = dict.fromkeys(files) if destination == "-" else files
    _get_all(target, path.container, places, total=sum(one.length for one in found))
    if destination != "-":
        remark(f"{counted(len(found), 'blob')} written below {destination}.")


def _get_all(
    target: Target, container: str, places: Mapping[str, Path | None], *, total: int | None
) -> int:
    """Write blobs to files, or to stdout where there is none; return how many bytes these were."""

    async def get_each(client: StorageClient, advance: Advance) -> int:
        size_bytes = 0
        for name, file in places.items():
            async with client.opened_blob(container, name) as content:
                with replacing(file) if file is not None else _stdout() as output:
                    size_bytes += await download(content, output, advance)
        return size_bytes

    with ending_well(), progress("Getting", total, in_bytes=True) as advance:
        return target.run(lambda client: get_each(client, advance))


@contextmanager
def _stdout() -> Iterator[BinaryIO]:
    yield sys.stdout.buffer
    sys.stdout.buffer.flush()


def _matching(target: Target, path: BlobPath) -> list[ListedBlob]:
    async def collect(client: StorageClient) -> list[ListedBlob]:
        blobs = client.blobs(path.container, path.fixed)
        return [one async for one in blobs if not path.is_pattern or path.matches(one.name)]

    return target.run(collect)


def _some_matching(target: Target, path: BlobPath) -> list[ListedBlob]:
    found = _matching(target, path)
    if not found:
        raise TriggerfishError(f"No blob matches '{path}'.")
    return found


@blob.command("list", short_help="List containers, or the blobs of one.")
@click.argument("where", required=False, metavar="[CONTAINER[/PREFIX]]", type=_BlobPath())
@click.option("--prefix", help="Only names that begin like this.")
@json_option
@of_account
def list_(*, where: BlobPath | None, prefix: str | None, as_json: bool, target: Target) -> None:
    """List containers, or the blobs of one; PREFIX may be a pattern, as of blob get."""
    if where is None:
        _list_containers(target, prefix or "", as_json=as_json)
        return
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


@blob.command("delete", short_help="Delete a blob, or all that match a pattern.")
@click.argument("path", metavar="CONTAINER/BLOB", type=_BlobPath())
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@of_account
def delete(*, path: BlobPath, yes: bool, target: Target) -> None:
    """Delete a blob with its snapshots, or all that match a pattern, as of blob get."""
    _check_named(path)
    names = [path.name]
    if path.is_pattern:
        names = [one.name for one in _some_matching(target, path)]
        confirm(f"Delete {counted(len(names), 'blob')} of container '{path.container}'?", yes=yes)

    async def delete_each(client: StorageClient) -> None:
        for name in names:
            await client.delete_blob(path.container, name)
            advance(1)

    with progress("Deleting", len(names)) as advance:
        target.run(delete_each)
    remark(f"{counted(len(names), 'blob')} deleted." if path.is_pattern else f"{path} was deleted.")
