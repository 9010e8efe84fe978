"""What every request goes through, for all three services: ``Endpoint.answer`` is the list.

Knows nothing of sockets: ``protocol.connection`` hands requests over and sends what comes back.
"""

from __future__ import annotations

import logging
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import count
from typing import Final, Generic

from triggerfish_storage import errors
from triggerfish_storage.clock import Clock
from triggerfish_storage.database import DatabaseError
from triggerfish_storage.errors import StorageError
from triggerfish_storage.protocol import cors
from triggerfish_storage.protocol.accounts import Accounts
from triggerfish_storage.protocol.authorise import authorise, has_key
from triggerfish_storage.protocol.operations import Call, Link, Reply, RequestBody, S
from triggerfish_storage.protocol.render import COMMON, error_reply, head
from triggerfish_storage.protocol.routing import Router
from triggerfish_storage.protocol.service import Service
from triggerfish_storage.protocol.target import Target, parse_target

NEWEST_VERSION: Final = "2026-10-06"
HEALTH_PATH: Final = "/healthz"
VERSIONS_LIMIT: Final = 1000  # that clients ask for and we remember

_VERSION: Final = re.compile(r"\d{4}-\d{2}-\d{2}")
_log = logging.getLogger("triggerfish_storage")

Outgoing = tuple[bytes, Reply]  # what comes before the body, and the reply that has it


@dataclass(slots=True)
class Incoming:
    """A request as it came: ``headers`` by lower-case name, ``target`` as sent.

    ``metadata`` are those of the headers that are metadata, as sent.
    """

    method: str
    target: str
    headers: dict[str, str]
    metadata: Sequence[tuple[bytes, bytes]]
    body: RequestBody
    link: Link
    keeps_alive: bool


@dataclass(slots=True)
class _Request:
    """A request on its way through the steps, as far as it is understood."""

    incoming: Incoming
    now: datetime
    id: str
    version: str = NEWEST_VERSION
    name: str = "-"
    target: Target | None = None


