"""Apps written to a folder and loaded by real workers; what the tests of the pool share."""

from __future__ import annotations

import asyncio
import itertools
import os
import sys
import textwrap
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from triggerfish.declarations import read_function
from triggerfish.interpreter import Interpreter
from triggerfish.model import Datum, InvocationRequest, InvocationResult, LogLine
from triggerfish.pool.app import AppLoadError, AppToLoad
from triggerfish.pool.generation import Generation, start_generation
from triggerfish.pool.options import PoolOptions
from triggerfish.pool.spare import Spare

TIME = "2024-01-02T03:04:05+00:00"
MESSAGE = {
    "Id": "m1",
    "DequeueCount": "1",
    "InsertionTime": TIME,
    "ExpirationTime": TIME,
    "NextVisibleTime": TIME,
    "PopReceipt": "r1",
}
THIS_PYTHON = Interpreter(Path(sys.executable), sys.version_info[:2], "the tests' own")


class Log:
    """The lines that the host was given, and a way to wait for one."""

    def __init__(self) -> None:
        self.lines: list[LogLine] = []
        self._changed = asyncio.Event()

    def __call__(self, line: LogLine) -> None:
        self.lines.append(line)
        self._changed.set()

    def of(self, invocation_id: str) -> list[str]:
        return [line.message for line in self.lines if line.invocation_id == invocation_id]

    async def until(self, text: str) -> LogLine:
        while True:
            found = next((line for line in self.lines if text in line.message), None)
            if found is not None:
                return found
            self._changed.clear()
            await self._changed.wait()


class Running:
    """A generation under test."""

    def __init__(self, generation: Generation, log: Log, app: AppToLoad) -> None:
        self.generation = generation
        self.log = log
        self.folder = app.folder
        self._numbers = itertools.count(1)

    async def run(
        self,
        function: str,
        value: str | bytes | Datum = "",
        *,
        parameter: str = "msg",
        inputs: Mapping[str, Datum] | None = None,
        metadata: Mapping[str, str | Datum] | None = None,
        **request: Any,
    ) -> InvocationResult:
        """Run ``function``, by default for a queue message of this text or these bytes."""
        return await self.generation.invoke(
            InvocationRequest(
                id=request.pop("id", "") or f"invocation-{next(self._numbers)}",
                function=function,
                inputs={parameter: _datum(value), **(inputs or {})},
                metadata={**MESSAGE, **(metadata or {})},
                **request,
            )
        )

    async def answer(self, function: str, text: str = "") -> Any:
        """Run a function for a queue message of this text; return what it returns."""
        result = await self.run(function, text)
        assert result.failure is None, result.failure
        return result.outputs["$return"].value


def _datum(value: str | bytes | Datum) -> Datum:
    if isinstance(value, Datum):
        return value
    return Datum("bytes", value) if isinstance(value, bytes) else Datum("string", value)


MakeApp = Callable[..., AppToLoad]
Launch = Callable[..., AbstractAsyncContextManager[Running]]


@pytest.fixture(scope="session")
def make_app(tmp_path_factory: pytest.TempPathFactory) -> MakeApp:
    """Write files; v1 functions are named with their bindings, or with a function.json."""

    def make(
        files: Mapping[str, str],
        functions: Mapping[str, Any] | None = None,
        *,
        script: str = "function_app.py",
    ) -> AppToLoad:
        folder = tmp_path_factory.mktemp("app")
        for name, text in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(text), encoding="utf-8")
        if functions is None:
            return AppToLoad(folder, script=script)
        return AppToLoad(folder, functions=tuple(_v1(folder, *item) for item in functions.items()))

    return make


def _v1(folder: Path, name: str, declared: Any) -> Any:
    document = {"bindings": declared} if isinstance(declared, list) else declared
    script = document.get("scriptFile", "__init__.py")
    directory = folder / name
    directory.mkdir(exist_ok=True)
    return read_function(name, document, directory=str(directory), script_file=script)


@pytest.fixture(scope="session")
def launch() -> Launch:
    """Load an app in workers of its own, for as long as the context lasts."""

    @asynccontextmanager
    async def start(
        app: AppToLoad,
        *,
        log: Log | None = None,
        environment: Mapping[str, str] | None = None,
        interpreter: Interpreter = THIS_PYTHON,
        function_timeout: timedelta | None = timedelta(seconds=30),
        spare: Spare | None = None,
        **options: Any,
    ) -> AsyncIterator[Running]:
        log = log or Log()
        pool = PoolOptions(
            interpreter=interpreter,
            environment={**os.environ, **(environment or {})},
            function_timeout=function_timeout,
            **options,
        )
        async with start_generation(app, pool, log, spare=spare) as generation:
            yield Running(generation, log, app)

    return start


@pytest.fixture(scope="session")
def keep() -> Callable[[AbstractAsyncContextManager[Any]], AbstractAsyncContextManager[Any]]:
    """Enter and leave a context in one task, which fixtures of a module do not."""

    @asynccontextmanager
    async def kept(manager: AbstractAsyncContextManager[Any]) -> AsyncIterator[Any]:
        opened = asyncio.get_running_loop().create_future()
        over = asyncio.Event()

        async def hold() -> None:
            try:
                async with manager as value:
                    opened.set_result(value)
                    await over.wait()
            except BaseException as error:
                if opened.done():
                    raise
                opened.set_exception(error)

        task = asyncio.create_task(hold())
        yield await opened
        over.set()
        await task

    return kept


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
def load_error(launch: Launch) -> Callable[..., Awaitable[AppLoadError]]:
    """Launch an app that does not load; return what is said of it."""

    async def failed(app: AppToLoad, **options: Any) -> AppLoadError:
        with pytest.raises(AppLoadError) as caught:
            async with launch(app, **options):
                pass
        return caught.value

    return failed
