"""HTTP requests and responses between frames and azure.functions.

Behaviour: spec http-trigger.md, sections 4 and 5.
"""

from __future__ import annotations

import logging
import re
from datetime import timezone
from email.utils import format_datetime, parsedate_to_datetime
from http.cookies import Morsel, SimpleCookie
from typing import Any, Final
from urllib.parse import quote

from azure.functions import http as library_http
from azure.functions import meta

_log: Final = logging.getLogger("triggerfish.worker")
UTC: Final = timezone.utc  # noqa: UP017 - workers run on Python 3.9 as well
# In this order, as the real host writes them; the last two have no value.
_ATTRIBUTES: Final = ("expires", "max-age", "domain", "path", "samesite", "secure", "httponly")


def request_datum(fields: list[Any], body: bytes) -> Any:
    """Return what the library's request converter reads."""
    method, url, headers, params, route_params = fields
    return meta.Datum(
        {
            "method": meta.Datum(method, "string"),
            "url": meta.Datum(url, "string"),
            "headers": _texts(headers),
            "query": _texts(params),
            "params": _texts(route_params),
            "body": meta.Datum(body, "bytes"),
        },
        "http",
    )


def encode_response(value: Any) -> tuple[str, Any]:
    """Return a response as fields and body; text stays text, for the host to look into."""
    cookies = value.headers.get_all("Set-Cookie") if hasattr(value, "headers") else []
    data = library_http.HttpResponseConverter.encode(value, expected_type=None)
    if data.type == "string":
        return "string", data.value
    headers = _without_repeats(value.headers.items())  # the library has taken the cookies out
    headers += [["Set-Cookie", text] for text in _cookies(cookies)]
    response = data.value
    return "http", ([int(response["status_code"].value), headers], response["body"].value)


def _texts(values: dict[str, str]) -> dict[str, Any]:
    return {name: meta.Datum(text, "string") for name, text in values.items()}


def _without_repeats(headers: Any) -> list[list[str]]:
    kept: dict[str, list[str]] = {}
    for name, text in headers:
        kept.setdefault(name.lower(), [name, text])
    return list(kept.values())


def _cookies(headers: list[str]) -> list[str]:
    cookies: list[str] = []
    for header in headers:
        morsels = SimpleCookie(header).values()
        if header and not morsels:
            _log.warning(
                "A Set-Cookie header is left out, as in Azure: Python reads no cookie in %r. "
                "Percent-encode its value, and leave out attributes that Python does not know.",
                header,
            )
        cookies += [_cookie(morsel, header) for morsel in morsels]
    return cookies


def _cookie(morsel: Morsel[str], header: str) -> str:
    pieces = [f"{morsel.key}={quote(morsel.value, safe='')}"]
    for name in _ATTRIBUTES:
        text = morsel[name]
        if name in ("secure", "httponly"):
            pieces += [name] if text else []
        elif name == "expires":
            pieces += [f"expires={_expires(text)}"] if text else []
        elif text or _is_empty_in(header, name):
            pieces.append(f"{name}={text.lower() if name == 'samesite' else text}")
    return "; ".join(pieces)


def _is_empty_in(header: str, name: str) -> bool:
    # The standard library reads an attribute without value as one that is absent.
    return name in ("domain", "path") and bool(
        re.search(rf";\s*{name}=\s*(;|$)", header, re.IGNORECASE)
    )


def _expires(text: str) -> str:
    try:
        instant = parsedate_to_datetime(text)
    except (TypeError, ValueError):
        raise ValueError(
            f"cannot parse value {text} of expires in the cookie due to invalid format"
        ) from None
    if instant.tzinfo is None:
        instant = instant.replace(tzinfo=UTC)
    return format_datetime(instant.astimezone(UTC), usegmt=True)
