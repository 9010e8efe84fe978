"""Fetching a blob from a URL, in constant memory and off the event loop.

Only ``http`` and ``https``, and no redirect. Plain ``http.client`` on threads: this is the
only place where the emulator is a client.
"""

from __future__ import annotations

import asyncio
import http.client
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import SplitResult, urlsplit

from triggerfish_storage.blobs import errors
from triggerfish_storage.contents import PIECE_BYTES
from triggerfish_storage.errors import StorageError
from triggerfish_storage.protocol.headers import METADATA_PREFIX

THIS_MACHINE: Final = ("localhost", "127.0.0.1", "::1", "host.docker.internal")
_TIMEOUT_SECONDS: Final = 60.0
_CONTENT: Final = (200, 206)
# What the source answered is what the copier is told.
_PASSED_ON: Final = (304, 401, 403, 404, 409, 412)


@dataclass(frozen=True, slots=True)
class Response:
    """An answer with content, and its bytes, to be read once.

    ``headers`` are by lower-case name, ``metadata`` has its names as they were written.
    """

    headers: Mapping[str, str]
    metadata: Mapping[str, str]
    pieces: AsyncIterator[bytes]
    close: Callable[[], None]  # for who does not read them


async def fetch(
    url: str, headers: Mapping[str, str], *, here: tuple[str, int] | None = None
) -> Response:
    """Get a URL, from ``here`` where it is our own; raises CannotVerifyCopySource."""
    try:
        connection, response = await asyncio.to_thread(_get, urlsplit(url), headers, here)
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise _failed(str(error)) from error
    found = {name.lower(): value for name, value in response.getheaders()}
    if response.status in _CONTENT:
        metadata = {
            name[len(METADATA_PREFIX) :]: value
            for name, value in response.getheaders()
            if name.lower().startswith(METADATA_PREFIX)
        }
        return Response(found, metadata, _pieces(connection, response), connection.close)
    connection.close()
    code = errors.CANNOT_VERIFY_COPY_SOURCE
    raise StorageError(
        replace(code, status=response.status) if response.status in _PASSED_ON else code,
        CopySourceStatusCode=str(response.status),
        CopySourceErrorCode=found.get("x-ms-error-code", ""),
    )


def _get(
    url: SplitResult, headers: Mapping[str, str], here: tuple[str, int] | None
) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
    connection = _connection(url, here)
    try:
        path = url.path or "/"
        target = f"{path}?{url.query}" if url.query else path
        connection.request("GET", target, headers={"host": url.netloc, **headers})
        return connection, connection.getresponse()
    except BaseException:
        connection.close()
        raise


def _connection(url: SplitResult, here: tuple[str, int] | None) -> http.client.HTTPConnection:
    host, port = here or (url.hostname or "", url.port)
    if url.scheme.lower() != "https":
        return http.client.HTTPConnection(host, port, timeout=_TIMEOUT_SECONDS)
    context = ssl.create_default_context()
    if (
        here or host in THIS_MACHINE
    ):  # a certificate made for it is no authority's, and nobody is between
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return http.client.HTTPSConnection(host, port, timeout=_TIMEOUT_SECONDS, context=context)


async def _pieces(
    connection: http.client.HTTPConnection, response: http.client.HTTPResponse
) -> AsyncIterator[bytes]:
    try:
        while piece := await asyncio.to_thread(response.read, PIECE_BYTES):
            yield piece
        if response.length:
            raise _failed("The source ended before its announced length.")
    except (OSError, http.client.HTTPException) as error:
        raise _failed(str(error)) from error
    finally:
        connection.close()


def _failed(reason: str) -> StorageError:
    return StorageError(errors.CANNOT_VERIFY_COPY_SOURCE, CopySourceReason=reason)
