"""Which Python runs the app: the setting, the active environment, the app's own, or ours.

Only looks and asks; starts nothing that stays. Behaviour: spec host-and-worker.md, 15.2;
the app's ``.venv`` and the host's own interpreter come in place of a search on the path,
so that an app finds its packages, and none at all still runs (design, decision 5).
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from triggerfish.model import TriggerfishError

SETTING: Final = "languageWorkers__python__defaultExecutablePath"
OLDEST: Final = (3, 9)
_ASK_SECONDS: Final = 10.0
_NOT_THE_APPS: Final = "; the app's .venv is not used"
_GONE: Final = "; the Python of the app's .venv is not there"
_QUESTION: Final = "import sys; print(*sys.version_info[:2])"


@dataclass(frozen=True, slots=True)
class Interpreter:
    """A Python that can run workers, and why it was chosen."""

    path: Path
    version: tuple[int, int]
    reason: str


async def choose_interpreter(
    app: Path, environment: Mapping[str, str], *, named: str = ""
) -> Interpreter:
    """Return the interpreter for ``app``. Raises ``TriggerfishError`` where it is no use.

    ``named`` is what the setting ``SETTING`` says, ``environment`` tells which one is active.
    """
    path, reason = _choose(app, environment, named.strip())
    if path is None:
        return Interpreter(Path(sys.executable), sys.version_info[:2], reason)
    version = await _version(path, reason)
    if version < OLDEST:
        raise TriggerfishError(
            f"{path} ({reason}) is Python {_text(version)}; the worker needs {_text(OLDEST)} or "
            f"newer. Make an environment with a newer one, or name one in {SETTING}."
        )
    return Interpreter(path, version, reason)


def _choose(app: Path, environment: Mapping[str, str], named: str) -> tuple[Path | None, str]:
    if named:
        return app / named, SETTING  # an absolute path replaces the app's folder
    own = app / ".venv"
    has_own = _python_of(own).exists()
    if active := environment.get("VIRTUAL_ENV", "").strip():
        # Packages that are missing there may lie in the app's: nobody would guess.
        unused = has_own and Path(active).resolve() != own.resolve()
        return _python_of(Path(active)), f"VIRTUAL_ENV{_NOT_THE_APPS if unused else ''}"
    if has_own:
        return _python_of(own), "the app's .venv"
    # A link to a Python that has been removed, or that is not there in this container.
    is_gone = os.path.lexists(_python_of(own))
    return None, f"the host's own{_GONE if is_gone else ''}"


def _python_of(environment: Path) -> Path:
    if os.name == "nt":
        return environment / "Scripts" / "python.exe"
    return environment / "bin" / "python"


async def _version(path: Path, reason: str) -> tuple[int, int]:
    try:
        major, minor = (await _ask(path)).split()
        return int(major), int(minor)
    except (OSError, ValueError, TimeoutError) as error:
        raise TriggerfishError(
            f"{path} ({reason}) does not run as a Python interpreter: {error or 'no answer'}. "
            "Correct the setting, or make the environment anew."
        ) from error


async def _ask(path: Path) -> bytes:
    child = await asyncio.create_subprocess_exec(
        path,
        *("-I", "-S", "-c", _QUESTION),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(_ASK_SECONDS):
            answer, _ = await child.communicate()
        return answer
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()


def _text(version: tuple[int, int]) -> str:
    return ".".join(map(str, version))
