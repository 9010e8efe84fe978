"""Connection strings: taken apart, checked, and written.

Format: https://learn.microsoft.com/azure/storage/common/storage-configure-connection-string
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import SplitResult, urlsplit

from triggerfish_storage.protocol.accounts import DEFAULT_ACCOUNT, DEFAULT_KEY
from triggerfish_storage.protocol.auth import ServiceName, decode_key

PORTS: Final[Mapping[ServiceName, int]] = {"blob": 10000, "queue": 10001, "table": 10002}
DEVELOPMENT: Final = "UseDevelopmentStorage=true"

_ENDPOINTS: Final[Mapping[ServiceName, str]] = {
    "blob": "blobendpoint",
    "queue": "queueendpoint",
    "table": "tableendpoint",
}
_KNOWN: Final = {
    name.lower(): name
    for name in (
        *("DefaultEndpointsProtocol", "AccountName", "AccountKey", "SharedAccessSignature"),
        *("BlobEndpoint", "QueueEndpoint", "TableEndpoint", "FileEndpoint"),
        *("BlobSecondaryEndpoint", "QueueSecondaryEndpoint", "TableSecondaryEndpoint"),
        *("FileSecondaryEndpoint", "EndpointSuffix"),
        *("UseDevelopmentStorage", "DevelopmentStorageProxyUri"),
    )
}


class ConnectionStringError(ValueError):
    """A connection string that cannot be used; the message names the key at fault."""


@dataclass(frozen=True, slots=True)
class Connection:
    """Where an account is and how to sign: by ``key``, else with the query of a SAS.

    ``endpoints`` are URLs with the account in them, without a slash at the end. ``certificate``
    is the one certificate to be trusted, as PEM; empty: those that the system trusts.
    """

    account: str
    endpoints: Mapping[ServiceName, str]
    key: bytes = field(default=b"", repr=False)
    sas: str = field(default="", repr=False)
    certificate: str = field(default="", repr=False)

    def endpoint(self, service: ServiceName) -> str:
        """Return the service's URL; raises where the string names none."""
        try:
            return self.endpoints[service]
        except KeyError:
            raise ConnectionStringError(
                f"The connection string has no {service.capitalize()}Endpoint, and no AccountName "
                "from which it could be told. Add one of them."
            ) from None


def parse_connection_string(
    text: str, *, ports: Mapping[ServiceName, int] = PORTS, host: str = "127.0.0.1"
) -> Connection:
    """Take a connection string apart; ``ports`` are those of the development storage."""
    parts = _parts(text)
    if parts.get("usedevelopmentstorage", "").lower() == "true":
        name = "DevelopmentStorageProxyUri"
        proxy = _split(name, parts.get(name.lower(), ""))
        return _development(f"{proxy.scheme or 'http'}://{proxy.hostname or host}", ports)
    account = parts.get("accountname", "")
    protocol = parts.get("defaultendpointsprotocol", "https").lower()
    if protocol not in ("http", "https"):
        raise ConnectionStringError(f"DefaultEndpointsProtocol is '{protocol}'; use http or https.")
    suffix = parts.get("endpointsuffix", "core.windows.net").strip(".")
    endpoints: dict[ServiceName, str] = {}
    for service, name in _ENDPOINTS.items():
        if parts.get(name):
            endpoints[service] = _endpoint(_KNOWN[name], parts[name])
        elif account:
            endpoints[service] = f"{protocol}://{account}.{service}.{suffix}"
    if not endpoints:
        raise ConnectionStringError(
            "The connection string names no account: AccountName (with AccountKey), an endpoint "
            f"such as QueueEndpoint, or {DEVELOPMENT} is expected."
        )
    sas = parts.get("sharedaccesssignature", "").lstrip("?")
    return Connection(account, endpoints, _key(parts, account, sas), sas)


def development_connection_string(
    ports: Mapping[ServiceName, int], *, host: str = "127.0.0.1", protocol: str = "http"
) -> str:
    """Return a connection string for the development account on these ports."""
    return connection_string_of(
        {
            service: f"{protocol}://{host}:{port}/{DEFAULT_ACCOUNT}"
            for service, port in ports.items()
        }
    )


def connection_string_of(endpoints: Mapping[ServiceName, str]) -> str:
    """Return a connection string for the development account at these addresses."""
    protocol = next(iter(endpoints.values())).partition(":")[0]
    parts = "".join(f"{name.capitalize()}Endpoint={url};" for name, url in endpoints.items())
    return (
        f"DefaultEndpointsProtocol={protocol};AccountName={DEFAULT_ACCOUNT};"
        f"AccountKey={DEFAULT_KEY};{parts}"
    )


def _parts(text: str) -> dict[str, str]:
    parts: dict[str, str] = {}
    for entry in filter(None, (part.strip() for part in text.strip().strip("\"'").split(";"))):
        name, separator, value = entry.partition("=")
        if not separator:
            raise ConnectionStringError(
                f"'{_shortened(entry)}' in the connection string has no '='; parts look like "
                "Name=value and are parted by ';'."
            )
        if name.strip().lower() not in _KNOWN:
            raise ConnectionStringError(
                f"'{_shortened(name)}' is no part of a connection string; known are "
                f"{', '.join(_KNOWN.values())}."
            )
        parts[name.strip().lower()] = value.strip()
    if not parts:
        raise ConnectionStringError(f"The connection string is empty; {DEVELOPMENT} is the local.")
    return parts


def _key(parts: Mapping[str, str], account: str, sas: str) -> bytes:
    text = parts.get("accountkey", "")
    if text and not account:
        raise ConnectionStringError("AccountKey stands without AccountName; add AccountName.")
    if not text and not sas:
        raise ConnectionStringError(
            "The connection string has neither AccountKey nor SharedAccessSignature; add one."
        )
    try:
        return decode_key(text)
    except ValueError as error:
        raise ConnectionStringError(
            "AccountKey is not base64 text; copy it again, with the '=' at its end."
        ) from error


def _endpoint(name: str, text: str) -> str:
    url = _split(name, text)
    if url.scheme not in ("http", "https") or not url.netloc:
        raise _no_url(name, text)
    return text.rstrip("/")


def _split(name: str, text: str) -> SplitResult:
    """Take a URL apart whose host and port can be such."""
    try:
        url = urlsplit(text)
        (url.hostname or "").encode("idna")
        is_usable = url.port != 0
    except ValueError:
        is_usable = False
    if not is_usable:
        raise _no_url(name, text)
    return url


def _no_url(name: str, text: str) -> ConnectionStringError:
    return ConnectionStringError(
        f"{name} is '{text}', which is no URL; it looks like http://127.0.0.1:10000/account."
    )


def _development(base: str, ports: Mapping[ServiceName, int]) -> Connection:
    endpoints = {service: f"{base}:{port}/{DEFAULT_ACCOUNT}" for service, port in ports.items()}
    return Connection(DEFAULT_ACCOUNT, endpoints, decode_key(DEFAULT_KEY))


def _shortened(text: str) -> str:
    """Return enough of a part to find it, and too little to leak a key."""
    return text if len(text) <= 24 else text[:20] + "…"
