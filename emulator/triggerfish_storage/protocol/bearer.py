"""Tokens of an identity service, in the relaxed form that emulators take (``--oauth basic``).

A token must look right, be for storage and be in its time. Its signature is not checked and
its roles are not asked: there is no tenant here whose keys and assignments could be known.

Audiences: https://learn.microsoft.com/azure/storage/blobs/authorize-access-azure-active-directory
"""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from triggerfish_storage import errors
from triggerfish_storage.clock import EPOCH
from triggerfish_storage.errors import StorageError
from triggerfish_storage.protocol.auth import ServiceName

_ALL_ACCOUNTS: Final = (
    "https://storage.azure.com",
    "e406a681-f3d4-42a8-90b6-c2b029497af1",  # the application id of Azure Storage
)
_ONE_SERVICE: Final = re.compile(
    r"https://(?P<account>[a-z0-9]+)\.(?P<service>blob|queue|table)\.core\."
    r"(?:windows\.net|chinacloudapi\.cn|usgovcloudapi\.net|cloudapi\.de)"
)
_NOBODY: Final = "00000000-0000-0000-0000-000000000000"


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a token was issued to: object and tenant id, GUIDs in text."""

    object_id: str
    tenant_id: str


def check_bearer(token: str, now: datetime, *, account: str, service: ServiceName) -> Identity:
    """Return whom ``token`` names.

    Raises AuthenticationFailed where it is expired, as Azurite does, and InvalidAuthenticationInfo:
    with 400 where it is malformed, with 401 where it is for anything but storage as a whole or this
    service of this account. That one challenges clients to get a better token, from the tenant that
    this one is of. A token that names nobody is taken: those that tests make up often don't.
    """
    claims = _claims(token)
    try:
        begins, ends = float(claims.get("nbf", 0)), float(claims["exp"])
    except (KeyError, TypeError, ValueError) as error:
        raise StorageError(errors.INVALID_AUTHENTICATION_INFO) from error
    if not begins <= (now - EPOCH).total_seconds() < ends:
        detail = "The token is expired, or not valid yet."
        raise StorageError(errors.AUTHENTICATION_FAILED, AuthenticationErrorDetail=detail)
    audience = str(claims.get("aud", "")).rstrip("/")
    if audience not in _ALL_ACCOUNTS and not _is_for(audience, account, service):
        raise _challenge(
            claims,
            f"The token's audience '{audience}' is neither storage nor this account's {service} "
            "service.",
        )
    return Identity(str(claims.get("oid") or _NOBODY), str(claims.get("tid") or _NOBODY))


def _is_for(audience: str, account: str, service: ServiceName) -> bool:
    found = _ONE_SERVICE.fullmatch(audience)
    return found is not None and found.groups() == (account, service)


def _claims(token: str) -> dict[str, Any]:
    parts = token.split(".")
    if len(parts) == 3:
        try:
            padded = parts[1] + "=" * (-len(parts[1]) % 4)
            claims = json.loads(base64.urlsafe_b64decode(padded))
        except ValueError:
            claims = None
        if isinstance(claims, dict):
            return claims
    raise StorageError(errors.INVALID_AUTHENTICATION_INFO)


def _challenge(claims: dict[str, Any], detail: str) -> StorageError:
    tenant = {"Tenant": str(claims["tid"])} if claims.get("tid") else {}
    return StorageError(errors.INVALID_TOKEN, AuthenticationErrorDetail=detail, **tenant)
