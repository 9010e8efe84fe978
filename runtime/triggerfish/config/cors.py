"""Which origins browsers may call the host from. Behaviour: spec http-trigger.md, 7."""

from __future__ import annotations

from dataclasses import dataclass

from triggerfish.config.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Cors:
    """Origins in lower case, compared as texts; ``any_origin`` is ``*``."""

    origins: frozenset[str]
    any_origin: bool = False
    credentials: bool = False


def parse_cors(origins: str | None, *, credentials: bool, place: str) -> Cors | None:
    """Return the rules, None where there are none. Raises ``ConfigError``.

    ``place`` is what the user edits: an option or a file.
    """
    names = frozenset(name.strip().lower() for name in (origins or "").split(",") if name.strip())
    if not names:
        return None
    if "*" in names and credentials:
        raise ConfigError(
            "'*' cannot be combined with credentials",
            file=place,
            key="CORS",
            remedy="Name the origins, such as http://localhost:3000, or switch credentials off.",
        )
    return Cors(names - {"*"}, any_origin="*" in names, credentials=credentials)
