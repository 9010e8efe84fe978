"""A worker's life: say that azure.functions is there, load one app, run its functions, end.

The main thread owns the event loop, on which the app is imported and async functions run;
one thread reads, one writes, and a pool of threads runs the other functions. A worker
whose host is gone ends at once, with everything that user code has started.
Behaviour: spec host-and-worker.md, sections 9, 14 and 15.3.
"""

from __future__ import annotations

import asyncio
import faulthandler
import logging
import os
import sys
import threading
import traceback
from collections.abc import Mapping
from queue import SimpleQueue
from typing import Any

import azure.functions

from . import frames, loading, tracebacks
from .console import Console
from .context import Running
from .frames import Head
from .link import Link, end_with_everything
from .places import place_of_thread
from .runner import Runner


def main(link: Link) -> None:
    """Serve the host at the other end of ``link`` until it says that it is over."""
    faulthandler.enable(file=2, all_threads=False)  # a crash in C code shows where it happened
    worker = _Worker(link)
    threading.Thread(target=worker.read, name="triggerfish-read", daemon=True).start()
    worker.serve()
    link.finish()


class _Worker:
    def __init__(self, link: Link) -> None:
        self._link = link
        self._running = Running()
        self._output = Console(self._log, self._running)
        self._loop = asyncio.new_event_loop()
        self._wanted: SimpleQueue[Mapping[str, Any] | None] = SimpleQueue()
        self._runner: Runner | None = None
        self._main_thread = threading.get_ident()

    def serve(self) -> None:
        """Load the app that the host names and run its functions; return when told to end."""
        self._output.install(debug=_is_set("PYTHON_ENABLE_DEBUG_LOGGING"))
        self._listen_for_forks()
        library = str(getattr(azure.functions, "__version__", ""))
        python = sys.version.split()[0]
        self._link.send([frames.READY, {"python": python, "library": library}])
        app = self._wanted.get()
        if app is None:
            return
        asyncio.set_event_loop(self._loop)
        loaded = self._loop.run_until_complete(self._load(app))
        self._output.flush_all()
        if loaded is not None:
            self._run(loaded)

    def read(self) -> None:
        """Take frames for as long as the host lives; once it is gone, end everything at once."""
        try:
            for burst in self._link.bursts():
                runner = self._runner
                if runner is None:
                    for head, _ in burst:
                        self._before_functions(head)
                elif runner.start(burst):
                    # Reading goes on: should the host die now, atexit handlers must not hang.
                    self._loop.call_soon_threadsafe(self._loop.stop)
        except BaseException:
            traceback.print_exc(file=sys.__stderr__)
        end_with_everything()

    def _before_functions(self, head: Head) -> None:
        if head[0] == frames.LOAD:
            self._wanted.put(head[1])
        elif head[0] == frames.WHERE:
            place = place_of_thread(self._main_thread)
            self._link.send([frames.PLACE, head[1], place])
        elif head[0] == frames.END:
            self._wanted.put(None)

    def _listen_for_forks(self) -> None:
        def in_child() -> None:
            self._link.abandon()
            self._output.detach()

        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=in_child)

    def _log(self, *line: object) -> None:
        self._link.send_now([frames.LOG, *line])

    async def _load(self, app: Mapping[str, Any]) -> loading.Loaded | None:
        # On the loop, as in Azure: module-level code may make clients that want a running loop.
        try:
            return loading.load(app)
        except BaseException as error:  # user code may raise SystemExit as well
            kind, message, text = tracebacks.describe(error)
            file, line = tracebacks.place_of(error, str(app["folder"]))
            report = {
                "type": "" if isinstance(error, loading.AppError) else kind,
                "message": message,
                "traceback": text + loading.hint(error),
                "file": file,
                "line": line,
            }
            self._output.flush_all()
            self._link.send([frames.FAILED, report])
            return None

    def _run(self, loaded: loading.Loaded) -> None:
        self._runner = Runner(
            loaded.plans,
            self._link,
            self._running,
            self._output,
            self._loop,
            _threads(self._output),
        )
        report = {"functions": loaded.declared, "errors": loaded.errors}
        self._link.send([frames.LOADED, report])
        over = False
        while not over:
            try:
                self._loop.run_forever()
                over = True
            except BaseException:  # a task of user code: only that task ends
                logging.getLogger("asyncio").exception("A task ended the event loop")
        self._output.flush_all()


def _threads(output: Console) -> int:
    default = min(32, (os.cpu_count() or 1) + 4)
    setting = os.environ.get("PYTHON_THREADPOOL_THREAD_COUNT", "").strip()
    if not setting:
        return default
    if setting.isdecimal() and int(setting) >= 1:
        return int(setting)
    output.warn(
        f"PYTHON_THREADPOOL_THREAD_COUNT must be an integer of at least 1, not {setting!r}; "
        f"using {default}."
    )
    return default


def _is_set(setting: str) -> bool:
    return os.environ.get(setting, "").strip().lower() in ("1", "true")
