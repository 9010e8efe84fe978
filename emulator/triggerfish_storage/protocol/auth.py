"""Signing requests with an account's key, and checking such signatures: pure functions.

SharedKey and SharedKeyLite, for Blob and Queue and in Table's forms. Clients disagree on
details (how header names sort, whether ``Date`` counts beside ``x-ms-date``), so a request is
good if it matches any form that real clients use.

Rules: https://learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal

_INNER: Final = bytes(byte ^ 0x36 for byte in range(256))
_OUTER: Final = bytes(byte ^ 0x5C for byte in range(256))

ServiceName = Literal["blob", "queue", "table"]
Scheme = Literal["SharedKey", "SharedKeyLite"]

_SIGNED_HEADERS: Final = (
    *("content-encoding", "content-language", "content-length", "content-md5", "content-type"),
    *("date", "if-modified-since", "if-match", "if-none-match", "if-unmodified-since", "range"),
)
# The first version of the protocol in which the length of an empty body is signed as nothing.
_SINCE_ZERO_IS_EMPTY: Final = "2015-02-21"
# What .NET's culture-aware order puts before digits and letters, in this order; a hyphen only
# counts where all else is equal.
_PUNCTUATION: Final = {character: rank for rank, character in enumerate("!#$%&*.^_`|~+")}


@dataclass(slots=True)
class Signed:
    """What of a request is signed. ``path`` is raw, as sent; names are lower-case."""

    method: str
    account: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]


def sign(key: bytes, text: str) -> str:
    """Return the base64 HMAC-SHA256 of ``text``."""
    return _mac(key, text).decode("ascii")


def _mac(key: bytes, text: str) -> bytes:
    inner, outer = _hmac_ends(key)
    inner, outer = inner.copy(), outer.copy()
    inner.update(text.encode("utf-8", "surrogateescape"))
    outer.update(inner.digest())
    return binascii.b2a_base64(outer.digest(), newline=False)


@lru_cache(maxsize=64)
def _hmac_ends(key: bytes) -> tuple[hashlib._Hash, hashlib._Hash]:
    """Return the two hashes of RFC 2104 with the key taken in already.

    ``hmac.digest`` gives up the interpreter's lock, and starts anew with the key, for each of
    the short texts that are signed here; this takes a third of its time.
    """
    block = (hashlib.sha256(key).digest() if len(key) > 64 else key).ljust(64, b"\0")
    return hashlib.sha256(block.translate(_INNER)), hashlib.sha256(block.translate(_OUTER))


def decode_key(text: str) -> bytes:
    """Return an account key's bytes; raises ValueError where it is not base64."""
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError("an account key is base64 text") from error


def authorization(
    request: Signed, key: bytes, *, service: ServiceName, scheme: Scheme = "SharedKey"
) -> str:
    """Return the Authorization header for ``request``."""
    text = text_to_sign(request, service=service, scheme=scheme)
    return f"{scheme} {request.account}:{sign(key, text)}"


def text_to_sign(request: Signed, *, service: ServiceName, scheme: Scheme) -> str:
    """Return what a client signs of ``request``, in the usual form."""
    headers = request.headers
    date = "" if "x-ms-date" in headers else headers.get("date", "")
    return _TEXTS[service == "table", scheme](request, date, _as_sdk)


def _other_texts(request: Signed, service: ServiceName, scheme: Scheme) -> set[str]:
    """Return what clients sign that sort by bytes, or count ``Date`` beside ``x-ms-date``."""
    build, headers = _TEXTS[service == "table", scheme], request.headers
    if "x-ms-date" not in headers:
        return {build(request, headers.get("date", ""), _as_bytes)}
    dates = ("", headers.get("date", ""))
    return {build(request, date, order) for date in dates for order in (_as_sdk, _as_bytes)}


def is_signed(
    request: Signed,
    signature: str,
    keys: Sequence[bytes],
    *,
    service: ServiceName,
    scheme: Scheme,
) -> bool:
    """Whether ``signature`` is what one of the account's keys gives for ``request``."""
    given = signature.encode("utf-8", "surrogateescape")
    usual = text_to_sign(request, service=service, scheme=scheme)
    for key in keys:
        if hmac.compare_digest(_mac(key, usual), given):
            return True
    for text in _other_texts(request, service, scheme) - {usual}:
        for key in keys:
            if hmac.compare_digest(_mac(key, text), given):
                return True
    return False


