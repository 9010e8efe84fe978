"""Watches the files of an app and tells when it must be loaded again.

Every top-level folder is watched by itself, so that virtual environments, version control and
our own data cost nothing. Changes are told together once none has come for a tenth of a second
(the real host waits half a second), so that an edit is served within half a second and a whole
checkout is one change. Behaviour: spec host-and-worker.md, 19.3.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any, Final, Literal

from triggerfish.config.local_settings import LOCAL_SETTINGS
from triggerfish.model import TriggerfishError

OFFLINE_FILE: Final = "app_offline.htm"
QUIET_SECONDS: Final = 0.1
_LONGEST_DELAY_SECONDS: Final = 2.0  # where changes do not stop coming
_CONFIGURATION: Final = frozenset({"host.json", "function.json", "proxies.json"})
_IGNORED_FOLDERS: Final = frozenset({"__pycache__", "node_modules", "venv"})
_ENVIRONMENT_MARK: Final = "pyvenv.cfg"  # what every virtual environment holds

Kind = Literal["Created", "Changed", "Deleted", "Renamed"]
_KINDS: Final[dict[str, Kind]] = {
    "created": "Created",
    "modified": "Changed",
    "attrib": "Changed",  # of watchdog 7 and newer: touched, with its content as it was
    "deleted": "Deleted",
    "moved": "Renamed",
}


class WatchError(TriggerfishError):
    """The app's files cannot be watched."""


@dataclass(frozen=True, slots=True)
class WatchRules:
    """``watchFiles`` and ``watchDirectories`` of host.json."""

    files: tuple[str, ...] = ()
    directories: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AppChange:
    """Something was edited; ``kind`` and ``path`` tell the first of what may be many.

    ``is_offline`` is whether the app is to be offline now. An edit of local.settings.json is a
    change of its own: the file is read at start only.
    """

    kind: Kind
    path: str
    is_offline: bool


def concerns_app(path: PurePath, kind: Kind, *, is_folder: bool, rules: WatchRules) -> bool:
    """Return whether a change of ``path``, relative to the app, means to load it again."""
    *folders, name = (part.lower() for part in path.parts)
    if folders and folders[0] in _lower(rules.directories):
        return True
    if any(_is_ignored(folder) for folder in folders):
        return False
    if is_folder:
        return not folders and kind != "Changed" and is_watched_folder(name, rules)
    if not folders and name == OFFLINE_FILE:
        return True
    is_module = name.endswith(".py") and not name.startswith(".")  # .#a.py: an editor's lock
    return is_module or name in _CONFIGURATION or name in _lower(rules.files)


def is_watched_folder(name: str, rules: WatchRules) -> bool:
    """Return whether there can be anything to see in a top-level folder of this name."""
    return name.lower() in _lower(rules.directories) or not _is_ignored(name.lower())


def _is_ignored(folder: str) -> bool:
    return folder.startswith(".") or folder in _IGNORED_FOLDERS


def _lower(names: Iterable[str]) -> set[str]:
    return {name.lower() for name in names}


@asynccontextmanager
async def watch_app(
    folder: Path, rules: Callable[[], WatchRules], *, quiet_seconds: float = QUIET_SECONDS
) -> AsyncIterator[AsyncIterator[AppChange]]:
    """Watch an app for the block; give its changes, those that belong together as one.

    ``rules`` is asked anew for every change. Raises ``WatchError``.
    """
    watcher = _Watcher(folder, rules)
    try:
        await asyncio.to_thread(watcher.start)
    except OSError as error:
        raise WatchError(
            f"{folder}: its files cannot be watched ({error}). Free inotify watches or raise "
            "their limit (sysctl fs.inotify.max_user_instances and max_user_watches), or start "
            "with --no-reload."
        ) from error
    try:
        yield watcher.changes(quiet_seconds)
    finally:
        await asyncio.to_thread(watcher.stop)


