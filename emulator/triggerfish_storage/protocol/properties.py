"""The properties of a service that clients set: logging, metrics, CORS, soft delete.

Each is kept as the XML element that was sent, once it was checked.

Rules: https://learn.microsoft.com/rest/api/storageservices/set-queue-service-properties
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from triggerfish_storage import errors
from triggerfish_storage.errors import StorageError
from triggerfish_storage.protocol import xml
from triggerfish_storage.protocol.auth import ServiceName

ROOT: Final = "StorageServiceProperties"
BODY_LIMIT_BYTES: Final = 65536
CORS_LIMIT: Final = 5
RETENTION_LIMIT_DAYS: Final = 365

_DAYS: Final = re.compile("[0-9]{1,3}")
_VERSION: Final = re.compile(r"(\d{4}-\d{2}-\d{2})?")  # empty takes it back
_METHODS: Final = frozenset({"DELETE", "GET", "HEAD", "MERGE", "OPTIONS", "PATCH", "POST", "PUT"})
_OFF: Final = "<RetentionPolicy><Enabled>false</Enabled></RetentionPolicy>"
_METRICS: Final = f"<Version>1.0</Version><Enabled>false</Enabled>{_OFF}"
_DEFAULTS: Final = {
    "Logging": "<Logging><Version>1.0</Version><Delete>false</Delete><Read>false</Read>"
    f"<Write>false</Write>{_OFF}</Logging>",
    "HourMetrics": f"<HourMetrics>{_METRICS}</HourMetrics>",
    "MinuteMetrics": f"<MinuteMetrics>{_METRICS}</MinuteMetrics>",
    "Cors": "<Cors />",
}
_BLOB_DEFAULTS: Final = {
    "DeleteRetentionPolicy": "<DeleteRetentionPolicy><Enabled>false</Enabled>"
    "</DeleteRetentionPolicy>",
    "StaticWebsite": "<StaticWebsite><Enabled>false</Enabled></StaticWebsite>",
}
_BLOB_ONLY: Final = frozenset({"DefaultServiceVersion", *_BLOB_DEFAULTS})


def read_properties(body: bytes, service: ServiceName) -> dict[str, str]:
    """Return the elements of a request by name, as markup; raises where one makes no sense."""
    allowed = {*_DEFAULTS, "Metrics"} | (_BLOB_ONLY if service == "blob" else frozenset())
    found: dict[str, str] = {}
    for element in xml.parse(body, ROOT).children:
        if element.name not in allowed:
            raise StorageError(errors.UNSUPPORTED_XML_NODE, XmlNodeName=element.name)
        _check(element)
        found[element.name] = xml.serialise(element)
    return found


def write_properties(properties: Mapping[str, str], service: ServiceName) -> bytes:
    """Return the document of all properties, with the defaults of those never set."""
    whole = _DEFAULTS | (_BLOB_DEFAULTS if service == "blob" else {}) | dict(properties)
    return xml.document(f"<{ROOT}>{''.join(whole.values())}</{ROOT}>")


def _check(element: xml.Element) -> None:
    match element.name:
        case "Cors":
            _check_cors(element)
        case "DefaultServiceVersion":
            if not _VERSION.fullmatch(element.text.strip()):
                raise _bad(element.name, element.text)
        case "DeleteRetentionPolicy":
            _check_retention(element)
        case "Logging":
            element.child_text("Version")
            _check_flags(element, "Delete", "Read", "Write")
            _check_retention(element.child("RetentionPolicy"))
        case "StaticWebsite":
            _check_flags(element, "Enabled")
        case _:  # metrics
            _check_flags(element, "Enabled")
            if element.find("IncludeAPIs") is not None:
                _check_flags(element, "IncludeAPIs")
            retention = element.find("RetentionPolicy")
            if retention is not None:
                _check_retention(retention)


def _check_cors(element: xml.Element) -> None:
    if len(element.children) > CORS_LIMIT:
        raise StorageError(errors.INVALID_XML_DOCUMENT, Reason="At most five CORS rules.")
    for rule in element.children:
        for name in ("AllowedOrigins", "MaxAgeInSeconds"):
            rule.child_text(name)
        methods = rule.child_text("AllowedMethods")
        if not _METHODS.issuperset(method.strip() for method in methods.split(",")):
            raise _bad("AllowedMethods", methods)
        _check_number(rule, "MaxAgeInSeconds", low=0, high=2**31 - 1)


def _check_flags(element: xml.Element, *names: str) -> None:
    for name in names:
        _flag(element, name)


def _check_retention(policy: xml.Element) -> None:
    days = policy.child_text("Days", "").strip()
    is_right = bool(_DAYS.fullmatch(days)) and 1 <= int(days) <= RETENTION_LIMIT_DAYS
    if (_flag(policy, "Enabled") or days) and not is_right:
        raise StorageError(
            errors.INVALID_XML_DOCUMENT,
            Reason=f"A retention policy has Days, from 1 to {RETENTION_LIMIT_DAYS}.",
        )


def _flag(element: xml.Element, name: str) -> bool:
    """Return what a flag says, which is kept as answers write it: older clients send ``True``."""
    flag = element.child(name)
    text = flag.text.strip().lower()
    if text not in ("true", "false"):
        raise _bad(name, flag.text)
    flag.text = text
    return text == "true"


def _check_number(element: xml.Element, name: str, *, low: int, high: int) -> None:
    text = element.child_text(name, "").strip()
    if text and not (text.isascii() and text.isdigit() and low <= int(text) <= high):
        raise _bad(name, text)


def _bad(name: str, text: str) -> StorageError:
    return StorageError(errors.INVALID_XML_NODE_VALUE, XmlNodeName=name, XmlNodeValue=text)
