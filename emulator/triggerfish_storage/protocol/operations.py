"""Operations as data, and what a handler sees: a ``Call`` in, a ``Reply`` out.

Shared by all three services. Owns how the values of a request are read (with the documented
error where one is missing, malformed or out of range). Never touches sockets, signatures or
SQL: ``protocol/steps`` builds the call and renders the reply.

Common headers: https://learn.microsoft.com/rest/api/storageservices/common-parameters-and-headers
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, Final, Generic, Literal, NamedTuple, Protocol, TypeVar

from triggerfish_storage import errors
from triggerfish_storage.errors import StorageError
from triggerfish_storage.protocol.bearer import Identity
from triggerfish_storage.protocol.dates import parse_http_date
from triggerfish_storage.protocol.header_text import decode
from triggerfish_storage.protocol.headers import METADATA_PREFIX

S = TypeVar("S")
Authorise = Callable[["Call"], Awaitable[frozenset[str] | None]]

Level = Literal["service", "container", "object", "any"]
SasKind = Literal["any", "container", "account", "none"]

METADATA_LIMIT_BYTES: Final = 8192


class RequestBody(Protocol):
    """The bytes a client sends, read at most once, whole or in pieces."""

    async def read(self, limit: int) -> bytes:
        """Return all of it; raises RequestBodyTooLarge beyond ``limit`` bytes."""
        ...

    def chunks(self) -> AsyncIterator[bytes | memoryview]:
        """Give the pieces as they arrive; the sender waits for a slow reader.

        A ``memoryview`` is only lent, until the next piece is asked for.
        """
        ...


@dataclass(slots=True)
class BytesBody:
    """A body that is in memory already: sub-requests of a batch, and tests."""

    content: bytes = b""

    async def read(self, limit: int) -> bytes:
        if len(self.content) > limit:
            raise StorageError(errors.REQUEST_BODY_TOO_LARGE, MaxLimit=str(limit))
        return self.content

    async def chunks(self) -> AsyncIterator[bytes]:
        if self.content:
            yield self.content


class Reply(NamedTuple):
    """The answer to a call.

    A streamed ``body`` needs ``length``, as does a HEAD that tells the length of what a GET
    would give. ``content_type`` is sent only where there is a body (or a ``length``).
    ``reason`` stands behind the status, in place of its usual phrase.
    """

    status: int
    body: bytes | AsyncIterable[bytes] = b""
    headers: Mapping[str, str] = MappingProxyType({})
    content_type: str = "application/xml"
    length: int | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who shows a token, and the key of the account that keys delegated to it derive from."""

    identity: Identity
    account_key: bytes


async def _nobody(call: Call) -> frozenset[str] | None:
    raise StorageError(errors.NO_AUTHENTICATION_INFORMATION)


@dataclass(frozen=True, slots=True)
class Link:
    """The connection that a request came by.

    ``client`` is the network address of who sent it, ``here`` address and port that it was sent
    to, which may be others than the client knows.
    """

    scheme: str = "http"
    client: str = ""
    here: tuple[str, int] | None = None


