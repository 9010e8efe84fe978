"""Shared access signatures: what they say, whether they are genuine, what they allow.

Account SAS, service SAS of Blob, Queue and Table with stored access policies, and user
delegation SAS. Pure functions over the query of a request; nothing is kept.

Rules: https://learn.microsoft.com/rest/api/storageservices/delegate-access-with-shared-access-signature
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from ipaddress import IPv6Address, ip_address
from typing import Any, Final

from triggerfish_storage import errors
from triggerfish_storage.errors import StorageError
from triggerfish_storage.protocol.auth import ServiceName, sign
from triggerfish_storage.protocol.bearer import Identity
from triggerfish_storage.protocol.dates import http_date, parse_iso_date
from triggerfish_storage.protocol.delegation import DelegationKey, signed_key
from triggerfish_storage.protocol.operations import Operation
from triggerfish_storage.protocol.policies import StoredPolicy
from triggerfish_storage.protocol.sas_text import (
    account_text,
    delegated_text,
    service_text,
    signs,
)

_RESOURCE_TYPES: Final = {"service": "s", "container": "c", "object": "o", "any": "sco"}
_VERSION: Final = re.compile(r"\d{4}-\d{2}-\d{2}")
_DEPTH: Final = re.compile(r"\d{1,3}")
_ANY_PROTOCOL, _HTTPS, _BOTH = frozenset({""}), frozenset({"https"}), frozenset({"https", "http"})
_NO_POLICY: Final = StoredPolicy("")


@dataclass(frozen=True, slots=True)
class Presented:
    """A SAS as a request carries it, and what the request says about itself.

    ``resource`` is the container, queue or table, ``name`` the blob in it; ``client`` is the
    peer's address, ``identity`` who shows a token beside the signature.
    """

    account: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    resource: str
    name: str
    client: str
    is_https: bool
    now: datetime
    identity: Identity | None = None

    def given(self, name: str) -> str:
        return self.query.get(name, "")


def is_sas(query: Mapping[str, str]) -> bool:
    """Whether a request carries a signature in its query."""
    return "sig" in query


def check(
    sas: Presented,
    keys: Sequence[bytes],
    operation: Operation[Any],
    service: ServiceName,
    policy: StoredPolicy | None = None,
) -> frozenset[str]:
    """Return the permission letters that ``sas`` grants, or raise the documented 403.

    ``policy`` is the stored access policy that ``si`` names.
    """
    if not _VERSION.fullmatch(sas.given("sv")):
        raise _unauthenticated("sv is mandatory, and a date.")
    is_account = "ss" in sas.query
    if is_account:
        _check_signature(sas, keys, account_text(sas.account, sas.query))
    elif "skoid" in sas.query:
        _check_delegated(sas, keys, service)
    else:
        _check_service(sas, keys, service)
    permission = _check_period(sas, policy)
    _check_network(sas)
    if is_account:
        _check_account(sas, operation, service)
    elif operation.sas != "any" and (operation.sas, sas.given("sr")) != ("container", "c"):
        raise StorageError(errors.AUTHORIZATION_FAILURE)
    if operation.sas == "none":
        raise StorageError(errors.AUTHORIZATION_FAILURE)
    granted = frozenset(permission)
    if not granted.intersection(operation.permission):
        raise StorageError(errors.AUTHORIZATION_PERMISSION_MISMATCH)
    return granted


# --- signatures -------------------------------------------------------------------------------


def _check_signature(sas: Presented, keys: Sequence[bytes], text: str) -> None:
    given = sas.given("sig").encode("utf-8", "surrogateescape")
    if not any(hmac.compare_digest(sign(key, text).encode(), given) for key in keys):
        raise _unauthenticated(f"Signature did not match. String to sign used was {text}")


def _check_service(sas: Presented, keys: Sequence[bytes], service: ServiceName) -> None:
    resource, snapshot = _signed_resource(sas, service)
    text = service_text(
        service, sas.query, account=sas.account, resource=resource, snapshot=snapshot
    )
    _check_signature(sas, keys, text)


def _check_delegated(sas: Presented, keys: Sequence[bytes], service: ServiceName) -> None:
    if sas.given("si"):
        raise _unauthenticated("A user delegation SAS has no stored access policy (si).")
    key = signed_key(sas.query)
    resource, snapshot = _signed_resource(sas, service)
    text = delegated_text(
        service,
        sas.query,
        sas.headers,
        account=sas.account,
        resource=resource,
        snapshot=snapshot,
    )
    _check_signature(sas, [key.value(secret, sas.account) for secret in keys], text)
    if key.service != service[0]:
        raise StorageError(errors.AUTHORIZATION_SERVICE_MISMATCH)
    _check_key_period(key, sas.now)
    _check_delegated_user(sas)


def _check_delegated_user(sas: Presented) -> None:
    """Whom a SAS was made out to must show a token of their own beside it."""
    wanted, tenant = sas.given("sduoid"), sas.given("skdutid")
    if not wanted:
        return
    identity = sas.identity
    if identity is None or identity.object_id != wanted:
        raise _unauthenticated("The signature is for another user (sduoid) than the token.")
    if tenant and identity.tenant_id != tenant:
        raise _unauthenticated("The signature is for another tenant (skdutid) than the token.")


def _signed_resource(sas: Presented, service: ServiceName) -> tuple[str, str]:
    """Return what of the request the signature must be for: its resource and its snapshot."""
    if service == "queue":
        return sas.resource, ""
    if service == "table":
        if not sas.given("tn"):
            raise _unauthenticated("tn is mandatory.")
        return sas.resource.lower(), ""
    kind = sas.given("sr")
    if kind not in ("b", "c") and not signs(sas.query, "sr"):
        raise _unauthenticated("sr is b or c where sv is that old.")
    if kind in ("b", "bs", "bv") and not sas.name:
        raise _unauthenticated("The signature is for a blob, the request for none.")
    match kind:
        case "c":
            return sas.resource, ""
        case "b":
            return f"{sas.resource}/{sas.name}", ""
        case "bs":
            return f"{sas.resource}/{sas.name}", sas.given("snapshot")
        case "bv":
            return f"{sas.resource}/{sas.name}", sas.given("versionid")
        case "d":
            return f"{sas.resource}/{_directory(sas)}", ""
        case _:
            raise _unauthenticated("sr is mandatory, and one of b, bs, bv, c and d.")


def _directory(sas: Presented) -> str:
    """Return the directory of the depth that is signed (``sdd``) above what is asked for.

    That is a blob in it at any depth, the directory's own name, or a listing of it by prefix.
    """
    if not _DEPTH.fullmatch(sas.given("sdd")):
        raise _unauthenticated("sdd is mandatory where sr=d, and a number.")
    depth = int(sas.given("sdd"))
    segments = (sas.name or sas.given("prefix")).split("/")
    if len(segments) < depth + (not sas.name):
        raise _unauthenticated("What is asked for is not in the signature's directory.")
    return "/".join(segments[:depth])


# --- what is signed ---------------------------------------------------------------------------


def _check_period(sas: Presented, policy: StoredPolicy | None) -> str:
    """Return the permission letters, once it is the time for them."""
    stored = policy or _NO_POLICY
    start = _field(sas, "st", stored.start)
    expiry = _field(sas, "se", stored.expiry)
    permission = _field(sas, "sp", stored.permission)
    if not expiry:
        raise _unauthenticated("se is mandatory. Cannot be empty.")
    ends = _instant("se", expiry)
    begins = _instant("st", start) if start else None
    if sas.now >= ends or (begins is not None and sas.now < begins):
        raise _unauthenticated(
            "Signature not valid in the specified time frame: "
            f"Start [{http_date(begins) if begins else ''}] - Expiry [{http_date(ends)}] - "
            f"Current [{http_date(sas.now)}]"
        )
    return permission


def _field(sas: Presented, name: str, stored: str) -> str:
    """Return what the signature or its stored policy says; both must not."""
    given = sas.given(name)
    if given and stored:
        raise _unauthenticated(
            "Access policy fields can be associated with signature or SAS identifier, but not "
            f"with both ({name})."
        )
    return given or stored


def _instant(name: str, text: str) -> datetime:
    try:
        return parse_iso_date(text)
    except ValueError as error:
        raise _unauthenticated(f"{name} is no date: '{text}'.") from error


def _check_key_period(key: DelegationKey, now: datetime) -> None:
    begins, ends = _instant("skt", key.start), _instant("ske", key.expiry)
    if not begins <= now < ends:
        raise _unauthenticated(
            "Signature not valid in the specified key time frame: "
            f"Key start [{http_date(begins)}] - Key expiry [{http_date(ends)}] - "
            f"Current [{http_date(now)}]"
        )


def _check_network(sas: Presented) -> None:
    protocols = frozenset(sas.given("spr").lower().split(","))
    if protocols not in (_ANY_PROTOCOL, _HTTPS, _BOTH):
        raise _unauthenticated("spr is https, or https,http.")
    if protocols == _HTTPS and not sas.is_https:
        raise StorageError(errors.AUTHORIZATION_PROTOCOL_MISMATCH)
    allowed = sas.given("sip")
    if allowed and not _is_inside(allowed, sas.client):
        raise StorageError(errors.AUTHORIZATION_SOURCE_IP_MISMATCH, SourceIP=sas.client)


def _is_inside(allowed: str, address: str) -> bool:
    """Whether a client's address is the one that is allowed, or in the range of them."""
    first, _, last = allowed.partition("-")
    try:
        client, low, high = (ip_address(text) for text in (address, first, last or first))
    except ValueError:
        return False
    if isinstance(client, IPv6Address) and client.ipv4_mapped is not None:
        client = client.ipv4_mapped  # of a socket that listens for both families
    if not client.version == low.version == high.version:
        return False
    return int(low) <= int(client) <= int(high)


def _check_account(sas: Presented, operation: Operation[Any], service: ServiceName) -> None:
    if service[0] not in sas.given("ss"):
        raise StorageError(errors.AUTHORIZATION_SERVICE_MISMATCH)
    if not set(_RESOURCE_TYPES[operation.resource_level]) & set(sas.given("srt")):
        raise StorageError(errors.AUTHORIZATION_RESOURCE_TYPE_MISMATCH)


def _unauthenticated(detail: str) -> StorageError:
    return StorageError(errors.AUTHENTICATION_FAILED, AuthenticationErrorDetail=detail)
