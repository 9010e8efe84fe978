"""Bytes to requests: what ``httptools`` finds in them, within limits. No sockets, no waiting.

The parser is llhttp in its strict form, so what could be read in two ways (two lengths, a
length and chunks, bare line feeds) is no request at all. A body whose length is known and that
is not here yet does not pass through it: its pieces are counted and handed on as they came.

Nor do the heads of plain requests, which are nearly all: they are taken apart by the compiled
part, where that is installed, at less than half the cost (docs/design/http.md). What it leaves to
the parser is for the parser alone to judge.

HTTP/1.1: https://www.rfc-editor.org/rfc/rfc9112
"""

from __future__ import annotations

from collections import deque
from functools import partial
from typing import Final

from httptools import (
    HttpParserCallbackError,
    HttpParserError,
    HttpParserUpgrade,
    HttpRequestParser,
)

from triggerfish_storage import errors
from triggerfish_storage.errors import StorageError
from triggerfish_storage.protocol.blocks import Blocks
from triggerfish_storage.protocol.body import Body, Flow
from triggerfish_storage.protocol.headers import Sent, by_name, metadata
from triggerfish_storage.protocol.operations import BytesBody, Link
from triggerfish_storage.protocol.steps import Incoming

try:
    from triggerfish_storage.protocol._heads import read_head
except ImportError:  # no compiler was there when this was installed
    read_head = None  # type: ignore[assignment]

HEAD_LIMIT_BYTES: Final = 65536  # a request line and its headers, or what is between chunks
HEADERS_LIMIT: Final = 256

_TOO_LONG: Final = f"The head of a request has at most {HEAD_LIMIT_BYTES} bytes."
_CUT_OFF: Final = "The body ended before its announced length."


class _Refused(Exception):  # noqa: N818 - leaves the parser's callbacks, and nothing else
    """A request that the parser takes and we do not."""