@dataclass(slots=True)
class Call:
    """A matched request. ``now`` is the only time a handler sees.

    ``path`` holds the template's values, percent-decoded; ``raw_path`` is as sent, account
    included. Names in ``query`` and ``headers`` are lower-case; ``sent_metadata`` are the headers
    among them that are metadata, as sent.
    ``granted`` are the permission letters of a SAS, None where everything is allowed;
    ``caller`` is who shows a token instead.
    ``endpoint`` is the account's URL as this client reaches it, without a slash at the end.
    ``authorise`` checks a request that comes inside of this one, and returns what it is granted.
    """

    operation: Operation[Any]
    method: str
    account: str
    endpoint: str
    raw_path: str
    path: Mapping[str, str]
    query: Mapping[str, str]
    headers: Mapping[str, str]
    sent_metadata: Sequence[tuple[bytes, bytes]]
    body: RequestBody
    now: datetime
    version: str
    request_id: str
    link: Link = Link()
    is_secondary: bool = False
    authorise: Authorise = _nobody
    granted: frozenset[str] | None = None
    caller: Caller | None = None

    @property
    def content_length(self) -> int | None:
        """Length of the body as announced; None for a chunked one."""
        value = self.headers.get("content-length")
        return int(value) if value is not None else None

    def allows(self, permission: str) -> bool:
        """Whether the caller holds one of these permission letters."""
        return self.granted is None or any(letter in self.granted for letter in permission)

    # --- query parameters ---------------------------------------------------------------------

    def text(self, name: str, default: str | None = None) -> str:
        """Return a query parameter; without ``default`` it must be there."""
        value = self.query.get(name)
        if value is not None:
            return value
        if default is None:
            raise StorageError(errors.MISSING_REQUIRED_QUERY_PARAMETER, QueryParameterName=name)
        return default

    def integer(self, name: str, *, default: int | None = None, low: int, high: int) -> int:
        """Return a whole number of a query parameter, within its documented bounds."""
        given = self.query.get(name)
        if given is None or given == "":
            if default is None:
                raise StorageError(errors.MISSING_REQUIRED_QUERY_PARAMETER, QueryParameterName=name)
            return default
        value = _whole_number(given)
        if value is None:
            raise StorageError(
                errors.INVALID_QUERY_PARAMETER_VALUE,
                QueryParameterName=name,
                QueryParameterValue=given,
                Reason="Invalid integer.",
            )
        if not low <= value <= high:
            raise StorageError(
                errors.OUT_OF_RANGE_QUERY_PARAMETER_VALUE,
                QueryParameterName=name,
                QueryParameterValue=given,
                MinimumAllowed=str(low),
                MaximumAllowed=str(high),
            )
        return value

    def seconds(self, name: str, *, default: int | None = None, low: int, high: int) -> timedelta:
        """Return a length of time that a query parameter gives in seconds."""
        return timedelta(seconds=self.integer(name, default=default, low=low, high=high))

    def page_limit(self, limit: int) -> int:
        """Return how many entries a page may have; more than the service's ``limit`` means that."""
        return min(limit, self.integer("maxresults", default=limit, low=1, high=2**31 - 1))

    def words(self, name: str, known: frozenset[str] | None = None) -> frozenset[str]:
        """Return the comma-separated words of a query parameter such as ``include``, in lower case.

        A word that is not among the ``known`` ones is refused.
        """
        given = self.query.get(name, "")
        found = frozenset(word.strip().lower() for word in given.split(",") if word.strip())
        if known is not None and not found <= known:
            raise StorageError(
                errors.INVALID_QUERY_PARAMETER_VALUE,
                QueryParameterName=name,
                QueryParameterValue=given,
                Reason="Invalid query parameter value.",
            )
        return found

    # --- headers ------------------------------------------------------------------------------

    def header(self, name: str, default: str | None = None) -> str:
        """Return a header by its lower-case name; without ``default`` it must be there."""
        value = self.headers.get(name)
        if value is not None:
            return value
        if default is None:
            raise StorageError(errors.MISSING_REQUIRED_HEADER, HeaderName=name)
        return default

    def header_integer(self, name: str, *, low: int, high: int) -> int | None:
        """Return a header's whole number, None where it is absent."""
        given = self.headers.get(name)
        if given is None or given == "":
            return None
        value = _whole_number(given)
        if value is None or not low <= value <= high:
            raise self.bad_header(name)
        return value

    def header_flag(self, name: str) -> bool:
        """Return a header that says ``true`` or ``false``; absent is False."""
        given = self.headers.get(name, "").strip().lower()
        if given in ("", "false"):
            return False
        if given != "true":
            raise self.bad_header(name)
        return True

    def header_instant(self, name: str) -> datetime | None:
        """Return a header's HTTP date in UTC, None where it is absent."""
        given = self.headers.get(name)
        if given is None or given == "":
            return None
        try:
            return parse_http_date(given)
        except ValueError as error:
            raise self.bad_header(name) from error

    def bad_header(self, name: str) -> StorageError:
        """Return the error for a header whose value makes no sense."""
        return StorageError(
            errors.INVALID_HEADER_VALUE, HeaderName=name, HeaderValue=self.headers.get(name, "")
        )

    def bad_parameter(self, name: str) -> StorageError:
        """Return the error for a query parameter whose value makes no sense."""
        return StorageError(
            errors.INVALID_QUERY_PARAMETER_VALUE,
            QueryParameterName=name,
            QueryParameterValue=self.query.get(name, ""),
        )

    def metadata(self) -> dict[str, str]:
        """Return the ``x-ms-meta-*`` headers by name as it was written, checked as documented.

        Names keep their case, and two of them differ in more than that.
        Values may be any text here, though the service documents that what is not ASCII is to be
        encoded: clients get the bytes back that they sent.
        """
        found: dict[str, str] = {}
        size, seen = 0, set[str]()
        for sent_name, sent_value in self.sent_metadata:
            raw_name = sent_name[len(METADATA_PREFIX) :]
            name = raw_name.decode("utf-8", "replace")
            if not name:
                raise StorageError(errors.EMPTY_METADATA_KEY)
            if not (name.isidentifier() and name.isascii()) or name.lower() in seen:
                raise StorageError(errors.INVALID_METADATA)
            seen.add(name.lower())
            found[name] = decode(sent_value)
            size += len(raw_name) + len(sent_value)
        if size > METADATA_LIMIT_BYTES:
            raise StorageError(errors.METADATA_TOO_LARGE)
        return found


Handler = Callable[[Call, S], Awaitable[Reply]]


@dataclass(frozen=True, slots=True)
class Operation(Generic[S]):
    """One documented REST operation, and which requests are it.

    ``path`` starts behind the account: ``/``, ``/{queue}/messages``, ``/{container}/{blob...}``
    where the last takes what remains, slashes included. ``query`` and ``headers`` are what the
    request must carry; the value ``*`` stands for any. ``comp`` and ``restype`` that a row does
    not name must be absent; the row that asks most of a request wins.

    ``handler`` gets the call and the service's store, bound to the account that was addressed
    (``account`` is a column of each service's top table; each account has its own ``Changes``).
    ``permission`` are SAS letters of which one suffices, ``level`` the resource type an account
    SAS must cover (else told from the path), ``sas`` which kinds of SAS may reach it at all (for
    a container: of a service SAS, one for the container as a whole),
    ``secondary`` whether the secondary endpoint has it (else told from the method).
    """

    name: str
    method: str
    path: str
    handler: Handler[S]
    permission: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    level: Level | None = None
    sas: SasKind = "any"
    secondary: bool | None = None

    @property
    def is_on_secondary(self) -> bool:
        """Whether the secondary endpoint has it, where nothing is written."""
        return self.method in ("GET", "HEAD") if self.secondary is None else self.secondary

    @property
    def resource_level(self) -> Level:
        """The resource type that an account SAS must cover."""
        if self.level is not None:
            return self.level
        if self.path == "/":
            return "service"
        return "container" if self.path.count("/") == 1 else "object"


def _whole_number(text: str) -> int | None:
    """Return the 64-bit number that ``text`` writes in ASCII digits, else None."""
    stripped = text.strip()
    digits = stripped[1:] if stripped[:1] in ("-", "+") else stripped
    if not (digits.isascii() and digits.isdigit()) or len(digits) > 19:
        return None
    return int(stripped)
