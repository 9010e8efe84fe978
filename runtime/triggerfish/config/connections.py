"""Finds what a binding's ``connection`` names, and reads connection strings.

Never connects to anything and checks no credentials; whether an account is embedded or
reached over HTTP is decided by what is found. Behaviour: spec host-and-worker.md, 5.
https://learn.microsoft.com/azure/storage/common/storage-configure-connection-string
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import SplitResult, urlsplit

from triggerfish.config.errors import SETTINGS, ConfigError
from triggerfish_storage.connection_string import PORTS
from triggerfish_storage.protocol.accounts import DEFAULT_ACCOUNT, DEFAULT_KEY
from triggerfish_storage.protocol.auth import ServiceName

STORAGE: Final = "AzureWebJobsStorage"
DEVELOPMENT_ACCOUNT: Final = DEFAULT_ACCOUNT
DEVELOPMENT_KEY: Final = DEFAULT_KEY
_PREFIX: Final = "AzureWebJobs"
_STRINGS: Final = "ConnectionStrings:"


@dataclass(frozen=True, slots=True)
class Embedded:
    """The account inside this program; ``setting`` is empty where nothing asked for it."""

    setting: str = ""


@dataclass(frozen=True, slots=True)
class ConnectionString:
    """An account reached over HTTP with a key or a shared access signature.

    An endpoint is empty where the connection string gives none for that service. ``certificate``
    is the one that is to be trusted, as PEM; empty: those that the system trusts.
    """

    setting: str
    text: str = field(repr=False)
    account_name: str
    account_key: str = field(repr=False)
    sas_token: str = field(repr=False)
    blob_endpoint: str
    queue_endpoint: str
    table_endpoint: str
    certificate: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Identity:
    """An account reached as somebody: a managed identity, a service principal, a developer."""

    setting: str
    blob_endpoint: str
    queue_endpoint: str
    table_endpoint: str
    credential: str = ""
    client_id: str = ""
    tenant_id: str = ""
    client_secret: str = field(default="", repr=False)


Connection = Embedded | ConnectionString | Identity


def find_connection(name: str, settings: Mapping[str, str]) -> Connection:
    """Return what a binding's ``connection`` names; the host's storage where it is empty.

    Raises ``ConfigError`` where it is not there or malformed. The host's own storage is never
    missing: without a setting it is the embedded account.
    """
    wanted = name or "Storage"
    folded = {_folded(key): (key, value) for key, value in settings.items() if value}
    for place in _places(wanted):
        key = _folded(place)
        if key in folded:
            return parse_connection(*folded[key])
        group = {
            member[len(key) + 1 :]: value
            for member, (_, value) in folded.items()
            if member.startswith(f"{key}:")
        }
        if group:
            return _identity(place, group)
    if is_host_storage(wanted):
        return Embedded()
    raise ConfigError(
        f"Storage account connection string '{_prefixed(wanted)}' does not exist",
        file=SETTINGS,
        key=wanted,
        remedy=f'Make sure that it is a defined app setting: add "{wanted}" to Values in '
        'local.settings.json ("UseDevelopmentStorage=true" is the embedded account).',
    )


def is_host_storage(name: str) -> bool:
    """Whether a binding's ``connection`` means the host's own storage."""
    return not name or _folded(_prefixed(name)) == STORAGE.lower()


def _places(name: str) -> Iterator[str]:
    for spelling in (f"{_PREFIX}{name}", name):
        yield f"{_STRINGS}{spelling}"
        yield spelling


def _prefixed(name: str) -> str:
    return name if _folded(name).startswith(_PREFIX.lower()) else f"{_PREFIX}{name}"


def _folded(key: str) -> str:
    return key.replace("__", ":").lower()


# --- connection strings -----------------------------------------------------------------------


def parse_connection(setting: str, text: str) -> Connection:
    """Return the account that a connection string names. Raises ``ConfigError``.

    ``setting`` is where it was found, for messages; they never show the text itself, which
    is a secret.
    """
    fields = _fields(setting, text)
    if "usedevelopmentstorage" in fields:
        return _development(setting, text, fields)
    sas_token = fields.get("sharedaccesssignature", "").lstrip("?")
    key = fields.get("accountkey", "")
    if key:
        _check_key(setting, key)
    endpoints = {service: _endpoint(setting, fields, service) for service in PORTS}
    if not any(endpoints.values()):
        raise _malformed(setting, "AccountName", "neither it nor an endpoint is there")
    name = fields.get("accountname", "")
    if key and not name:
        raise _malformed(setting, "AccountName", "it is missing, and AccountKey needs it")
    if name and not key and not sas_token:
        raise _malformed(setting, "AccountKey", "neither it nor SharedAccessSignature is there")
    return _connection_string(setting, text, name, key, sas_token, endpoints)


def _connection_string(
    setting: str,
    text: str,
    name: str,
    key: str,
    sas_token: str,
    endpoints: Mapping[ServiceName, str],
) -> ConnectionString:
    return ConnectionString(
        setting=setting,
        text=text,
        account_name=name,
        account_key=key,
        sas_token=sas_token,
        blob_endpoint=endpoints["blob"],
        queue_endpoint=endpoints["queue"],
        table_endpoint=endpoints["table"],
    )


def _fields(setting: str, text: str) -> dict[str, str]:
    fields: dict[str, str] = {}
    for number, part in enumerate(text.split(";"), start=1):
        if not part.strip():
            continue
        name, equals, value = part.partition("=")
        folded = name.strip().lower()
        if not equals or not folded:
            raise _malformed(
                setting, f"part {number}", "it is no NAME=VALUE; parts are parted by semicolons"
            )
        if folded in fields:
            raise _malformed(setting, name.strip(), "it is there twice")
        fields[folded] = value.strip()
    return fields


def _development(setting: str, text: str, fields: Mapping[str, str]) -> Connection:
    if fields["usedevelopmentstorage"].lower() != "true":
        raise _malformed(setting, "UseDevelopmentStorage", "the one value it can have is true")
    proxy = fields.get("developmentstorageproxyuri", "")
    if not proxy:
        return Embedded(setting)
    parts = _url(setting, "DevelopmentStorageProxyUri", proxy)
    host = parts.hostname or ""
    endpoints = {
        service: f"{parts.scheme}://{host}:{port}/{DEVELOPMENT_ACCOUNT}"
        for service, port in PORTS.items()
    }
    return _connection_string(setting, text, DEVELOPMENT_ACCOUNT, DEVELOPMENT_KEY, "", endpoints)


def _endpoint(setting: str, fields: Mapping[str, str], service: str) -> str:
    """Return a service's address: the explicit one, else the one made of the account's name."""
    name = f"{service.capitalize()}Endpoint"
    explicit = fields.get(name.lower(), "")
    if explicit:
        _url(setting, name, explicit)
        return explicit.rstrip("/")
    account = fields.get("accountname", "")
    if not account or any(f"{other}endpoint" in fields for other in PORTS):
        return ""  # who names an endpoint names all that there are
    if not _ACCOUNT_NAME.fullmatch(account):
        raise _malformed(
            setting, "AccountName", f"'{account}' is no account name: 3 to 24 a-z and 0-9"
        )
    scheme = fields.get("defaultendpointsprotocol", "https").lower()
    if scheme not in ("http", "https"):
        raise _malformed(setting, "DefaultEndpointsProtocol", "it must be http or https")
    suffix = fields.get("endpointsuffix", "") or "core.windows.net"
    return f"{scheme}://{account}.{service}.{suffix}"


_ACCOUNT_NAME: Final = re.compile(r"[a-z0-9]{3,24}", re.ASCII)


def _url(setting: str, name: str, text: str) -> SplitResult:
    try:
        parts = urlsplit(text)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:  # of a port that is no number
        usable = False
    if not usable:
        raise _malformed(setting, name, f"'{text}' is no address such as https://HOST:PORT/ACCOUNT")
    return parts


def _check_key(setting: str, key: str) -> None:
    try:
        base64.b64decode(key, validate=True)
    except (binascii.Error, ValueError):
        raise _malformed(setting, "AccountKey", "it is not valid base64") from None


def _malformed(setting: str, field_name: str, problem: str) -> ConfigError:
    return ConfigError(
        f"malformed connection string, {field_name}: {problem}",
        file=SETTINGS,
        key=setting,
        remedy='Copy it again from its source, or use "UseDevelopmentStorage=true" for the '
        "embedded account.",
    )


# --- identities -------------------------------------------------------------------------------


def _identity(setting: str, group: Mapping[str, str]) -> Identity:
    account = group.get("accountname", "")
    shared = group.get("serviceuri", "")
    endpoints: dict[str, str] = {}
    for service in PORTS:
        name = f"{service}ServiceUri"
        address = group.get(name.lower(), "") or _shared_uri(shared, service)
        if address:
            _url(setting, f"{setting}__{name}", address)
        elif account:
            address = f"https://{account}.{service}.core.windows.net"
        endpoints[service] = address.rstrip("/")
    if not any(endpoints.values()):
        raise ConfigError(
            "names no account",
            file=SETTINGS,
            key=f"{setting}__…",
            remedy=f"Set {setting}__accountName, or {setting}__blobServiceUri and "
            f"{setting}__queueServiceUri.",
        )
    return Identity(
        setting=setting,
        blob_endpoint=endpoints["blob"],
        queue_endpoint=endpoints["queue"],
        table_endpoint=endpoints["table"],
        credential=group.get("credential", ""),
        client_id=group.get("clientid", ""),
        tenant_id=group.get("tenantid", ""),
        client_secret=group.get("clientsecret", ""),
    )


def _shared_uri(uri: str, service: str) -> str:
    """Return ``serviceUri`` for the service it is of; for all where its host does not tell."""
    named = [other for other in PORTS if f".{other}." in uri]
    return uri if not named or service in named else ""
