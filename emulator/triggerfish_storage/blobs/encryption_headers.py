"""Encryption in headers: what a request says of keys and scopes, and what answers tell of them.

Pure wire code. The SDKs send keys over HTTPS only; here they are taken over HTTP too.

Headers: https://learn.microsoft.com/azure/storage/blobs/encryption-customer-provided-keys
Signed scopes: https://learn.microsoft.com/rest/api/storageservices/create-service-sas#specify-the-encryption-scope
"""

from __future__ import annotations

import hashlib
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from typing import Final

from triggerfish_storage import errors
from triggerfish_storage.blobs.encryption import ACCOUNT_SCOPE, is_scope_name
from triggerfish_storage.blobs.model import DefaultScope, Encryption
from triggerfish_storage.errors import StorageError
from triggerfish_storage.protocol.operations import Call
from triggerfish_storage.protocol.sas_text import signs

KEY_BYTES: Final = 32
_KEY: Final = "x-ms-encryption-key"
_HASH: Final = "x-ms-encryption-key-sha256"
_SCOPE: Final = "x-ms-encryption-scope"
_DEFAULT: Final = "x-ms-default-encryption-scope"
_DENIED: Final = "x-ms-deny-encryption-scope-override"
_OWN: Final = (_KEY, _HASH, "x-ms-encryption-algorithm")
_SOURCE: Final = (
    "x-ms-source-encryption-key",
    "x-ms-source-encryption-key-sha256",
    "x-ms-source-encryption-algorithm",
)
_ANY: Final = frozenset((*_OWN, _SCOPE))


def encryption_of(call: Call) -> Encryption | None:
    """Return how a writer wants a blob encrypted: by a key it shows, a scope, or neither.

    A signature may be for one scope alone, which then need not be named. Raises
    InvalidHeaderValue or MissingRequiredHeader, and AuthorizationFailure for another scope than
    the signed one.
    """
    counts = call.granted is not None and signs(call.query, "ses")
    signed = call.query.get("ses", "") if counts else ""
    if not signed and _ANY.isdisjoint(call.headers):
        return None
    key_sha256, scope = key_of(call), call.headers.get(_SCOPE, "")
    if scope and (key_sha256 or not is_scope_name(scope)):
        raise call.bad_header(_SCOPE)
    if not signed:
        return Encryption(scope, key_sha256) if scope or key_sha256 else None
    if key_sha256 or scope not in ("", signed) or not is_scope_name(signed):
        raise StorageError(errors.AUTHORIZATION_FAILURE)
    return Encryption(signed)


def scope_of(call: Call) -> Encryption | None:
    """Return in which scope a copy is to be, where a key of the customer's is not taken."""
    found = encryption_of(call)
    if found is not None and found.key_sha256:
        raise StorageError(errors.UNSUPPORTED_HEADER, HeaderName=_KEY)
    return found


def key_of(call: Call) -> str:
    """Return the hash of the key that a request shows, empty where it shows none."""
    return "" if _ANY.isdisjoint(call.headers) else _key(call, _OWN)


def source_key_headers(call: Call) -> dict[str, str]:
    """Return the headers with which a source is asked that is encrypted with a customer's key."""
    if not _key(call, _SOURCE):
        return {}
    return {own: call.headers[source] for own, source in zip(_OWN, _SOURCE, strict=True)}


def default_scope_of(call: Call) -> DefaultScope | None:
    """Return the scope of a new container's blobs; only with one may others be denied."""
    denied, name = call.header_flag(_DENIED), call.headers.get(_DEFAULT, "")
    if name in ("", ACCOUNT_SCOPE):
        if denied and not name:
            raise StorageError(errors.MISSING_REQUIRED_HEADER, HeaderName=_DEFAULT)
        if denied:
            raise call.bad_header(_DENIED)
        return None
    if not is_scope_name(name):
        raise call.bad_header(_DEFAULT)
    return DefaultScope(name, denied)


def told(encryption: Encryption | None) -> dict[str, str]:
    """Return what an answer says of how a blob is encrypted, if it is not by the account's key."""
    if encryption is None:
        return {}
    if encryption.scope:
        return {_SCOPE: encryption.scope}
    return {_HASH: encryption.key_sha256}


def default_scope_headers(scope: DefaultScope | None) -> dict[str, str]:
    """Return what is said of a container's scope."""
    scope = scope or DefaultScope(ACCOUNT_SCOPE)
    return {_DEFAULT: scope.name, _DENIED: "true" if scope.denies_override else "false"}


def _key(call: Call, names: tuple[str, str, str]) -> str:
    """Return the hash of a key that all three of its headers fit to; empty where none is there.

    The algorithm alone is no key: ``@azure/storage-blob`` 12.8 sends it with every request.
    """
    given = [call.headers.get(name, "") for name in names]
    key, key_sha256, algorithm = given
    if not key and not key_sha256:
        return ""
    for name, value in zip(names, given, strict=True):
        if not value:
            raise StorageError(errors.MISSING_REQUIRED_HEADER, HeaderName=name)
    try:
        decoded = b64decode(key, validate=True)
    except (Base64Error, ValueError):
        decoded = b""
    if len(decoded) != KEY_BYTES:
        raise _wrong(names[0])
    if b64encode(hashlib.sha256(decoded).digest()).decode() != key_sha256.strip():
        raise _wrong(names[1])
    if algorithm.upper() != "AES256":
        raise _wrong(names[2])
    return key_sha256.strip()


def _wrong(name: str) -> StorageError:
    # Its value is not told, as other headers' is: it may be a key.
    return StorageError(errors.INVALID_HEADER_VALUE, HeaderName=name)
