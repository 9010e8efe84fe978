"""Which log lines the console shows. Pure. Behaviour: spec host-and-worker.md, 14.2."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from triggerfish.model import LogLevel

_DEFAULT: Final = "default"
_SYSTEM: Final = ("microsoft.azure.webjobs.", "function.", "worker.", "host.")
_CONSOLE: Final = "host.function.console"
_ALWAYS_SHOWN: Final = (
    "Worker process started and initialized.",
    "Host lock lease acquired by instance ID",
)


class LogFilter:
    """Decides by level and category; asked for every line, so it remembers categories."""

    def __init__(
        self,
        *,
        verbose: bool = False,
        user_level: LogLevel | None = None,
        levels: Mapping[str, LogLevel] | None = None,
    ) -> None:
        """``levels`` are those of host.json by category prefix, ``default`` among them."""
        prefixes = {prefix.lower(): level for prefix, level in (levels or {}).items()}
        default = prefixes.pop(_DEFAULT, None)
        system = LogLevel.INFORMATION if verbose else LogLevel.WARNING
        user = LogLevel.INFORMATION
        if default is not None:
            system = user = default  # host.json wins over --verbose
        self._system = system
        self._user = user if user_level is None else user_level
        self._prefixes = sorted(prefixes.items(), key=lambda item: len(item[0]), reverse=True)
        self._lowest: dict[str, LogLevel] = {}

    def shows(self, level: LogLevel, category: str, message: str) -> bool:
        """Whether a line is for the console."""
        lowest = self._lowest.get(category)
        if lowest is None:
            lowest = self._lowest[category] = self._level_of(category.lower())
        return lowest <= level < LogLevel.NONE or message.startswith(_ALWAYS_SHOWN)

    def _level_of(self, category: str) -> LogLevel:
        for prefix, level in self._prefixes:
            if category.startswith(prefix):
                return level
        return self._system if is_system(category) else self._user


def is_system(category: str) -> bool:
    """Whether a category is the host's own and not the user's."""
    category = category.lower()
    if category == _CONSOLE:
        return False
    area, _, rest = category.partition(".")
    if area == "function" and rest:
        function, _, kind = rest.partition(".")
        return not function or kind not in ("", "user")
    return category.startswith(_SYSTEM)
