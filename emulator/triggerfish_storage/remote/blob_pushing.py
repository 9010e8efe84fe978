"""Blobs of a container from files: small ones a few at a time, all others one by one."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import Final, NamedTuple

from triggerfish_storage.blobs.model import Blob
from triggerfish_storage.client import blob_path
from triggerfish_storage.remote.blob_writing import (
    Writing,
    closing,
    is_closed,
    is_whole,
    put_whole,
    scope_headers,
)
from triggerfish_storage.remote.requests import AT_ONCE, Requests
from triggerfish_storage.signed_requests import Answer, Request, RequestFailed
from triggerfish_storage.transfer import sources
from triggerfish_storage.transfer.blob_import import listed_blobs
from triggerfish_storage.transfer.blob_lines import DescribedBlob, fit_to
from triggerfish_storage.transfer.fields import Line
from triggerfish_storage.transfer.steps import REMEDY, ImportOptions
from triggerfish_storage.transfer.tally import FILE_BYTES, Advance, Tally

SMALL_BYTES: Final = 256 * 1024
_UNLESS_THERE: Final = {"if-none-match": "*"}
_THERE: Final = "BlobAlreadyExists"
_NOT_IMPLEMENTED: Final = 501
_LEFT_OUT: Final = {
    "tier": "tiers of blobs",
    "immutabilitypolicies": "immutability policies",
    "legalhold": "legal holds",
}


class _Entry(NamedTuple):
    described: DescribedBlob
    file: Path
    line: Line


class BlobPush:
    """One container's blobs on their way; ``run`` once."""

    def __init__(
        self,
        requests: Requests,
        container: str,
        options: ImportOptions,
        now: datetime,
        advance: Advance,
    ) -> None:
        self._requests = requests
        self._container = container
        self._options = options
        self._now = now
        self._advance = advance
        self._tally = Tally()
        self._waiting: list[_Entry] = []

    def run(self, files: sources.Container) -> Tally:
        """Write all that the files hold, but for what is soft-deleted."""
        for _, same in groupby(self._entries(files), lambda one: one.described.blob.name):
            self._write(list(same))
        self._flush()
        return self._tally

    def _entries(self, files: sources.Container) -> Iterator[_Entry]:
        for described, file, line in listed_blobs(files, 0, self._now):
            self._advance(FILE_BYTES)
            if described.blob.deleted is not None:
                self._requests.remark("Left out: blobs that are soft-deleted.")
                continue
            if described.blob.encryption is not None and described.blob.encryption.key_sha256:
                self._requests.remark(
                    "Left out: keys of customers; their blobs have the account's."
                )
            size_bytes = file.stat().st_size
            yield _Entry(fit_to(described, size_bytes, b"", line), file, line)

    def _write(self, entries: list[_Entry]) -> None:
        """Write a blob with its snapshots, which come first."""
        if self._options.dry:
            self._count(entries)
        elif len(entries) > 1 or entries[0].described.blob.is_snapshot:
            self._flush()
            self._write_history(entries)
        elif _is_small(entries[0]):
            self._waiting.append(entries[0])
            if len(self._waiting) == AT_ONCE:
                self._flush()
        else:
            self._flush()
            self._settle(entries[0], self._outcome(entries[0], self._conditions))

    @property
    def _conditions(self) -> dict[str, str]:
        return {} if self._options.overwrites else _UNLESS_THERE

    def _write_history(self, entries: list[_Entry]) -> None:
        path = blob_path(self._container, entries[0].described.blob.name)
        if not self._options.overwrites and self._is_there(path):
            for entry in entries:
                self._settle(entry, RequestFailed("", code=_THERE))
            return
        for entry in entries:
            self._settle(entry, self._outcome(entry, {}))
            if entry.described.blob.is_snapshot:
                scope = scope_headers(entry.described.blob)
                taking = Request("blob", "PUT", path, {"comp": "snapshot"}, b"", scope)
                taken = self._requests.send(taking).headers["x-ms-snapshot"]
                self._close(entry.described.blob, snapshot=taken)

    def _is_there(self, path: str) -> bool:
        [answer] = self._requests.send_all([Request("blob", "HEAD", path)])
        if isinstance(answer, RequestFailed) and answer.status != 404:
            raise answer
        return isinstance(answer, Answer)

    def _outcome(self, entry: _Entry, headers: dict[str, str]) -> Answer | RequestFailed | None:
        try:
            Writing(
                self._requests, self._container, entry.described, entry.file, headers, self._advance
            ).run()
            if not entry.described.blob.is_snapshot:
                self._close(entry.described.blob)
        except RequestFailed as error:
            return error
        return None

    def _close(self, blob: Blob, *, snapshot: str = "") -> None:
        for request in closing(self._container, blob, self._now, snapshot=snapshot):
            try:
                self._requests.send(request)
            except RequestFailed as error:
                if error.status != _NOT_IMPLEMENTED:
                    raise
                missing = _LEFT_OUT[request.query["comp"]]
                self._requests.remark(f"Left out, as the service does not know them: {missing}.")

    def _flush(self) -> None:
        waiting, self._waiting = self._waiting, []
        puts = [
            put_whole(self._container, one.described, one.file.read_bytes(), self._conditions)
            for one in waiting
        ]
        for entry, put, answer in zip(waiting, puts, self._requests.send_all(puts), strict=True):
            self._advance(len(put.body))
            self._settle(entry, answer)

    def _settle(self, entry: _Entry, outcome: Answer | RequestFailed | None) -> None:
        if not isinstance(outcome, RequestFailed):
            self._count([entry])
        elif outcome.code != _THERE:
            raise entry.line.wrong(str(outcome)) from outcome
        elif self._options.existing == "fail":
            name = entry.described.blob.name
            raise entry.line.wrong(f"blob {name!r} exists. {REMEDY}") from outcome
        else:
            self._tally.kept += 1

    def _count(self, entries: list[_Entry]) -> None:
        self._tally.blobs += len(entries)
        self._tally.size_bytes += sum(one.file.stat().st_size for one in entries)


def _is_small(entry: _Entry) -> bool:
    """Whether a blob is written by one short request."""
    described, size_bytes = entry.described, entry.file.stat().st_size
    is_short = size_bytes <= SMALL_BYTES and described.has_md5 and not is_closed(described.blob)
    return is_short and is_whole(described, size_bytes)