class _Watcher:
    """Takes what the observer's thread sees to the event loop."""

    def __init__(self, folder: Path, rules: Callable[[], WatchRules]) -> None:
        from watchdog import events
        from watchdog.observers import Observer

        self._folder = folder.resolve()
        self._rules = rules
        self._observer = Observer()
        self._folders: dict[str, Any] = {}  # what is watched, by the folder's name
        names = (
            f"{what}{kind}Event"
            for what in ("File", "Dir")
            for kind in ("Created", "Modified", "Attrib", "Deleted", "Moved")
        )
        self._wanted = [getattr(events, name) for name in names if hasattr(events, name)]
        self._loop = asyncio.get_running_loop()
        self._noticed = asyncio.Event()
        self._first: tuple[Kind, str] | None = None
        self._settings: Kind | None = None  # of an edit of local.settings.json

    def start(self) -> None:
        try:
            self._schedule(self._folder, recursive=False)
            for entry in self._folder.iterdir():
                self._watch_folder(entry)
            self._observer.start()
        except BaseException:
            self._observer.unschedule_all()
            raise

    def stop(self) -> None:
        self._observer.stop()
        self._observer.join()

    async def changes(self, quiet_seconds: float) -> AsyncIterator[AppChange]:
        while True:
            await self._noticed.wait()
            await self._until_quiet(quiet_seconds)
            settings, self._settings = self._settings, None
            if settings is not None:
                yield self._change(settings, LOCAL_SETTINGS)
            first, self._first = self._first, None
            if first is not None:
                yield self._change(*first)

    def _change(self, kind: Kind, path: str) -> AppChange:
        return AppChange(kind, path, (self._folder / OFFLINE_FILE).is_file())

    async def _until_quiet(self, quiet_seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(_LONGEST_DELAY_SECONDS):
                while self._noticed.is_set():
                    self._noticed.clear()
                    with suppress(TimeoutError):
                        async with asyncio.timeout(quiet_seconds):
                            await self._noticed.wait()

    # --- on the observer's thread -----------------------------------------------------------

    def dispatch(self, event: Any) -> None:
        """Look at one event; the observer calls this."""
        kind = _KINDS.get(event.event_type)
        if kind is None:
            return
        for text in (event.src_path, event.dest_path):
            path = Path(text)
            if not text or not path.is_relative_to(self._folder) or path == self._folder:
                continue
            relative = path.relative_to(self._folder)
            if event.is_directory and path.parent == self._folder and kind != "Changed":
                self._watch_folder(path)
            is_noticed = self._concerns_app(relative, kind, is_folder=event.is_directory)
            if is_noticed or relative.as_posix() == LOCAL_SETTINGS:
                with suppress(RuntimeError):  # the loop has ended
                    self._loop.call_soon_threadsafe(self._notice, kind, relative.as_posix())

    def _concerns_app(self, relative: Path, kind: Kind, *, is_folder: bool) -> bool:
        if not concerns_app(relative, kind, is_folder=is_folder, rules=self._rules()):
            return False
        return not (self._folder / relative.parts[0] / _ENVIRONMENT_MARK).exists()

    def _notice(self, kind: Kind, path: str) -> None:
        if path == LOCAL_SETTINGS:
            self._settings = self._settings or kind
        else:
            self._first = self._first or (kind, path)
        self._noticed.set()

    def _watch_folder(self, path: Path) -> None:
        """Watch a top-level folder if there is one; a gone one's watch is dead and taken away."""
        known = self._folders.pop(path.name, None)
        if known is not None:
            with suppress(KeyError):
                self._observer.unschedule(known)
        is_folder = path.is_dir() and is_watched_folder(path.name, self._rules())
        if is_folder and not (path / _ENVIRONMENT_MARK).exists():
            with suppress(FileNotFoundError):  # gone again
                self._folders[path.name] = self._schedule(path, recursive=True)

    def _schedule(self, path: Path, *, recursive: bool) -> Any:
        return self._observer.schedule(
            self, str(path), recursive=recursive, event_filter=self._wanted
        )
