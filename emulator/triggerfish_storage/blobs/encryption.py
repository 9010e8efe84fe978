"""With whose key a blob is encrypted, and whether a request may read or change it so.

Nothing is encrypted here: what counts is that a client which forgets a key, shows another one or
names another scope is told so as in the cloud. Of a customer's key its hash is kept, and never
the key. An encryption scope is made by the account's management in Azure; here any name that one
may have is that of a scope. Rules run inside the caller's transaction.

Keys: https://learn.microsoft.com/azure/storage/blobs/encryption-customer-provided-keys
Scopes: https://learn.microsoft.com/azure/storage/blobs/encryption-scope-overview
"""

from __future__ import annotations

import re
import sqlite3
from base64 import b64decode
from typing import Final

from triggerfish_storage.blobs import errors
from triggerfish_storage.blobs.columns import scope_of
from triggerfish_storage.blobs.model import Blob, DefaultScope, Encryption
from triggerfish_storage.errors import StorageError

ACCOUNT_SCOPE: Final = "$account-encryption-key"  # is said where there is no other

_HASH_BYTES: Final = 32
_NAME: Final = re.compile(r"(?=.{3,63}\Z)[a-z0-9]+(?:-[a-z0-9]+)*", re.ASCII)
_DEFAULT_SCOPE: Final = "SELECT encryption FROM container WHERE id = :container"


def is_scope_name(name: str) -> bool:
    """Whether an encryption scope may be called so."""
    return _NAME.fullmatch(name) is not None


def is_key_hash(text: str) -> bool:
    """Whether this is a SHA-256 in base64."""
    try:
        return len(b64decode(text, validate=True)) == _HASH_BYTES
    except ValueError:  # which Base64Error is
        return False


def settled(asked: Encryption | None, default: DefaultScope | None) -> Encryption | None:
    """Return how something is encrypted in a container: as its writer asks, else by default.

    Raises RequestForbiddenByContainerEncryptionPolicy where the container has no other scope.
    """
    if default is None:
        return asked
    own = Encryption(default.name)
    if default.denies_override and asked not in (None, own):
        raise StorageError(errors.REQUEST_FORBIDDEN_BY_CONTAINER_ENCRYPTION_POLICY)
    return asked or own


def check_key(blob: Blob, key_sha256: str) -> None:
    """Raise where a blob needs another key of a customer's to be read than the one shown.

    Who reads need not know the scope, but shows no key for it.
    """
    encryption = blob.encryption
    if encryption is not None and encryption.scope and key_sha256:
        raise StorageError(errors.BLOB_CUSTOMER_SPECIFIED_ENCRYPTION_MISMATCH)
    check_same(encryption.key_sha256 if encryption else "", key_sha256)


def check_change(tx: sqlite3.Connection, blob: Blob, asked: Encryption | None) -> None:
    """Raise where who changes a blob asks for another key or scope than it is encrypted with."""
    if blob.encryption == asked:
        return
    [(default,)] = tx.execute(_DEFAULT_SCOPE, {"container": blob.container_id})
    check_same(blob.encryption, settled(asked, scope_of(default)))


def check_same(there: Encryption | str | None, shown: Encryption | str | None) -> None:
    """Raise where two encryptions, or hashes of keys, are not the same."""
    if there == shown or not (there or shown):
        return
    if not there:
        raise StorageError(errors.BLOB_DOES_NOT_USE_CUSTOMER_SPECIFIED_ENCRYPTION)
    if not shown:
        raise StorageError(errors.BLOB_USES_CUSTOMER_SPECIFIED_ENCRYPTION)
    raise StorageError(errors.BLOB_CUSTOMER_SPECIFIED_ENCRYPTION_MISMATCH)
