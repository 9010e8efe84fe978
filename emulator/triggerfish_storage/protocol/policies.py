"""Stored access policies of containers, queues and tables: their XML, and how they are kept.

Rules: https://learn.microsoft.com/rest/api/storageservices/define-stored-access-policy
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Final

from triggerfish_storage import errors
from triggerfish_storage.errors import StorageError
from triggerfish_storage.protocol import xml
from triggerfish_storage.protocol.dates import iso_date, parse_iso_date

POLICY_LIMIT: Final = 5
ID_LIMIT: Final = 64


@dataclass(frozen=True, slots=True)
class StoredPolicy:
    """What a SAS may take from its ``si``; dates are ISO 8601 text, empty where open."""

    id: str
    start: str = ""
    expiry: str = ""
    permission: str = ""


def read_policies(body: bytes) -> list[StoredPolicy]:
    """Return the policies of a SignedIdentifiers document; an empty body has none."""
    if not body.strip():
        return []
    root = xml.parse(body, "SignedIdentifiers")
    found = [_policy(element) for element in root.children if element.name == "SignedIdentifier"]
    if len(found) > POLICY_LIMIT or len({policy.id for policy in found}) < len(found):
        raise StorageError(
            errors.INVALID_XML_DOCUMENT, Reason=f"At most {POLICY_LIMIT} different ids."
        )
    return found


def write_policies(policies: Sequence[StoredPolicy]) -> bytes:
    """Return the SignedIdentifiers document of ``policies``."""
    inside = "".join(
        f"<SignedIdentifier>{xml.tag('Id', policy.id)}{_access(policy)}</SignedIdentifier>"
        for policy in policies
    )
    return xml.document(f"<SignedIdentifiers>{inside}</SignedIdentifiers>")


def to_json(policies: Sequence[StoredPolicy]) -> str:
    """Return ``policies`` as a store keeps them."""
    return json.dumps([asdict(policy) for policy in policies])


def from_json(text: str) -> list[StoredPolicy]:
    """Undo ``to_json``."""
    return [StoredPolicy(**fields) for fields in json.loads(text)]


def _policy(element: xml.Element) -> StoredPolicy:
    identifier = element.child_text("Id", "")
    if not 1 <= len(identifier) <= ID_LIMIT:
        raise StorageError(
            errors.INVALID_XML_DOCUMENT, Reason=f"An Id has 1 to {ID_LIMIT} characters."
        )
    access = element.find("AccessPolicy") or xml.Element("AccessPolicy", {})
    return StoredPolicy(
        identifier,
        _date(access, "Start"),
        _date(access, "Expiry"),
        access.child_text("Permission", "").strip(),
    )


def _access(policy: StoredPolicy) -> str:
    """Return what a policy says, nothing where it says nothing."""
    named = (
        ("Start", policy.start),
        ("Expiry", policy.expiry),
        ("Permission", policy.permission),
    )
    inside = "".join(xml.tag(name, value) for name, value in named if value)
    return f"<AccessPolicy>{inside}</AccessPolicy>" if inside else ""


def _date(access: xml.Element, name: str) -> str:
    given = access.child_text(name, "").strip()
    try:
        return iso_date(parse_iso_date(given)) if given else ""
    except ValueError as error:
        raise StorageError(
            errors.INVALID_XML_NODE_VALUE, XmlNodeName=name, XmlNodeValue=given
        ) from error
