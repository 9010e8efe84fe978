"""User delegation keys: what a client that shows a token signs with instead of a key.

Nothing is kept: the key is derived from the account's, and from all that its holder must repeat
in every signature. So it is found again when it is used, and ends with the account's key.

Rules: https://learn.microsoft.com/rest/api/storageservices/get-user-delegation-key
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Final

from triggerfish_storage import errors
from triggerfish_storage.errors import StorageError
from triggerfish_storage.protocol import xml
from triggerfish_storage.protocol.auth import ServiceName, sign
from triggerfish_storage.protocol.dates import parse_iso_date
from triggerfish_storage.protocol.operations import Call, Reply

LIFE_LIMIT: Final = timedelta(days=7)
BODY_LIMIT_BYTES: Final = 64 * 1024
_PURPOSE: Final = "user delegation key"


@dataclass(frozen=True, slots=True)
class DelegationKey:
    """What a key is for, as answers and signatures spell it; the fields are text for that."""

    object_id: str
    tenant_id: str
    start: str
    expiry: str
    service: str
    version: str
    delegated_tenant_id: str = ""

    def value(self, account_key: bytes, account: str) -> bytes:
        """Return the key itself."""
        named = [getattr(self, field.name) for field in fields(self)]
        return base64.b64decode(sign(account_key, "\n".join([_PURPOSE, account, *named])))


def signed_key(query: Mapping[str, str]) -> DelegationKey:
    """Return the key that a user delegation SAS says it was signed with."""
    names = ("skoid", "sktid", "skt", "ske", "sks", "skv", "skdutid")
    return DelegationKey(*(query.get(name, "") for name in names))


async def get_user_delegation_key(call: Call, service: ServiceName) -> Reply:
    """Get User Delegation Key, of any service: for those who show a token."""
    caller = call.caller
    if caller is None:
        raise StorageError(
            errors.AUTHENTICATION_FAILED,
            AuthenticationErrorDetail="Only authentication scheme Bearer is supported.",
        )
    asked = xml.parse(await call.body.read(BODY_LIMIT_BYTES), "KeyInfo")
    start, expiry = _period(asked, call.now)
    key = DelegationKey(
        caller.identity.object_id,
        caller.identity.tenant_id,
        start,
        expiry,
        service[0],
        call.version,
        asked.child_text("DelegatedUserTid", "").strip(),
    )
    value = key.value(caller.account_key, call.account)
    return Reply(200, _document(key, value))


def _period(asked: xml.Element, now: datetime) -> tuple[str, str]:
    """Return start and expiry, in order and within seven days of now."""
    asked.child_text("Expiry")  # must be there
    begins = _instant(asked, "Start") or now
    ends = _instant(asked, "Expiry")
    latest = now + LIFE_LIMIT
    if begins > latest:
        raise _bad_node(asked, "Start")
    if ends is None or not max(begins, now) < ends <= latest:
        raise _bad_node(asked, "Expiry")
    return f"{begins:%Y-%m-%dT%H:%M:%SZ}", f"{ends:%Y-%m-%dT%H:%M:%SZ}"


def _instant(asked: xml.Element, name: str) -> datetime | None:
    text = asked.child_text(name, "").strip()
    try:
        return parse_iso_date(text) if text else None
    except ValueError as error:
        raise _bad_node(asked, name) from error


def _bad_node(asked: xml.Element, name: str) -> StorageError:
    value = asked.child_text(name, "")
    return StorageError(errors.INVALID_XML_NODE_VALUE, XmlNodeName=name, XmlNodeValue=value)


def _document(key: DelegationKey, value: bytes) -> bytes:
    named = (
        ("SignedOid", key.object_id),
        ("SignedTid", key.tenant_id),
        ("SignedStart", key.start),
        ("SignedExpiry", key.expiry),
        ("SignedService", key.service),
        ("SignedVersion", key.version),
        ("SignedDelegatedUserTid", key.delegated_tenant_id),
        ("Value", base64.b64encode(value).decode()),
    )
    inside = "".join(xml.tag(name, text) for name, text in named if text)
    return xml.document(f"<UserDelegationKey>{inside}</UserDelegationKey>")