class Endpoint(Generic[S]):
    """One service on its port."""

    def __init__(
        self,
        service: Service[S],
        accounts: Accounts,
        clock: Clock,
        *,
        accepts_bearer: bool = False,
    ) -> None:
        self._service = service
        self._accounts = accounts
        self._clock = clock
        self._accepts_bearer = accepts_bearer
        self._router = Router(service.operations, unknown=service.unknown)
        self._ids = count(1)
        self._id_prefix = "-".join(secrets.token_hex(size) for size in (4, 2, 2, 2))
        self._versions: dict[str, str] = {}

    async def answer(self, incoming: Incoming) -> Outgoing:
        """Answer one request: match, authorise, run, render, log."""
        request = _Request(incoming, self._clock.now(), self._new_id())
        if incoming.target.partition("?")[0] == HEALTH_PATH:
            return self._render(request, _health())
        try:
            target = self._locate(request)
            if incoming.method == "OPTIONS":
                properties = self._service.properties(target.account)
                reply = cors.preflight(properties, incoming.headers)
            else:
                call = self._match(request, target)
                if not has_key(call, self._service.name, self._accounts[call.account]):
                    call.granted = await self._authorise(call)
                if call.is_secondary and not call.operation.is_on_secondary:
                    raise StorageError(errors.INSUFFICIENT_ACCOUNT_PERMISSIONS)  # noqa: TRY301
                reply = await call.operation.handler(call, self._service.store(call.account))
        except Exception as error:
            reply = self._failed(request, error)
            errors.forget_frames(error)
        if _log.isEnabledFor(logging.DEBUG):
            _log.debug("%s %s %s %d", request.name, request.id, incoming.target, reply.status)
        if incoming.method in cors.VARYING or "origin" in incoming.headers:
            reply = self._marked(request, reply)
        return self._render(request, reply)

    def malformed(self, incoming: Incoming, problem: str) -> Outgoing:
        """Answer what could not be parsed as HTTP; the connection is closed after it."""
        request = _Request(incoming, self._clock.now(), self._new_id())
        return self._render(
            request, self._error(request, StorageError(errors.INVALID_INPUT, Reason=problem))
        )

    # --- the steps ----------------------------------------------------------------------------

    def _locate(self, request: _Request) -> Target:
        incoming = request.incoming
        headers = incoming.headers
        request.target = target = parse_target(
            incoming.target,
            host=headers.get("host", ""),
            scheme=incoming.link.scheme,
            accounts=self._accounts.refresh(request.now),
        )
        version = headers.get("x-ms-version")
        if version is not None:
            request.version = self._versions.get(version) or self._version(version)
        return target

    def _version(self, asked: str) -> str:
        """Return the version to answer as: the one asked for, or the newest that is known."""
        if not _VERSION.fullmatch(asked):
            raise StorageError(
                errors.INVALID_HEADER_VALUE, HeaderName="x-ms-version", HeaderValue=asked
            )
        if asked > NEWEST_VERSION:
            _log.warning("Version %s is newer than %s: served as that.", asked, NEWEST_VERSION)
        known = min(asked, NEWEST_VERSION)
        if len(self._versions) < VERSIONS_LIMIT:
            self._versions[asked] = known
        return known

    def _match(self, request: _Request, target: Target) -> Call:
        incoming = request.incoming
        operation, path = self._router.match(
            incoming.method, target.path, target.query, incoming.headers
        )
        request.name = operation.name
        return Call(  # by position, as naming so many costs thrice as much
            operation,
            incoming.method,
            target.account,
            target.endpoint,
            target.raw_path,
            path,
            target.query,
            incoming.headers,
            incoming.metadata,
            incoming.body,
            request.now,
            request.version,
            request.id,
            incoming.link,
            target.is_secondary,
            self._authorise,
        )

    async def _authorise(self, call: Call) -> frozenset[str] | None:
        return await authorise(
            call,
            self._service,
            self._service.store(call.account),
            self._accounts[call.account],
            accepts_bearer=self._accepts_bearer,
        )

    def _failed(self, request: _Request, error: Exception) -> Reply:
        """Return the answer to a request that failed; raises where the client has left."""
        target = request.incoming.target
        if isinstance(error, StorageError):
            _log.debug("%s %s: %s", request.name, request.id, error)
            return self._error(request, error)
        if isinstance(error, ConnectionError):
            raise error  # nobody to answer
        if isinstance(error, DatabaseError | OSError):
            # The disk is full or gone; what was acknowledged is safe, and a retry may succeed.
            _log.error("%s %s could not be stored: %s", request.name, request.id, error)
            return self._error(request, StorageError(errors.SERVER_BUSY))
        _log.error("%s %s failed: %s", request.name, request.id, target, exc_info=error)
        return self._error(request, StorageError(errors.INTERNAL_ERROR))

    def _marked(self, request: _Request, reply: Reply) -> Reply:
        """Return the reply as a browser wants it that asked, or gets it from a cache."""
        if request.target is None or request.incoming.method == "OPTIONS":
            return reply
        properties = self._service.properties(request.target.account)
        if "Cors" not in properties:
            return reply
        origin = request.incoming.headers.get("origin", "")
        names = (*COMMON, *reply.headers)
        marks = cors.marks(properties, origin, request.incoming.method, names)
        return reply._replace(headers={**reply.headers, **marks})

    def _error(self, request: _Request, error: StorageError) -> Reply:
        return error_reply(
            error,
            service=self._service.name,
            now=request.now,
            request_id=request.id,
            is_head=request.incoming.method == "HEAD",
            accept=request.incoming.headers.get("accept", ""),
        )

    def _render(self, request: _Request, reply: Reply) -> Outgoing:
        data = head(
            reply,
            service=self._service.name,
            now=request.now,
            request_id=request.id,
            client_request_id=request.incoming.headers.get("x-ms-client-request-id"),
            version=request.version,
            is_head=request.incoming.method == "HEAD",
            closes=not request.incoming.keeps_alive,
        )
        return data, reply

    def _new_id(self) -> str:
        return self._id_prefix + "-%012x" % next(self._ids)  # noqa: UP031 - at half the cost


def _health() -> Reply:
    return Reply(200, b'{"status":"healthy"}', content_type="application/json")