class RequestReader:
    """The requests of one connection, in order.

    ``requests`` grows as they arrive, each as soon as its head is here, with its body where that
    is on its way. ``problem`` says what was wrong with what came behind them, if anything; then,
    and behind a request that does not keep the connection alive, ``is_over`` is set and the rest
    is ignored.
    """

    def __init__(self, flow: Flow, blocks: Blocks, *, link: Link) -> None:
        self.requests: deque[tuple[Incoming, Body | None]] = deque()
        self.body: Body | None = None  # the one that is arriving
        self.problem = ""
        self.is_over = False
        self._flow = flow
        self._blocks = blocks
        self._link = link
        self._url = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._incoming: Incoming | None = None  # the last one
        self._is_upgrade = False
        self._is_learned = True  # how the body comes that is arriving
        self._unparsed = 0  # bytes that a body of known length still lacks
        self._fed = 0  # bytes that came with the head which is being parsed, or more
        self._quiet = 0  # bytes that came since something was found in them, or less
        self._start_parser()

    @property
    def is_within_head(self) -> bool:
        """Whether what came last was a part of a head, and no more."""
        return self._quiet > 0 and self.body is None and not self.is_over

    def feed(self, data: bytes) -> None:
        """Take what arrived."""
        if self._unparsed:
            data = self._hand_on(data)
        while data and not self.is_over:
            head = read_head(data) if read_head is not None and not self._is_parsing else None
            data = self._take(data, *head) if head is not None else self._parse(data)

    def room(self) -> memoryview | None:
        """Return where to receive what comes next, None where it is to be fed."""
        body = self.body
        return body.room(self._unparsed) if body is not None and body.lands else None

    def landed(self, size: int) -> None:
        """Take what was received into ``room``."""
        body = self.body
        if body is not None:
            body.landed(size)
            self._unparsed -= size
            if not self._unparsed:
                self._finish()

    def fail(self, problem: str) -> None:
        """What arrives is no HTTP, or too much: nothing is read of it any more."""
        if self.is_over:
            return  # it came behind the last request
        self.is_over = True
        body = self.body
        if body is None:
            self.problem = problem
        elif self.requests and self.requests[-1][1] is body and not body.received_bytes:
            self.requests.pop()  # nobody has seen it yet
            self.problem = problem
        else:
            self._cut_off(body, problem)

    def end(self) -> None:
        """The client will send no more."""
        self.is_over = True
        if self.body is not None:
            self._cut_off(self.body, _CUT_OFF)

    def close(self) -> None:
        """Nothing will come any more: what it holds goes now.

        It, its parser and the connection know each other, and such a cycle stays until the program
        looks for one.
        """
        self.is_over = True
        self.body = self._incoming = None
        self.requests.clear()
        del self._parser, self._flow

    # --- plain requests -----------------------------------------------------------------------

    def _take(
        self,
        data: bytes,
        method: str,
        target: str,
        headers: dict[str, str],
        sent_metadata: Sent,
        head_size: int,
        body_size: int,
    ) -> bytes:
        """Begin the request whose head ``data`` begins with; return what came behind it."""
        end = head_size + body_size
        piece = data[head_size:end]
        arriving = Body(self._flow, self._blocks) if len(data) < end else None
        body = arriving or BytesBody(piece)
        incoming = Incoming(method, target, headers, sent_metadata, body, self._link, True)
        self._begin(incoming, arriving)
        if arriving is not None:
            if piece:
                arriving.feed(piece)
            self._unparsed = end - len(data)
            arriving.expect(body_size)
        return data[end:]

    # --- what the parser finds ----------------------------------------------------------------

    def _parse(self, data: bytes) -> bytes:
        """Have the parser look at what arrived; return what it does not care for."""
        self._is_parsing = True
        self._fed = self._fed + len(data) if self._url else len(data)
        self._quiet += len(data)
        try:
            self._parser.feed_data(data)
            if self._quiet > HEAD_LIMIT_BYTES:
                raise _Refused(_TOO_LONG)  # noqa: TRY301 - as the parser's callbacks do
            if not self._is_learned:
                self._learn()
        except HttpParserUpgrade as upgrade:
            return self._stay(data[upgrade.args[0] :])
        except HttpParserCallbackError as error:
            self.fail(str(error.__context__ or error))
        except (HttpParserError, _Refused) as error:
            self.fail(str(error))
        return b""

    def _start_parser(self) -> None:
        self._parser = HttpRequestParser(self)
        self._is_parsing = False

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name, value.strip()))

    def on_headers_complete(self) -> None:
        parser, headers, url = self._parser, self._headers, self._url
        self._headers, self._url, self._quiet = [], b"", 0
        if self._fed > HEAD_LIMIT_BYTES and _size(url, headers) > HEAD_LIMIT_BYTES:
            raise _Refused(_TOO_LONG)
        if len(headers) > HEADERS_LIMIT:
            raise _Refused(f"A request has at most {HEADERS_LIMIT} headers.")
        keeps_alive = parser.should_keep_alive()
        if not keeps_alive and parser.get_http_version() not in ("1.0", "1.1"):
            raise _Refused(f"HTTP/{parser.get_http_version()} is not served.")
        self._is_upgrade = parser.should_upgrade()
        self._is_learned = False
        body, named = Body(self._flow, self._blocks), by_name(headers)
        incoming = Incoming(
            parser.get_method().decode(),
            url.decode() if url.isascii() else url.decode("utf-8", "surrogateescape"),
            named,
            metadata(headers, named),
            body,
            self._link,
            keeps_alive,
        )
        self._begin(incoming, body)

    def on_chunk_header(self) -> None:
        if not self._is_learned:
            self._learn()

    def on_body(self, piece: bytes) -> None:
        self._quiet = 0
        if self.body is not None:
            self.body.feed(piece)

    def on_message_complete(self) -> None:
        self._quiet = 0
        self._headers = []  # those behind the last chunk are nobody's
        if not self._is_upgrade:
            self._finish()

    # --- requests -----------------------------------------------------------------------------

    def _begin(self, incoming: Incoming, body: Body | None) -> None:
        """Take a request whose head is here; ``body`` is the one that arrives, if one does."""
        self._incoming, self.body = incoming, body
        self.requests.append((incoming, body))

    def _learn(self) -> None:
        """See how the body comes that is not here yet."""
        self._is_learned = True
        body, headers = self.body, self._last_headers()
        if body is None:
            return
        body.expects_continue = headers.get("expect", "").lower() == "100-continue"
        if "content-length" in headers:
            length = int(headers["content-length"])
            self._unparsed = length - body.received_bytes
            body.expect(length)
            self._start_parser()  # for what comes behind it
        elif headers.get("transfer-encoding", "").lower() != "chunked":
            raise _Refused("The Transfer-Encoding is not supported.")

    def _stay(self, rest: bytes) -> bytes:
        """Go on behind a request to change the protocol, which is answered like any other.

        The parser expects another protocol there, and so has taken no body for one.
        """
        headers = self._last_headers()
        if "transfer-encoding" in headers:
            self.fail("A request to upgrade has a body of known length.")
            return b""
        self._is_learned = True
        self._start_parser()
        length = int(headers.get("content-length", "0"))
        if self.body is None or not length:
            self._finish()
            return rest
        self._unparsed = length
        self.body.expect(length)
        return self._hand_on(rest) if rest else b""

    def _hand_on(self, data: bytes) -> bytes:
        """Give a body what belongs to it, and return the rest."""
        piece, rest = data, b""
        if len(data) > self._unparsed:
            piece, rest = data[: self._unparsed], data[self._unparsed :]
        self._unparsed -= len(piece)
        if self.body is not None:
            self.body.feed(piece)
        if not self._unparsed:
            self._finish()
        return rest

    def _finish(self) -> None:
        if self.body is not None:
            self.body.finish()
            self.body = None
        self._is_learned = True
        if self._incoming is not None and not self._incoming.keeps_alive:
            self.is_over = True

    def _cut_off(self, body: Body, problem: str) -> None:
        if self._incoming is not None:
            self._incoming.keeps_alive = False
        body.fail(partial(StorageError, errors.INVALID_INPUT, Reason=problem))

    def _last_headers(self) -> dict[str, str]:
        return self._incoming.headers if self._incoming is not None else {}


def _size(url: bytes, headers: Sent) -> int:
    return len(url) + sum(len(name) + len(value) + 4 for name, value in headers)
