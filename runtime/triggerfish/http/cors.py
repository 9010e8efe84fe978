"""CORS for functions: which web pages may read the answers.

Pure. Behaviour: spec http-trigger.md, section 7. https://fetch.spec.whatwg.org/#http-cors-protocol
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from triggerfish.model import TriggerfishError

ANY_ORIGIN = "*"


@dataclass(frozen=True, slots=True)
class CorsPolicy:
    """The origins that may read answers, in lower case; ``*`` alone means all."""

    origins: frozenset[str]
    credentials: bool = False

    @classmethod
    def parse(cls, origins: str, *, credentials: bool = False) -> CorsPolicy | None:
        """Read a comma-separated list; None where it is empty: then there is no CORS at all."""
        listed = frozenset(text.strip().lower() for text in origins.split(",")) - {""}
        if not listed:
            return None
        if credentials and listed == {ANY_ORIGIN}:
            raise TriggerfishError(
                "CORS: '*' cannot be combined with credentials. Name the origins "
                "(--cors, or Host.CORS in local.settings.json), or leave out --cors-credentials "
                "(Host.CORSCredentials)."
            )
        return cls(listed, credentials)

    def allows(self, origin: str) -> bool:
        return self.origins == {ANY_ORIGIN} or origin.lower() in self.origins

    def headers(self, origin: str | None) -> dict[str, str]:
        """Return what any answer to a page of ``origin`` says; nothing for other origins."""
        if origin is None or not self.allows(origin):
            return {}
        if self.origins == {ANY_ORIGIN}:
            return {"Access-Control-Allow-Origin": ANY_ORIGIN}
        headers = {"Access-Control-Allow-Origin": origin, "Vary": "Origin"}
        if self.credentials:
            headers["Access-Control-Allow-Credentials"] = "true"
        return headers

    def preflight(self, request: Mapping[str, str]) -> dict[str, str]:
        """Return the headers that answer a preflight: all that it asks for is allowed."""
        headers = self.headers(request.get("Origin"))
        if headers:
            headers["Access-Control-Allow-Methods"] = request["Access-Control-Request-Method"]
            asked = request.get("Access-Control-Request-Headers")
            if asked:
                headers["Access-Control-Allow-Headers"] = asked
        return headers


def is_preflight(method: str, headers: Mapping[str, str]) -> bool:
    """Whether a browser asks, before a request, whether it may send it."""
    return (
        method == "OPTIONS" and "Origin" in headers and "Access-Control-Request-Method" in headers
    )
