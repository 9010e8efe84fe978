"""Tokens of an identity service, in the relaxed form that emulators take (``--oauth basic``).

A token must look right, be for storage and be in its time. Its signature is not checked and
its roles are not asked: there is no tenant here whose keys and assignments could be known.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from triggerfish_storage import errors
from triggerfish_storage.clock import EPOCH
from triggerfish_storage.errors import StorageError

_AUDIENCES: Final = (
    "https://storage.azure.com",
    "e406a681-f3d4-42a8-90b6-c2b029497af1",  # the application id of Azure Storage
)
_SUFFIXES: Final = (".blob.core.windows.net", ".queue.core.windows.net", ".table.core.windows.net")
_NOBODY: Final = "00000000-0000-0000-0000-000000000000"


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a token was issued to: object and tenant id, GUIDs in text."""

    object_id: str
    tenant_id: str


def check_bearer(token: str, now: datetime) -> Identity:
    """Return whom ``token`` names.

    Raises the documented error where it is malformed, expired or for somebody else. A token
    that names nobody is taken: those that tests make up often don't.
    """
    claims = _claims(token)
    try:
        begins, ends = float(claims.get("nbf", 0)), float(claims["exp"])
    except (KeyError, TypeError, ValueError) as error:
        raise StorageError(errors.INVALID_AUTHENTICATION_INFO) from error
    if not begins <= (now - EPOCH).total_seconds() < ends:
        raise _unauthenticated("The token is expired, or not valid yet.")
    audience = str(claims.get("aud", "")).rstrip("/")
    if audience not in _AUDIENCES and not audience.endswith(_SUFFIXES):
        raise _unauthenticated(f"The token's audience '{audience}' is not storage.")
    return Identity(str(claims.get("oid") or _NOBODY), str(claims.get("tid") or _NOBODY))


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


def _unauthenticated(detail: str) -> StorageError:
    return StorageError(errors.AUTHENTICATION_FAILED, AuthenticationErrorDetail=detail)
