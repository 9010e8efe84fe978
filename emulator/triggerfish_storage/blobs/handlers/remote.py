"""Fetching a blob from a URL, in constant memory and off the event loop.

Only ``http`` and ``https``, and no redirect. Plain ``http.client`` on threads: this is the
only place where the emulator is a client.
"""

from __future__ import annotations

import asyncio
import http.client
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import SplitResult, urlsplit

from triggerfish_storage.blobs import errors
from triggerfish_storage.contents import PIECE_BYTES
from triggerfish_storage.errors import StorageError
from triggerfish_storage.protocol.operations import METADATA_PREFIX

_TIMEOUT_SECONDS: Final = 60.0
_CONTENT: Final = (200, 206)
_UNMET: Final = (304, 412)


@dataclass(frozen=True, slots=True)
class Response:
    """An answer with content, and its bytes, to be read once.

    ``headers`` are by lower-case name, ``metadata`` has its names as they were written.
    """

    headers: Mapping[str, str]
    metadata: Mapping[str, str]
    pieces: AsyncIterator[bytes]


async def fetch(url: str, headers: Mapping[str, str]) -> Response:
    """Get a URL; raises CannotVerifyCopySource, or SourceConditionNotMet."""
    try:
        connection, response = await asyncio.to_thread(_get, urlsplit(url), headers)
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise _failed(str(error)) from error
    found = {name.lower(): value for name, value in response.getheaders()}
    if response.status in _CONTENT:
        metadata = {
            name[len(METADATA_PREFIX) :]: value
            for name, value in response.getheaders()
            if name.lower().startswith(METADATA_PREFIX)
        }
        return Response(found, metadata, _pieces(connection, response))
    connection.close()
    if response.status in _UNMET:
        raise StorageError(errors.SOURCE_CONDITION_NOT_MET)
    raise StorageError(
        errors.CANNOT_VERIFY_COPY_SOURCE,
        CopySourceStatusCode=str(response.status),
        CopySourceErrorCode=found.get("x-ms-error-code", ""),
    )


def _get(
    url: SplitResult, headers: Mapping[str, str]
) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
    secure = url.scheme.lower() == "https"
    kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
    connection = kind(url.hostname or "", url.port, timeout=_TIMEOUT_SECONDS)
    try:
        path = url.path or "/"
        target = f"{path}?{url.query}" if url.query else path
        connection.request("GET", target, headers=dict(headers))
        return connection, connection.getresponse()
    except BaseException:
        connection.close()
        raise


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
