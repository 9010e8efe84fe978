"""The operations on a service as a whole that Blob, Queue and Table have alike.

Properties: https://learn.microsoft.com/rest/api/storageservices/set-blob-service-properties
Statistics: https://learn.microsoft.com/rest/api/storageservices/get-blob-service-stats
"""

from __future__ import annotations

from typing import Protocol

from triggerfish_storage import errors
from triggerfish_storage.errors import StorageError
from triggerfish_storage.protocol import delegation, xml
from triggerfish_storage.protocol.dates import http_date
from triggerfish_storage.protocol.operations import Call, Reply
from triggerfish_storage.protocol.properties import (
    BODY_LIMIT_BYTES,
    read_properties,
    write_properties,
)
from triggerfish_storage.service_properties import ServiceProperties


class Store(Protocol):
    """The store of any service."""

    @property
    def service_properties(self) -> ServiceProperties: ...


async def get_service_properties(call: Call, store: Store) -> Reply:
    """Get Blob, Queue or Table Service Properties: logging, metrics, CORS rules, soft delete."""
    kept = store.service_properties
    return Reply(200, write_properties(kept.load(), kept.service))


async def set_service_properties(call: Call, store: Store) -> Reply:
    """Set Blob, Queue or Table Service Properties: one or more; the others stay."""
    kept = store.service_properties
    sent = read_properties(await call.body.read(BODY_LIMIT_BYTES), kept.service)
    if not sent:
        raise StorageError(errors.INVALID_XML_DOCUMENT, Reason="No property is set.")
    await kept.save(sent)
    return Reply(202)


async def get_service_stats(call: Call, store: Store) -> Reply:
    """Get Blob, Queue or Table Service Stats: the secondary is always in step here."""
    if not call.is_secondary:
        raise StorageError(
            errors.INVALID_QUERY_PARAMETER_VALUE,
            QueryParameterName="comp",
            QueryParameterValue="stats",
            Reason="Ask the secondary endpoint.",
        )
    inside = xml.tag("Status", "live") + xml.tag("LastSyncTime", http_date(call.now))
    return Reply(
        200,
        xml.document(
            f"<StorageServiceStats><GeoReplication>{inside}</GeoReplication></StorageServiceStats>"
        ),
    )


async def get_user_delegation_key(call: Call, store: Store) -> Reply:
    """Get User Delegation Key, for signatures of this service."""
    return await delegation.get_user_delegation_key(call, store.service_properties.service)
