"""Shared access signatures: what they say, whether they are genuine, what they allow.

Account SAS, and service SAS of Blob, Queue and Table with stored access policies. Pure
functions over the query of a request; nothing is kept.

Rules: https://learn.microsoft.com/rest/api/storageservices/delegate-access-with-shared-access-signature
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_address
from typing import Any, Final

from triggerfish_storage import errors
from triggerfish_storage.errors import StorageError
from triggerfish_storage.protocol.auth import ServiceName, sign
from triggerfish_storage.protocol.dates import http_date, parse_iso_date
from triggerfish_storage.protocol.operations import Operation
from triggerfish_storage.protocol.policies import StoredPolicy

_SCOPED_SINCE: Final = "2020-12-06"
_NETWORK_SINCE: Final = "2015-04-05"
_RESOURCE_TYPES: Final = {"service": "s", "container": "c", "object": "o"}


@dataclass(frozen=True, slots=True)
class Presented:
    """A SAS as a request carries it, and what the request says about itself.

    ``resource`` is the container, queue or table, ``name`` the blob in it, ``snapshot`` its
    snapshot; ``client`` is the peer's address.
    """

    account: str
    query: Mapping[str, str]
    resource: str
    name: str
    snapshot: str
    client: str
    is_https: bool
    now: datetime


def is_sas(query: Mapping[str, str]) -> bool:
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
    is_account = "ss" in sas.query
    texts = [_account_text(sas)] if is_account else _service_texts(sas, service)
    given = sas.query.get("sig", "").encode()
    if not any(
        hmac.compare_digest(sign(key, text).encode(), given) for text in texts for key in keys
    ):
        raise _unauthenticated("Signature did not match.")
    _check_time(sas, policy)
    _check_network(sas)
    if is_account:
        _check_account(sas, operation, service)
    elif operation.sas != "any":
        raise StorageError(errors.AUTHORIZATION_FAILURE)
    if operation.sas == "none":
        raise StorageError(errors.AUTHORIZATION_FAILURE)
    granted = frozenset(sas.query.get("sp", "") or (policy.permission if policy else ""))
    if not granted.intersection(operation.permission):
        raise StorageError(errors.AUTHORIZATION_PERMISSION_MISMATCH)
    return granted


def _account_text(sas: Presented) -> str:
    fields = ["sp", "ss", "srt", "st", "se", "sip", "spr", "sv"]
    if sas.query.get("sv", "") >= _SCOPED_SINCE:
        fields.append("ses")
    return "\n".join([sas.account, *(sas.query.get(name, "") for name in fields)]) + "\n"


def _service_texts(sas: Presented, service: ServiceName) -> list[str]:
    query = sas.query
    version = query.get("sv", "")
    resource = sas.resource.lower() if service == "table" else sas.resource
    if service == "blob" and query.get("sr") != "c":
        resource += f"/{sas.name}"
    fields = [query.get(name, "") for name in ("sp", "st", "se")]
    fields += [f"/{service}/{sas.account}/{resource}", query.get("si", "")]
    if version >= _NETWORK_SINCE:
        fields += [query.get("sip", ""), query.get("spr", "")]
    else:
        fields[3] = fields[3].removeprefix(f"/{service}")
    fields.append(version)
    if service == "table":
        fields += [query.get(name, "") for name in ("spk", "srk", "epk", "erk")]
    if service == "blob":
        if version >= "2018-11-09":
            fields += [query.get("sr", ""), sas.snapshot]
        if version >= _SCOPED_SINCE:
            fields.append(query.get("ses", ""))
        fields += [query.get(name, "") for name in ("rscc", "rscd", "rsce", "rscl", "rsct")]
    return ["\n".join(fields)]


def _check_time(sas: Presented, policy: StoredPolicy | None) -> None:
    start = sas.query.get("st", "") or (policy.start if policy else "")
    expiry = sas.query.get("se", "") or (policy.expiry if policy else "")
    if not expiry:
        raise _unauthenticated("The signature has no expiry (se).")
    try:
        begins = parse_iso_date(start) if start else None
        ends = parse_iso_date(expiry)
    except ValueError as error:
        raise _unauthenticated("A date of the signature (st, se) is malformed.") from error
    if sas.now >= ends or (begins is not None and sas.now < begins):
        raise _unauthenticated(
            "Signature not valid in the specified time frame: "
            f"Start [{http_date(begins) if begins else ''}] - Expiry [{http_date(ends)}] - "
            f"Current [{http_date(sas.now)}]"
        )


def _check_network(sas: Presented) -> None:
    if sas.query.get("spr", "").lower() == "https" and not sas.is_https:
        raise StorageError(errors.AUTHORIZATION_PROTOCOL_MISMATCH)
    allowed = sas.query.get("sip", "")
    if allowed:
        first, _, last = allowed.partition("-")
        try:
            client = int(ip_address(sas.client))
            inside = int(ip_address(first)) <= client <= int(ip_address(last or first))
        except ValueError:
            inside = False
        if not inside:
            raise StorageError(errors.AUTHORIZATION_SOURCE_IP_MISMATCH, SourceIP=sas.client)


def _check_account(sas: Presented, operation: Operation[Any], service: ServiceName) -> None:
    if service[0] not in sas.query.get("ss", ""):
        raise StorageError(errors.AUTHORIZATION_SERVICE_MISMATCH)
    if _RESOURCE_TYPES[operation.resource_level] not in sas.query.get("srt", ""):
        raise StorageError(errors.AUTHORIZATION_RESOURCE_TYPE_MISMATCH)


def _unauthenticated(detail: str) -> StorageError:
    return StorageError(errors.AUTHENTICATION_FAILED, AuthenticationErrorDetail=detail)
