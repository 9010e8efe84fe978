"""Answers as bytes: status line, the headers that every response has, and error documents."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from http import HTTPStatus
from typing import Final, get_args
from urllib.parse import quote

from triggerfish_storage import errors
from triggerfish_storage.errors import StorageError
from triggerfish_storage.protocol import xml
from triggerfish_storage.protocol.auth import ServiceName
from triggerfish_storage.protocol.dates import http_date, iso_date
from triggerfish_storage.protocol.header_text import encodable
from triggerfish_storage.protocol.operations import Reply

_STATUS_LINES: Final = {
    status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n" for status in HTTPStatus
}
# What is asked of these two may be another answer the next time; of blobs, their writers decide.
_UNCACHED: Final[Mapping[ServiceName, str]] = {
    "queue": "Cache-Control: no-cache\r\n",
    "table": "Cache-Control: no-cache\r\nX-Content-Type-Options: nosniff\r\n",
}
# Test suites wait for an emulator to be up until this header says that it is one.
_SERVERS: Final[Mapping[ServiceName, str]] = {
    service: f"Server: Triggerfish-{service.capitalize()}/1.0 (like Azurite)\r\n"
    f"{_UNCACHED.get(service, '')}Date: "
    for service in get_args(ServiceName)
}
# What clients look for in headers: how long a blob is that has no such range, and what the source
# of a copy answered. The length is told there alone, as is which tenant to get a token from.
_RANGE: Final = "ContentRange"
_TENANT: Final = "Tenant"
_NOT_IN_BODY: Final = (_RANGE, _TENANT)
_IN_HEADERS: Final = {
    _RANGE: "Content-Range",
    "CopySourceStatusCode": "x-ms-copy-source-status-code",
    "CopySourceErrorCode": "x-ms-copy-source-error-code",
}
_TABLE_ERRORS: Final = "application/json;odata=minimalmetadata;streaming=true;charset=utf-8"
_TABLE_NAMESPACE: Final = 'xmlns:m="http://schemas.microsoft.com/ado/2007/08/dataservices/metadata"'
_BODILESS: Final = frozenset({204, 304})

# The headers that ``head`` writes beside those of the reply, and the connection's.
COMMON: Final = (
    *("Server", "Date", "x-ms-request-id", "x-ms-version", "x-ms-client-request-id"),
    *("Content-Type", "Content-Length"),
)


def head(
    reply: Reply,
    *,
    service: ServiceName,
    now: datetime,
    request_id: str,
    client_request_id: str | None,
    version: str,
    is_head: bool,
    closes: bool,
) -> bytes:
    """Return everything that comes before the body."""
    status, body, headers, content_type, length, reason = reply
    if not "".join((content_type, client_request_id or "", *headers.values())).isprintable():
        content_type = _one_line(content_type)
        client_request_id = client_request_id and _one_line(client_request_id)
        headers = {name: _one_line(value) for name, value in headers.items()}
    line = f"HTTP/1.1 {status} {reason}\r\n" if reason else _STATUS_LINES[status]
    echo = ""
    if client_request_id is not None:
        echo = f"x-ms-client-request-id: {client_request_id}\r\n"
    lines = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
    if length is None and isinstance(body, bytes):
        length = len(body) or None
    if status in _BODILESS:
        size = ""
    elif length is not None:
        size = f"Content-Length: {length}\r\n"
        if content_type:
            size = f"Content-Type: {content_type}\r\n{size}"
    elif not isinstance(body, bytes):
        size = "Transfer-Encoding: chunked\r\n"
    else:
        size = "" if is_head else "Content-Length: 0\r\n"
    end = "Connection: close\r\n\r\n" if closes else "Keep-Alive: timeout=5\r\n\r\n"
    text = (
        f"{line}{_SERVERS[service]}{http_date(now)}\r\nx-ms-request-id: {request_id}\r\n"
        f"x-ms-version: {version}\r\n{echo}{lines}{size}{end}"
    )
    return text.encode("utf-8", "surrogateescape")


def error_reply(
    error: StorageError,
    *,
    service: ServiceName,
    now: datetime,
    request_id: str,
    is_head: bool,
    accept: str = "",
) -> Reply:
    """Return the answer to a request that failed; a HEAD has the code in its header only.

    Of blobs and queues the status line says what is wrong, which is all of it that clients show
    where there is no body. Of tables it is JSON, but for those that have asked for XML: they
    read or write properties or stored policies.
    """
    row = error.error
    reason = "" if service == "table" else row.message
    headers = {"x-ms-error-code": row.code}
    if row.status == errors.NO_AUTHENTICATION_INFORMATION.status:
        tenant = quote(error.details.get(_TENANT, "common"), safe="", errors="replace")
        headers["WWW-Authenticate"] = (  # without quotes, which not all clients would take away
            f"Bearer authorization_uri=https://login.microsoftonline.com/{tenant}/oauth2/authorize "
            "resource_id=https://storage.azure.com"
        )
    for name in error.details.keys() & _IN_HEADERS.keys():
        headers[_IN_HEADERS[name]] = error.details[name]
    if is_head or row.status in _BODILESS:
        return Reply(row.status, headers=headers, reason=reason)
    about = f"\nRequestId:{request_id}\nTime:{iso_date(now)}"
    if service == "table":
        return _table_error(error, headers, about, accept)
    extra = "".join(
        xml.tag(name, _legal(value))
        for name, value in error.details.items()
        if name not in _NOT_IN_BODY
    )
    inside = f"{xml.tag('Code', row.code)}{xml.tag('Message', row.message + about)}{extra}"
    return Reply(row.status, xml.document(f"<Error>{inside}</Error>"), headers, reason=reason)


def _table_error(error: StorageError, headers: Mapping[str, str], about: str, accept: str) -> Reply:
    """Return an error of tables; ``about`` is what every message says of its request.

    The documents have no other elements: what is wrong with the request is said in it too.
    """
    row, details = error.error, error.details
    said = f"{details.get('Index', '')}{row.message} {details.get('Reason', '')}"
    message = said.rstrip() + about
    if accept.startswith("application/xml"):
        told = f'<m:message xml:lang="en-US">{xml.escape(_legal(message))}</m:message>'
        inside = f"{xml.tag('m:code', row.code)}{told}"
        body = xml.document(f"<m:error {_TABLE_NAMESPACE}>{inside}</m:error>")
        return Reply(row.status, body, headers, reason=row.message)
    document = {"code": row.code, "message": {"lang": "en-US", "value": message}}
    body = json.dumps({"odata.error": document}, separators=(",", ":")).encode()
    return Reply(row.status, body, headers, _TABLE_ERRORS)


def _one_line(value: str) -> str:
    """Return a header's value, which never starts a line of its own."""
    kept = "".join(character for character in value if character >= " " or character == "\t")
    return encodable(kept)


def _legal(text: str) -> str:
    """Return what XML can carry of a value that a client sent."""
    if text.isprintable():
        return text
    return text.encode("utf-8", "replace").decode("utf-8").translate(_CONTROLS)


_CONTROLS: Final = dict.fromkeys((*range(9), 11, 12, *range(14, 32), 65534, 65535), "?")
