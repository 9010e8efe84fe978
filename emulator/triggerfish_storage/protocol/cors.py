"""Requests from browsers: preflights answered, and answers marked, by the service's CORS rules.

Rules: https://learn.microsoft.com/rest/api/storageservices/cross-origin-resource-sharing--cors--support-for-the-azure-storage-services
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

from triggerfish_storage.errors import INVALID_HEADER_VALUE, ErrorCode, StorageError
from triggerfish_storage.protocol import xml
from triggerfish_storage.protocol.operations import Reply

PREFLIGHT_FAILURE: Final = ErrorCode(
    403,
    "CorsPreflightFailure",
    "CORS not enabled or no matching rule found for this request.",
)


VARYING: Final = ("GET", "HEAD")  # the only answers that caches keep


@dataclass(frozen=True, slots=True)
class CorsRule:
    """One rule; origins and headers may be ``*``.

    An origin may have it for all subdomains of a domain, a header may end with it.
    """

    origins: tuple[str, ...]
    methods: tuple[str, ...]
    headers: tuple[str, ...]
    exposed: tuple[str, ...]
    max_age: str

    def allows(self, origin: str, method: str, headers: Sequence[str]) -> bool:
        """Whether a page of ``origin`` may send such a request."""
        return (
            any(_is_origin(origin, allowed) for allowed in self.origins)
            and method in self.methods
            and all(_matches(name, self.headers) for name in headers)
        )


def preflight(properties: Mapping[str, str], headers: Mapping[str, str]) -> Reply:
    """Answer OPTIONS by the first rule that allows what is asked for.

    Raises the documented 403 where none does, and 400 where a preflight lacks what makes it one.
    """
    origin = _required(headers, "Origin")
    method = _required(headers, "Access-Control-Request-Method")
    asked = headers.get("access-control-request-headers", "")
    rule = _rule(properties, origin, method, _list(asked.lower()))
    if rule is None:
        raise StorageError(PREFLIGHT_FAILURE)
    allowed = {
        **_allowed_origin(rule, origin, varies=True),
        "Access-Control-Allow-Methods": method,
        "Access-Control-Max-Age": rule.max_age,
    }
    if asked:
        allowed["Access-Control-Allow-Headers"] = asked
    return Reply(200, headers=allowed)


def marks(
    properties: Mapping[str, str], origin: str, method: str, names: Iterable[str]
) -> Mapping[str, str]:
    """Return the headers that let a page of ``origin`` read an answer with headers of ``names``.

    Where nobody names an ``origin`` it is empty: a cache may keep the answer for those who do.
    """
    rule, varies = _rule(properties, origin, method, ()), method in VARYING
    if rule is None:
        return {"Vary": "Origin"} if varies and _rules(properties.get("Cors", "")) else {}
    exposed = [name for name in names if _matches(name.lower(), rule.exposed)]
    found = _allowed_origin(rule, origin, varies=varies)
    if exposed:
        found["Access-Control-Expose-Headers"] = ",".join(exposed)
    return found


def _rule(
    properties: Mapping[str, str], origin: str, method: str, headers: Sequence[str]
) -> CorsRule | None:
    rules = _rules(properties.get("Cors", ""))
    return next((rule for rule in rules if rule.allows(origin, method, headers)), None)


@lru_cache(maxsize=64)
def _rules(markup: str) -> tuple[CorsRule, ...]:
    """Return the rules of a service's ``Cors`` element."""
    if not markup:
        return ()
    return tuple(
        CorsRule(
            _list(rule.child_text("AllowedOrigins", "")),
            _list(rule.child_text("AllowedMethods", "")),
            _list(rule.child_text("AllowedHeaders", "").lower()),
            _list(rule.child_text("ExposedHeaders", "").lower()),
            rule.child_text("MaxAgeInSeconds", "0").strip(),
        )
        for rule in xml.parse(markup.encode(), "Cors").children
    )


def _required(headers: Mapping[str, str], name: str) -> str:
    """Return a header without which a request is no preflight."""
    found = headers.get(name.lower(), "")
    if not found:
        raise StorageError(
            replace(INVALID_HEADER_VALUE, message="A required CORS header is not present."),
            HeaderName=name,
        )
    return found


def _allowed_origin(rule: CorsRule, origin: str, *, varies: bool) -> dict[str, str]:
    if "*" in rule.origins:
        return {"Access-Control-Allow-Origin": "*"}
    allowed = {
        "Access-Control-Allow-Origin": origin,
        "Access-Control-Allow-Credentials": "true",
    }
    return {**allowed, "Vary": "Origin"} if varies else allowed


def _is_origin(origin: str, allowed: str) -> bool:
    """Whether a page's origin is the allowed one, or a subdomain where ``*`` stands for them."""
    if allowed in ("*", origin):
        return True
    before, star, behind = allowed.partition("*")
    return (
        star == "*"
        and origin.startswith(before)
        and origin.endswith(behind)
        and len(origin) > len(before) + len(behind)
    )


def _matches(name: str, allowed: Sequence[str]) -> bool:
    return any(
        name == pattern or (pattern.endswith("*") and name.startswith(pattern[:-1]))
        for pattern in allowed
    )


def _list(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())
