"""The texts that shared access signatures sign: one list of fields per kind of signature.

Each field stands in the text since some service version; the version that counts is the one the
signature names (``sv``), never that of the request.

Layouts: https://learn.microsoft.com/rest/api/storageservices/create-service-sas#construct-the-string-to-sign
and https://learn.microsoft.com/rest/api/storageservices/create-user-delegation-sas
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import unquote

from triggerfish_storage.protocol.auth import ServiceName

# Fields that are no parameters: what the request is about, as the signature sees it.
RESOURCE: Final = "resource"
SNAPSHOT: Final = "snapshot"
ACCOUNT: Final = "account"

_ALWAYS: Final = ""
_OVERRIDES_SINCE: Final = "2013-08-15"
_SERVICE_IN_RESOURCE_SINCE: Final = "2015-02-21"
_NETWORK_SINCE: Final = "2015-04-05"
_SNAPSHOTS_SINCE: Final = "2018-11-09"
_AGENTS_SINCE: Final = "2020-02-10"
_SCOPES_SINCE: Final = "2020-12-06"
_DELEGATED_USERS_SINCE: Final = "2025-07-05"
_SIGNED_REQUESTS_SINCE: Final = "2026-04-06"

_Layout = tuple[tuple[str, str], ...]


def _since(version: str, *fields: str) -> _Layout:
    return tuple((field, version) for field in fields)


_GRANT: Final = _since(_ALWAYS, "sp", "st", "se", RESOURCE)
_KEY: Final = _since(_ALWAYS, "skoid", "sktid", "skt", "ske", "sks", "skv")
_AGENTS: Final = _since(_AGENTS_SINCE, "saoid", "suoid", "scid")
_DELEGATED_USERS: Final = _since(_DELEGATED_USERS_SINCE, "skdutid", "sduoid")
_POLICY: Final = _since(_ALWAYS, "si")
_NETWORK: Final = _since(_NETWORK_SINCE, "sip", "spr")
_VERSION: Final = _since(_ALWAYS, "sv")
_BLOB: Final = _since(_SNAPSHOTS_SINCE, "sr", SNAPSHOT) + _since(_SCOPES_SINCE, "ses")
_REQUEST: Final = _since(_SIGNED_REQUESTS_SINCE, "srh", "srq")
_OVERRIDES: Final = _since(_OVERRIDES_SINCE, "rscc", "rscd", "rsce", "rscl", "rsct")
_KEY_RANGE: Final = _since(_ALWAYS, "spk", "srk", "epk", "erk")

_ACCOUNT: Final = _since(
    _ALWAYS, ACCOUNT, "sp", "ss", "srt", "st", "se", "sip", "spr", "sv"
) + _since(_SCOPES_SINCE, "ses")
_SERVICE: Final[Mapping[ServiceName, _Layout]] = {
    "blob": _GRANT + _POLICY + _NETWORK + _VERSION + _BLOB + _OVERRIDES,
    "queue": _GRANT + _POLICY + _NETWORK + _VERSION,
    "table": _GRANT + _POLICY + _NETWORK + _VERSION + _KEY_RANGE,
}
_DELEGATED: Final[Mapping[ServiceName, _Layout]] = {
    "blob": (
        _GRANT
        + _KEY
        + _AGENTS
        + _DELEGATED_USERS
        + _NETWORK
        + _VERSION
        + _BLOB
        + _REQUEST
        + _OVERRIDES
    ),
    "queue": _GRANT + _KEY + _DELEGATED_USERS + _NETWORK + _VERSION,
    "table": _GRANT + _KEY + _DELEGATED_USERS + _NETWORK + _VERSION + _KEY_RANGE,
}


def signs(query: Mapping[str, str], name: str) -> bool:
    """Whether the signature of a request for blobs covers a parameter.

    One that it does not cover, anybody may have added.
    """
    if "sig" not in query:
        return False
    layouts = _DELEGATED if "skoid" in query else _SERVICE
    layout = _ACCOUNT if "ss" in query else layouts["blob"]
    version = query.get("sv", "")
    return any(field == name and version >= since for field, since in layout)


def account_text(account: str, query: Mapping[str, str]) -> str:
    """Return what an account SAS signs; it alone ends in a line feed."""
    return _text(_ACCOUNT, {**_lines(query), ACCOUNT: account}) + "\n"


def service_text(
    service: ServiceName, query: Mapping[str, str], *, account: str, resource: str, snapshot: str
) -> str:
    """Return what a service SAS signs, with an account's key.

    ``resource`` is what follows the account: ``uploads/a.txt``. ``snapshot`` is empty where the
    signature is not for one.
    """
    return _text(_SERVICE[service], _values(service, query, account, resource, snapshot))


def delegated_text(
    service: ServiceName,
    query: Mapping[str, str],
    headers: Mapping[str, str],
    *,
    account: str,
    resource: str,
    snapshot: str,
) -> str:
    """Return what a user delegation SAS signs, headers and parameters it is tied to included."""
    values = _values(service, query, account, resource, snapshot)
    tied_headers = _tied(query.get("srh", ""), headers)
    tied_parameters = _tied(query.get("srq", ""), query)
    values["srh"] = "".join(f"{pair}\n" for pair in tied_headers)
    values["srq"] = "".join(f"\n{pair}" for pair in tied_parameters)
    return _text(_DELEGATED[service], values)


def _values(
    service: ServiceName, query: Mapping[str, str], account: str, resource: str, snapshot: str
) -> dict[str, str]:
    prefix = f"/{service}" if query.get("sv", "") >= _SERVICE_IN_RESOURCE_SINCE else ""
    return {**_lines(query), RESOURCE: f"{prefix}/{account}/{resource}", SNAPSHOT: snapshot}


def _lines(query: Mapping[str, str]) -> dict[str, str]:
    """Return parameters as they stand in a text, where none may pass for several.

    The number of lines varies with what a signature is tied to: a line feed in some parameter
    would do for a tie that was taken away.
    """
    return {name: _line(value) for name, value in query.items()}


def _line(text: str) -> str:
    return text.replace("\n", "%0A")


def _tied(names: str, given: Mapping[str, str]) -> list[str]:
    """Return ``name:value`` of each that is listed; the value is what the request says."""
    listed = [unquote(name) for name in names.split(",") if name]
    return [_line(f"{name}:{given.get(name.lower(), '')}") for name in listed]


def _text(layout: _Layout, values: Mapping[str, str]) -> str:
    version = values.get("sv", "")
    return "\n".join([values.get(field, "") for field, since in layout if version >= since])
