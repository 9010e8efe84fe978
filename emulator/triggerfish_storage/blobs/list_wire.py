"""XML of what the Blob service lists: pages of blobs and containers, and what a search found.

Pure: values to bytes. The entries of a page are ``list_entries``'s.

Bodies: https://learn.microsoft.com/rest/api/storageservices/list-blobs#response-body
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from datetime import datetime
from typing import Final

from triggerfish_storage.blobs import wire
from triggerfish_storage.blobs.encryption import ACCOUNT_SCOPE
from triggerfish_storage.blobs.list_entries import (
    entry_element,
    lease_elements,
    metadata_element,
    named,
)
from triggerfish_storage.blobs.listing import Listing, Page
from triggerfish_storage.blobs.model import Container, DefaultScope, etag_text
from triggerfish_storage.blobs.names import marker_text, tag_marker_text
from triggerfish_storage.blobs.tag_search import Found, TagPosition
from triggerfish_storage.protocol import xml
from triggerfish_storage.protocol.dates import http_date

_OF_EVERY_CONTAINER: Final = (
    "<HasImmutabilityPolicy>false</HasImmutabilityPolicy><HasLegalHold>false</HasLegalHold>"
    "<ImmutableStorageWithVersioningEnabled>false</ImmutableStorageWithVersioningEnabled>"
)


def blob_page(
    page: Page,
    listing: Listing,
    include: frozenset[str],
    *,
    endpoint: str,
    container: str,
    marker: str,
    maxresults: str,
    now: datetime,
) -> bytes:
    """Return a List Blobs body."""
    names = f"ServiceEndpoint={xml.quote(endpoint + '/')} ContainerName={xml.quote(container)}"
    asked = _asked(listing.prefix, marker, maxresults, listing.delimiter)
    following = f"<NextMarker>{marker_text(page.following)}</NextMarker>"
    # Encoded one by one: texts of a megabyte are new memory each time, which costs more.
    entries = [entry_element(entry, include, now).encode() for entry in page.entries]
    return b"".join(
        (
            xml.document(f"<EnumerationResults {names}>{asked}<Blobs>"),
            *entries,
            f"</Blobs>{following}</EnumerationResults>".encode(),
        )
    )


def container_page(
    containers: Sequence[Container],
    *,
    endpoint: str,
    prefix: str,
    marker: str,
    maxresults: str,
    following: str,
    with_metadata: bool,
    now: datetime,
) -> bytes:
    """Return a List Containers body."""
    parts = [
        f"<EnumerationResults ServiceEndpoint={xml.quote(endpoint + '/')}>",
        _asked(prefix, marker, maxresults, ""),
        "<Containers>",
    ]
    parts += [_container(container, with_metadata, now) for container in containers]
    parts.append(
        f"</Containers><NextMarker>{wire.text(following)}</NextMarker></EnumerationResults>"
    )
    return xml.document("".join(parts))


def _asked(prefix: str, marker: str, maxresults: str, delimiter: str) -> str:
    given = {
        "Prefix": prefix,
        "Marker": marker,
        "MaxResults": maxresults,
        "Delimiter": delimiter,
    }
    return "".join(named(name, value) for name, value in given.items() if value)


def _container(container: Container, with_metadata: bool, now: datetime) -> str:
    access = container.public_access
    public = f"<PublicAccess>{access}</PublicAccess>" if access else ""
    metadata = (metadata_element(container.metadata) or "<Metadata />") if with_metadata else ""
    return (
        f"<Container><Name>{wire.text(container.name)}</Name><Properties>"
        f"<Last-Modified>{http_date(container.modified)}</Last-Modified>"
        f"<Etag>{wire.text(etag_text(container.etag))}</Etag>"
        f"{lease_elements(container.lease, now)}{public}{_scope(container)}"
        f"{_OF_EVERY_CONTAINER}</Properties>{metadata}</Container>"
    )


def _scope(container: Container) -> str:
    scope = container.default_scope or DefaultScope(ACCOUNT_SCOPE)
    denied = "true" if scope.denies_override else "false"
    return (
        f"<DefaultEncryptionScope>{scope.name}</DefaultEncryptionScope>"
        f"<DenyEncryptionScopeOverride>{denied}</DenyEncryptionScopeOverride>"
    )


def found_blobs(
    found: Sequence[Found],
    following: TagPosition | None,
    *,
    endpoint: str,
    where: str,
    keys: Set[str],
) -> bytes:
    """Return a Find Blobs by Tags body; of the tags it shows those that were asked about."""
    parts = [
        f"<EnumerationResults ServiceEndpoint={xml.quote(endpoint + '/')}>",
        f"{named('Where', where)}<Blobs>",
    ]
    parts += [
        f"<Blob>{named('Name', each.name)}<ContainerName>{each.container}</ContainerName>"
        f"{wire.tag_set({key: each.tags[key] for key in each.tags if key in keys})}</Blob>"
        for each in found
    ]
    parts.append(f"</Blobs><NextMarker>{tag_marker_text(following)}</NextMarker>")
    parts.append("</EnumerationResults>")
    return xml.document("".join(parts))
