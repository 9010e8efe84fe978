"""Runs invocations: async functions on the event loop, the others on a pool of threads.

Plain threads and one SimpleQueue, not an executor: a burst of quick functions is done by
one thread without a switch between them, because a thread that finds the next invocation
waiting takes it at once, and another is woken only to be there should this one block.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from contextvars import Context as ContextVariables
from queue import SimpleQueue

from . import frames, tracebacks
from .console import Console
from .context import Invocation, Running, current, thread_local_storage
from .converters import BindingError
from .frames import Frame, Head
from .link import Link
from .places import place_of_task, place_of_thread
from .plans import Plan

Work = tuple[Plan, Head, bytes]


class Runner:
    """Takes invocations from the reading thread and sends their results."""

    def __init__(
        self,
        plans: Mapping[str, Plan],
        link: Link,
        running: Running,
        output: Console,
        loop: asyncio.AbstractEventLoop,
        threads: int,
    ) -> None:
        self._plans = plans
        self._link = link
        self._running = running
        self._output = output
        self._loop = loop
        self._loop_thread = threading.get_ident()
        self._tasks: dict[asyncio.Task[None], int] = {}  # the loop itself holds them weakly
        self._threads: dict[int, int] = {}  # which one runs an invocation, by its number
        self._waiting: SimpleQueue[Work] = SimpleQueue()
        self._most_threads = threads
        self._started_threads = 0

    def start(self, burst: list[Frame]) -> bool:
        """Begin what ``burst`` asks for; return whether it asks to end."""
        for_loop: list[Work] = []
        for head, payload in burst:
            if head[0] == frames.END:
                return True
            if head[0] == frames.WHERE:
                self._link.send([frames.PLACE, head[1], self._place_of(head[1])])
                continue
            plan = self._plans[head[3]]
            if plan.is_async:
                for_loop.append((plan, head, payload))
            else:
                self._waiting.put((plan, head, payload))
        if for_loop:
            self._loop.call_soon_threadsafe(self._begin, for_loop)
        self._start_threads()
        return False

    # --- threads ------------------------------------------------------------------------------

    def _start_threads(self) -> None:
        """See to it that everything waiting has a thread, as far as the limit goes."""
        missing = min(self._waiting.qsize(), self._most_threads - self._started_threads)
        for _ in range(missing):
            self._started_threads += 1
            name = f"triggerfish-{self._started_threads}"
            threading.Thread(target=self._work, name=name, daemon=True).start()

    def _work(self) -> None:
        take, run = self._waiting.get, self._run
        while True:
            work = take()
            ContextVariables().run(run, *work)

    def _run(self, plan: Plan, head: Head, payload: bytes) -> None:
        invocation = self._enter(plan, head)
        thread_local_storage.invocation_id = invocation.id
        self._threads[head[1]] = threading.get_ident()
        try:
            arguments = plan.arguments(invocation, head, payload)
            self._succeed(plan, invocation, head[1], arguments, plan.function(**arguments))
        except BaseException as error:
            self._fail(invocation, head[1], error)
        del self._threads[head[1]]

    # --- the loop -----------------------------------------------------------------------------

    def _begin(self, burst: list[Work]) -> None:
        for work in burst:
            task = ContextVariables().run(self._loop.create_task, self._run_async(*work))
            self._tasks[task] = work[1][1]
            task.add_done_callback(self._tasks.pop)

    async def _run_async(self, plan: Plan, head: Head, payload: bytes) -> None:
        invocation = self._enter(plan, head)
        try:
            arguments = plan.arguments(invocation, head, payload)
            self._succeed(plan, invocation, head[1], arguments, await plan.function(**arguments))
        except BaseException as error:
            self._fail(invocation, head[1], error)

    # --- both ---------------------------------------------------------------------------------

    def _place_of(self, number: int) -> str:
        thread = self._threads.get(number)
        if thread is not None:
            return place_of_thread(thread)
        for task, running in list(self._tasks.items()):
            if running == number:
                return place_of_task(task, self._loop, self._loop_thread)
        return ""

    def _enter(self, plan: Plan, head: Head) -> Invocation:
        invocation = Invocation(head[2], plan.name)
        current.set(invocation)
        self._running.begin(invocation)
        return invocation

    def _succeed(
        self,
        plan: Plan,
        invocation: Invocation,
        number: int,
        arguments: dict[str, object],
        value: object,
    ) -> None:
        parts: list[bytes] = []
        outputs = plan.results(arguments, value, parts)
        self._leave(invocation)
        self._link.send([frames.RESULT, number, outputs], parts)

    def _fail(self, invocation: Invocation, number: int, error: BaseException) -> None:
        kind, text = "user", tracebacks.text_of
        if isinstance(error, BindingError):
            kind, text = "binding", tracebacks.text_of_cause
        told = (type(error).__name__, tracebacks.message_of(error), text(error))
        self._leave(invocation)
        self._link.send([frames.RAISED, number, kind, *told])

    def _leave(self, invocation: Invocation) -> None:
        if invocation.partial:
            self._output.flush(invocation)
        self._running.end(invocation)
