"""The steps that bring a container and its blobs into an account."""

from __future__ import annotations

import mimetypes
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

from triggerfish_storage.blobs import exact
from triggerfish_storage.blobs.container_rows import find_container
from triggerfish_storage.blobs.exact import Layout
from triggerfish_storage.blobs.model import CURRENT, Address, Blob, Container, ContentHeaders
from triggerfish_storage.blobs.names import check_blob_name
from triggerfish_storage.contents import Content
from triggerfish_storage.transfer import sources
from triggerfish_storage.transfer.blob_lines import DescribedBlob, fit_to, read_blob
from triggerfish_storage.transfer.carriers import COPY_BYTES
from triggerfish_storage.transfer.failure import TransferError
from triggerfish_storage.transfer.fields import Line, read_lines
from triggerfish_storage.transfer.path_set import path_set
from triggerfish_storage.transfer.steps import REMEDY, Job, Step, told
from triggerfish_storage.transfer.tally import FILE_BYTES, Tally


def container_steps(
    job: Job, name: str, files: sources.Container, settings: Container | None
) -> Iterator[Step]:
    """Give the steps of one container: first what its manifest lists, then all other files."""
    container = settings or Container(0, job.account, name, 0, job.now)
    container_id = 0

    def step(tx: sqlite3.Connection) -> Tally:
        nonlocal container_id
        with told(f"container {name!r}"):
            is_new = find_container(tx, Address(job.account, name)) is None
            container_id = exact.load_container(tx, container, overwrite=job.options.overwrites)
        return Tally(containers=int(is_new))

    yield step
    for described, file, line in listed_blobs(files, container_id, job.now):
        yield _blob_step(job, described, file, line)


def listed_blobs(
    files: sources.Container, container_id: int, now: datetime
) -> Iterator[tuple[DescribedBlob, Path, Line]]:
    """Give the blobs of a container with their files: those its manifest lists, then all others."""
    with path_set() as listed:
        for line in read_lines(files.manifest) if files.manifest else ():
            with told(line.where):
                described = read_blob(line, container_id, now)
            listed.add(described.path)
            yield described, _file(files, described.path, line), line
        for file in sources.files_below(files.folder) if files.folder else ():
            path = file.relative_to(files.folder or file).as_posix()
            if path not in listed:
                described, line = _by_hand(container_id, path, file)
                yield described, file, line


def _file(files: sources.Container, path: str, line: Line) -> Path:
    """Return the file that a line names, which must lie in the container's folder."""
    parts = PurePosixPath(path).parts
    is_inside = path[0] != "/" and ".." not in parts and "\\" not in path and ":" not in path
    file = files.folder.joinpath(*parts) if is_inside and files.folder is not None else None
    if file is None or not file.is_file():
        raise line.wrong(
            f"the file of blob {line.text('name')!r}, {path!r}, is not in the container's folder. "
            "Put it there, or remove the line."
        )
    return file


def _by_hand(container_id: int, path: str, file: Path) -> tuple[DescribedBlob, Line]:
    """Return what is to be said of a file that no manifest lists."""
    with told(str(file)):
        check_blob_name(path)
    modified = datetime.fromtimestamp(int(file.stat().st_mtime), UTC)
    headers = ContentHeaders(mimetypes.guess_type(path)[0] or "application/octet-stream")
    blob = Blob(
        id=0,
        container_id=container_id,
        name=path,
        snapshot=CURRENT,
        type="BlockBlob",
        etag=0,
        created=modified,
        modified=modified,
        length=0,
        headers=headers,
        md5=b"",
    )
    return DescribedBlob(blob, path, Layout(), has_md5=True), Line(str(file), 0, b"", {})


def _blob_step(job: Job, described: DescribedBlob, file: Path, line: Line) -> Step:
    def step(tx: sqlite3.Connection) -> Tally:
        job.advance(FILE_BYTES)
        blob = described.blob
        exists = exact.has_blob(tx, blob.container_id, blob.name, blob.snapshot)
        if exists and job.options.existing == "skip":
            job.advance(file.stat().st_size)
            return Tally(kept=1)
        if exists and not job.options.overwrites:
            raise line.wrong(f"blob {blob.name!r} exists. {REMEDY}")
        content = _content(job, file)
        fitting = fit_to(described, content.size_bytes, content.md5, line)
        with told(line.where):
            exact.load_blob(tx, fitting.blob, content, fitting.layout, now=job.now)
        return Tally(blobs=1, size_bytes=content.size_bytes, replaced=int(exists))

    return step


def _content(job: Job, file: Path) -> Content:
    try:
        if not job.options.dry:
            content = job.contents.store(_pieces(job, file))
            if content.file is not None:
                job.stored(content.file)
            return content
        size_bytes = file.stat().st_size
    except OSError as error:
        what = "cannot be read" if error.filename == str(file) else "cannot be stored"
        raise TransferError(f"{file}: {what} ({error.strerror or error}).") from error
    job.advance(size_bytes)
    return Content(size_bytes, b"", b"", None)


def _pieces(job: Job, file: Path) -> Iterator[bytes]:
    with file.open("rb") as opened:
        while piece := opened.read(COPY_BYTES):
            job.advance(len(piece))
            yield piece
