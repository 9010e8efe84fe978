"""How a mistake in a configuration file is told: the file, the key, and what to write instead."""

from __future__ import annotations

from typing import Final

from triggerfish.model import TriggerfishError

SETTINGS: Final = "local.settings.json or environment"  # where app settings come from


class ConfigError(TriggerfishError):
    """A file or setting that cannot be used as it is.

    ``file`` is what the user edits (a file name, or "the environment"), ``key`` what to look
    for in it; ``problem`` says what is wrong there and ``remedy`` what to do about it.
    """

    def __init__(self, problem: str, *, file: str, key: str = "", remedy: str) -> None:
        place = f"{file}: {key}" if key else file
        super().__init__(f"{place}: {problem}. {remedy}")
        self.file = file
        self.key = key
        self.problem = problem
        self.remedy = remedy