_Order = Callable[[tuple[str, ...]], Sequence[str]]
_Text = Callable[[Signed, str, _Order], str]


def _shared_key(request: Signed, date: str, order: _Order) -> str:
    headers = request.headers
    signs_length = (
        headers.get("content-length") != "0"
        or headers.get("x-ms-version", _SINCE_ZERO_IS_EMPTY) < _SINCE_ZERO_IS_EMPTY
    )
    form, before, behind, others = _shared_key_form(tuple(headers), signs_length, order)
    values = (
        *[headers[name] for name in before],
        date,
        *[headers[name] for name in behind],
        *[headers[name].strip() for name in others],
    )
    return f"{request.method}\n{form % values}{_resource(request)}"


def _shared_key_lite(request: Signed, date: str, order: _Order) -> str:
    headers = request.headers
    lines = (
        request.method,
        headers.get("content-md5", ""),
        headers.get("content-type", ""),
        date,
        _canonical_headers(headers, order) + _short_resource(request),
    )
    return "\n".join(lines)


def _table_key(request: Signed, date: str, _: _Order) -> str:
    headers = request.headers
    lines = (
        request.method,
        headers.get("content-md5", ""),
        headers.get("content-type", ""),
        headers.get("x-ms-date", date),
        _short_resource(request),
    )
    return "\n".join(lines)


def _table_key_lite(request: Signed, date: str, _: _Order) -> str:
    return f"{request.headers.get('x-ms-date', date)}\n{_short_resource(request)}"


_TEXTS: Final[Mapping[tuple[bool, str], _Text]] = {
    (False, "SharedKey"): _shared_key,
    (False, "SharedKeyLite"): _shared_key_lite,
    (True, "SharedKey"): _table_key,
    (True, "SharedKeyLite"): _table_key_lite,
}


def _canonical_headers(headers: Mapping[str, str], order: _Order) -> str:
    return "".join([f"{name}:{headers[name].strip()}\n" for name in order(tuple(headers))])


def _resource(request: Signed) -> str:
    path = f"/{request.account}{request.path}"
    if not request.query:
        return path
    return path + "".join([f"\n{name}:{value}" for name, value in sorted(request.query.items())])


def _short_resource(request: Signed) -> str:
    comp = request.query.get("comp")
    return f"/{request.account}{request.path}" + (f"?comp={comp}" if comp is not None else "")


@lru_cache(maxsize=1024)
def _shared_key_form(
    names: tuple[str, ...], signs_length: bool, order: _Order
) -> tuple[str, Sequence[str], Sequence[str], Sequence[str]]:
    """Return the lines that SharedKey signs of such headers, and whose values go into them.

    The values: of headers before ``Date``, ``Date`` itself, of headers behind it, and of all
    others. A client sends the same few headers with every request, so the result is kept.
    """
    own = [
        name
        for name in _SIGNED_HEADERS
        if name == "date" or (name in names and (signs_length or name != "content-length"))
    ]
    others = order(names)
    lines = ["%s" if name in own else "" for name in _SIGNED_HEADERS]
    lines += [f"{name.replace('%', '%%')}:%s" for name in others]
    at = own.index("date")
    return "".join(f"{line}\n" for line in lines), own[:at], own[at + 1 :], others


@lru_cache(maxsize=1024)
def _as_bytes(names: tuple[str, ...]) -> Sequence[str]:
    """Return those of a request's headers that are signed, sorted by their bytes."""
    return sorted(name for name in names if name.startswith("x-ms-"))


@lru_cache(maxsize=1024)
def _as_sdk(names: tuple[str, ...]) -> Sequence[str]:
    """Sort them as .NET and the SDKs do: hyphens only break ties, punctuation before digits.

    A client sends the same few headers with every request, so the result is kept.
    """
    return sorted(_as_bytes(names), key=_culture_key)


def _culture_key(name: str) -> tuple[tuple[tuple[int, str], ...], tuple[int, ...]]:
    letters = tuple(
        (_PUNCTUATION.get(character, 100), character) for character in name if character != "-"
    )
    hyphens = tuple(-at for at, character in enumerate(name) if character == "-")
    return letters, hyphens
