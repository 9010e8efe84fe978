"""An account behind a connection string filled from files, request by request.

Others work with the account meanwhile. So this is no transaction: what ends an import early
leaves what was brought in before, and with ``--existing skip`` it goes on from there. Times, etags
and ids are new, and what is soft-deleted in the files stays there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Final

from triggerfish_storage.blobs.encryption_headers import default_scope_headers
from triggerfish_storage.blobs.model import Container
from triggerfish_storage.protocol import policies
from triggerfish_storage.queues.exact import QueueSettings
from triggerfish_storage.remote.blob_pushing import BlobPush
from triggerfish_storage.remote.item_pushing import push_entities, push_messages
from triggerfish_storage.remote.requests import Requests
from triggerfish_storage.signed_requests import Request, RequestFailed
from triggerfish_storage.transfer.failure import TransferError
from triggerfish_storage.transfer.importing import Settings, read_settings, service_document
from triggerfish_storage.transfer.sources import Container as Files
from triggerfish_storage.transfer.sources import Source
from triggerfish_storage.transfer.steps import REMEDY, ImportOptions
from triggerfish_storage.transfer.tally import Advance, Tally

_CREATED: Final = 201
_FORBIDDEN: Final = 403
_EXISTS: Final = 409
_XML: Final = {"content-type": "application/xml"}


def push_account(
    requests: Requests, source: Source, options: ImportOptions, *, now: datetime, advance: Advance
) -> Tally:
    """Bring all of a source into the account; raises TransferError.

    A dry run reads all files and sends nothing.
    """
    push = _Push(requests, options, now, advance)
    with _said_what_stays(push, options):
        push.run(source, read_settings(source, requests.account, now))
    return push.tally


class _Push:
    def __init__(
        self, requests: Requests, options: ImportOptions, now: datetime, advance: Advance
    ) -> None:
        self.tally = Tally()
        self._requests = requests
        self._options = options
        self._now = now
        self._advance = advance

    def run(self, source: Source, settings: Settings) -> None:
        if not self._options.dry:
            self._services(settings)
        for name in sorted({*settings.containers, *source.containers}):
            files = source.containers.get(name) or Files()
            self._container(name, files, settings.containers.get(name))
        for name in sorted({*settings.queues, *source.queues}):
            queue = settings.queues.get(name) or QueueSettings(name, {}, "[]")
            self._queue(queue, source)
        for name in sorted({*settings.tables, *source.tables}):
            self._table(name, settings.tables.get(name, "[]"), source)

    def _services(self, settings: Settings) -> None:
        query = {"restype": "service", "comp": "properties"}
        for service, line in settings.services.items():
            body = service_document(line)
            try:
                self._requests.send(Request(service, "PUT", "/", query, body, _XML))
            except RequestFailed as error:
                if error.status != _FORBIDDEN:
                    raise
                self._requests.remark(
                    "Left out, because the signature does not allow it: properties of services."
                )

    def _container(self, name: str, files: Files, settings: Container | None) -> None:
        container = settings or Container(0, "", name, 0, self._now)
        query = {"restype": "container"}
        headers = _metadata(container.metadata)
        if container.public_access:
            headers["x-ms-blob-public-access"] = container.public_access
        if container.default_scope is not None:
            headers |= default_scope_headers(container.default_scope)
        is_new = self._create(Request("blob", "PUT", f"/{name}", query, b"", headers))
        self.tally.containers += is_new
        if self._options.overwrites and not is_new:
            self._send(
                Request("blob", "PUT", f"/{name}", query | {"comp": "metadata"}, b"", headers)
            )
        if self._is_set(is_new, container.policies):
            access = {n: v for n, v in headers.items() if n == "x-ms-blob-public-access"}
            body = policies.write_policies(policies.from_json(container.policies))
            acl = query | {"comp": "acl"}
            self._send(Request("blob", "PUT", f"/{name}", acl, body, _XML | access))
        push = BlobPush(self._requests, name, self._options, self._now, self._advance)
        self.tally.add(push.run(files))

    def _queue(self, queue: QueueSettings, source: Source) -> None:
        path = f"/{queue.name}"
        request = Request("queue", "PUT", path, {}, b"", _metadata(queue.metadata))
        is_new = self._create(request)
        if not is_new and self._options.existing == "skip":
            self.tally.kept += 1
            return
        if not is_new:
            self._make_room(queue)
        self.tally.queues += 1
        if self._is_set(is_new, queue.policies):
            body = policies.write_policies(policies.from_json(queue.policies))
            self._send(Request("queue", "PUT", path, {"comp": "acl"}, body, _XML))
        file = source.queues.get(queue.name)
        if file is not None:
            options, now = self._options, self._now
            self.tally.messages += push_messages(
                self._requests, queue.name, file, options, now=now, advance=self._advance
            )

    def _make_room(self, queue: QueueSettings) -> None:
        count = {"comp": "metadata"}
        answer = self._requests.send(Request("queue", "GET", f"/{queue.name}", count))
        is_full = answer.headers.get("x-ms-approximate-messages-count", "0") != "0"
        if is_full and not self._options.overwrites:
            raise TransferError(f"queue {queue.name!r} has messages. {REMEDY}")
        if is_full:
            self._send(Request("queue", "DELETE", f"/{queue.name}/messages"))
            self.tally.replaced += 1
        if self._options.overwrites:
            headers = _metadata(queue.metadata)
            self._send(Request("queue", "PUT", f"/{queue.name}", count, b"", headers))

    def _table(self, name: str, kept: str, source: Source) -> None:
        body = f'{{"TableName":"{name}"}}'.encode()
        headers = {"content-type": "application/json", "accept": "application/json"}
        is_new = self._create(Request("table", "POST", "/Tables", {}, body, headers))
        self.tally.tables += is_new
        if self._is_set(is_new, kept):
            markup = policies.write_policies(policies.from_json(kept))
            self._send(Request("table", "PUT", f"/{name}", {"comp": "acl"}, markup, _XML))
        file = source.tables.get(name)
        if file is not None:
            options, now = self._options, self._now
            self.tally.add(
                push_entities(self._requests, name, file, options, now=now, advance=self._advance)
            )

    def _is_set(self, is_new: bool, kept: str) -> bool:
        """Whether access policies are to be set: where they are not those of nobody."""
        return (is_new and kept != "[]") or (self._options.overwrites and not is_new)

    def _create(self, request: Request) -> bool:
        """Create a container, queue or table; False where it exists."""
        if self._options.dry:
            return True
        try:
            return self._requests.send(request).status == _CREATED
        except RequestFailed as error:
            if error.status == _EXISTS and error.code.endswith("AlreadyExists"):
                return False
            raise

    def _send(self, request: Request) -> None:
        if not self._options.dry:
            self._requests.send(request)


def _metadata(found: Mapping[str, str]) -> dict[str, str]:
    return {f"x-ms-meta-{name}": value for name, value in found.items()}


@contextmanager
def _said_what_stays(push: _Push, options: ImportOptions) -> Iterator[None]:
    try:
        yield
    except (TransferError, RequestFailed) as error:
        if options.dry or not any(push.tally.document().values()):
            raise
        raise TransferError(
            f"{error} What came in before stays ({push.tally}); with --existing skip an import "
            "goes on from there."
        ) from error
