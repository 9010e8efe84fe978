"""An account behind a connection string, as an export reads it: request by request.

What is written while it is read may be missing or be there; a blob that changes between its
listing and its reading ends the export. What the services have no word for is left out: leases
and staged blocks, what is soft-deleted, hidden messages.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from triggerfish_storage.blobs.encryption import ACCOUNT_SCOPE
from triggerfish_storage.connection_string import ConnectionStringError
from triggerfish_storage.errors import StorageError
from triggerfish_storage.protocol import policies, properties, xml
from triggerfish_storage.protocol.auth import ServiceName
from triggerfish_storage.queues.exact import QueueSettings
from triggerfish_storage.queues.wire import read_queue_list
from triggerfish_storage.remote.blob_reading import read_blobs
from triggerfish_storage.remote.listed_blobs import date_of, metadata_of
from triggerfish_storage.remote.message_reading import read_messages
from triggerfish_storage.remote.requests import Requests
from triggerfish_storage.signed_requests import Request, RequestFailed
from triggerfish_storage.tables.exact import TableSettings
from triggerfish_storage.transfer.exporting import Document, Outgoing, OutgoingBlob
from triggerfish_storage.transfer.fields import given, iso, to_line
from triggerfish_storage.transfer.setting_lines import (
    policy_documents,
    queue_document,
    table_document,
)

_JSON: Final = {"accept": "application/json;odata=minimalmetadata"}
_SERVICES: Final[tuple[ServiceName, ...]] = ("blob", "queue", "table")
_CONTINUATION: Final = "x-ms-continuation-"
# Written as they are documented: Azurite does not see other spellings, and begins anew each time.
_FOLLOWING: Final = ("NextTableName", "NextPartitionKey", "NextRowKey")
_REFUSED: Final = 403


@dataclass(slots=True)
class RemoteOrigin:
    """Implements ``exporting.Origin`` with requests."""

    requests: Requests
    _containers: list[str] = field(default_factory=list)
    _queues: list[str] = field(default_factory=list)
    _tables: list[str] = field(default_factory=list)

    @property
    def account(self) -> str:
        return self.requests.account

    def settings(self) -> Iterator[Document]:
        there = [service for service in _SERVICES if self._has(service)]
        for service in there:
            found = self._properties(service)
            if found:
                yield {"service": service, "properties": found}
        if "blob" in there:
            yield from self._container_documents()
        if "queue" in there:
            yield from self._queue_documents()
        if "table" in there:
            yield from self._table_documents()

    def containers(self) -> Iterator[str]:
        yield from self._containers

    def blobs(self, container: str) -> Iterator[OutgoingBlob]:
        return read_blobs(self.requests, container)

    def queues(self) -> Iterator[str]:
        yield from self._queues

    def messages(self, queue: str) -> Iterator[Outgoing]:
        return read_messages(self.requests, queue)

    def tables(self) -> Iterator[str]:
        yield from self._tables

    def entities(self, table: str) -> Iterator[Outgoing]:
        for entity in self._rows(f"/{table}()"):
            kept = {name: value for name, value in entity.items() if not name.startswith("odata.")}
            line = to_line(kept)
            yield Outgoing(line, len(line))

    # --- settings -----------------------------------------------------------------------------

    def _has(self, service: ServiceName) -> bool:
        try:
            return bool(self.requests.endpoint(service))
        except ConnectionStringError:
            self.requests.remark(f"The connection string names no {service} service.")
            return False

    def _properties(self, service: ServiceName) -> Mapping[str, str]:
        query = {"restype": "service", "comp": "properties"}
        body = self._if_allowed(Request(service, "GET", "/", query), "properties of services")
        if body is None:
            return {}
        try:
            return properties.read_properties(body.removeprefix(b"\xef\xbb\xbf"), service)
        except StorageError:
            self.requests.remark(f"Left out, because they are not known here: {service} properties")
            return {}

    def _container_documents(self) -> Iterator[Document]:
        listing = Request("blob", "GET", "/", {"comp": "list", "include": "metadata"})
        for page in self.requests.pages(listing):
            for element in _children(page, "Containers"):
                name = element.child_text("Name")
                self._containers.append(name)
                found = element.find("Properties") or element
                modified = date_of(found, "Last-Modified")
                scope = found.child_text("DefaultEncryptionScope", ACCOUNT_SCOPE)
                is_only = found.child_text("DenyEncryptionScopeOverride", "false") == "true"
                query = {"restype": "container", "comp": "acl"}
                yield given(
                    {
                        "container": name,
                        "metadata": metadata_of(element),
                        "publicAccess": found.child_text("PublicAccess", ""),
                        "accessPolicies": self._policies(Request("blob", "GET", f"/{name}", query)),
                        "defaultEncryptionScope": scope if scope != ACCOUNT_SCOPE else "",
                        "denyEncryptionScopeOverride": is_only,
                        "lastModified": iso(modified) if modified else "",
                    }
                )

    def _queue_documents(self) -> Iterator[Document]:
        marker = ""
        while True:
            query = {"comp": "list", "include": "metadata"}
            if marker:
                query["marker"] = marker
            page = read_queue_list(self.requests.send(Request("queue", "GET", "/", query)).body)
            for queue in page.queues:
                self._queues.append(queue.name)
                acl = Request("queue", "GET", f"/{queue.name}", {"comp": "acl"})
                settings = QueueSettings(queue.name, queue.metadata, "[]")
                yield {**queue_document(settings), **_given_policies(self._policies(acl))}
            marker = page.next_marker
            if not marker:
                return

    def _table_documents(self) -> Iterator[Document]:
        for row in self._rows("/Tables"):
            name = str(row["TableName"])
            self._tables.append(name)
            acl = Request("table", "GET", f"/{name}", {"comp": "acl"})
            settings = TableSettings(0, name, "[]")
            yield {**table_document(settings), **_given_policies(self._policies(acl))}

    def _policies(self, request: Request) -> list[dict[str, object]]:
        body = self._if_allowed(request, "access policies")
        if body is None:
            return []
        found = policies.read_policies(body.removeprefix(b"\xef\xbb\xbf"))
        return policy_documents(policies.to_json(found))

    def _if_allowed(self, request: Request, what: str) -> bytes | None:
        try:
            return self.requests.send(request).body
        except RequestFailed as error:
            if error.status != _REFUSED:
                raise
            self.requests.remark(f"Left out, because the signature does not allow it: {what}.")
            return None

    def _rows(self, path: str) -> Iterator[Mapping[str, Any]]:
        """Give what a query of the Table service answers, page by page."""
        query: dict[str, str] = {}
        while True:
            answer = self.requests.send(Request("table", "GET", path, query, b"", _JSON))
            yield from json.loads(answer.body)["value"]
            told = {name: answer.headers.get(_CONTINUATION + name.lower()) for name in _FOLLOWING}
            query = {name: value for name, value in told.items() if value is not None}
            if not query:
                return


def _children(page: xml.Element, name: str) -> list[xml.Element]:
    found = page.find(name)
    return found.children if found is not None else []


def _given_policies(found: list[dict[str, object]]) -> dict[str, object]:
    return {"accessPolicies": found} if found else {}
