"""Requests from browsers: preflights answered, and answers marked, by the service's CORS rules.

Rules: https://learn.microsoft.com/rest/api/storageservices/cross-origin-resource-sharing--cors--support-for-the-azure-storage-services
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from triggerfish_storage.errors import ErrorCode, StorageError
from triggerfish_storage.protocol import xml
from triggerfish_storage.protocol.operations import Reply

PREFLIGHT_FAILURE: Final = ErrorCode(
    403,
    "CorsPreflightFailure",
    "CORS not enabled or no matching rule found for this request.",
)


@dataclass(frozen=True, slots=True)
class CorsRule:
    """One rule; origins and headers may be ``*``, headers may end with it."""

    origins: tuple[str, ...]
    methods: tuple[str, ...]
    headers: tuple[str, ...]
    exposed: tuple[str, ...]
    max_age: str

    def allows(self, origin: str, method: str, headers: Sequence[str]) -> bool:
        """Whether a page of ``origin`` may send such a request."""
        return (
            ("*" in self.origins or origin in self.origins)
            and method in self.methods
            and all(_matches(name, self.headers) for name in headers)
        )


def preflight(properties: Mapping[str, str], headers: Mapping[str, str]) -> Reply:
    """Answer OPTIONS by the first rule that allows what is asked for; else the documented 403."""
    origin = headers.get("origin", "")
    method = headers.get("access-control-request-method", "")
    asked = headers.get("access-control-request-headers", "")
    rule = _rule(properties, origin, method, _list(asked.lower())) if origin and method else None
    if rule is None:
        raise StorageError(PREFLIGHT_FAILURE)
    allowed = {
        **_allowed_origin(rule, origin),
        "Access-Control-Allow-Methods": method,
        "Access-Control-Max-Age": rule.max_age,
    }
    if asked:
        allowed["Access-Control-Allow-Headers"] = asked
    return Reply(200, headers=allowed)


def marks(
    properties: Mapping[str, str], origin: str, method: str, answer: Mapping[str, str]
) -> Mapping[str, str]:
    """Return the headers that let a page of ``origin`` read an ``answer``."""
    rule = _rule(properties, origin, method, ())
    if rule is None:
        return {"Vary": "Origin"} if "Cors" in properties else {}
    exposed = [name for name in answer if _matches(name.lower(), rule.exposed)]
    found = _allowed_origin(rule, origin)
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


def _allowed_origin(rule: CorsRule, origin: str) -> dict[str, str]:
    if "*" in rule.origins:
        return {"Access-Control-Allow-Origin": "*"}
    return {
        "Access-Control-Allow-Origin": origin,
        "Access-Control-Allow-Credentials": "true",
        "Vary": "Origin",
    }


def _matches(name: str, allowed: Sequence[str]) -> bool:
    return any(
        name == pattern or (pattern.endswith("*") and name.startswith(pattern[:-1]))
        for pattern in allowed
    )


def _list(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())
