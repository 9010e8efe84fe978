"""A host as a user starts it: a child process, driven only through its ports and its output."""

from __future__ import annotations

import os
import queue
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent.parent
SAMPLES = ROOT / "samples"
ACCOUNT_KEY = (
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
)
PATIENCE_SECONDS = 30.0


def connection_string(blob: int, queue_port: int, table: int) -> str:
    """Return what the official clients need to reach an account on these ports."""
    return (
        f"DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;AccountKey={ACCOUNT_KEY};"
        f"BlobEndpoint=http://127.0.0.1:{blob}/devstoreaccount1;"
        f"QueueEndpoint=http://127.0.0.1:{queue_port}/devstoreaccount1;"
        f"TableEndpoint=http://127.0.0.1:{table}/devstoreaccount1;"
    )


class Program:
    """A child process whose output is read line by line as it comes."""

    def __init__(self, command: list[str], *, cwd: Path, env: dict[str, str]) -> None:
        self.lines: list[str] = []
        self._arrived: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self.process = subprocess.Popen(
            command,
            cwd=cwd,
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._arrived.put(line.rstrip("\n"))
        self._arrived.put(None)

    def wait_for(
        self, wanted: str | Callable[[str], bool], *, times: int = 1, patience: float | None = None
    ) -> str:
        """Return the line in which ``wanted`` is seen for the ``times``-th time from now on."""
        matches = wanted if callable(wanted) else lambda line: wanted in line
        while True:
            try:
                line = self._arrived.get(timeout=patience or PATIENCE_SECONDS)
            except queue.Empty:
                pytest.fail(f"waited for {wanted!r}; the last lines were:\n{self.tail()}")
            if line is None:
                pytest.fail(f"the program ended before {wanted!r}:\n{self.tail()}")
            self.lines.append(line)
            if matches(line):
                times -= 1
                if times == 0:
                    return line

    def tail(self, count: int = 60) -> str:
        """Return the last lines of the output."""
        return "\n".join(self.lines[-count:])

    def said(self) -> str:
        """Return the last lines of the output, those that nobody has waited for among them."""
        with suppress(queue.Empty):
            while (line := self._arrived.get_nowait()) is not None:
                self.lines.append(line)
        return self.tail()

    def kill(self) -> None:
        """End the program without giving it a chance; no error where it has ended."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._reader.join()
        assert self.process.stdout is not None
        self.process.stdout.close()

    def stop(self, sig: signal.Signals = signal.SIGTERM) -> int:
        """Ask the program to end; return its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(sig)
        try:
            code = self.process.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            pytest.fail(f"the program did not end:\n{self.tail()}")
        self._reader.join()
        while (line := self._arrived.get()) is not None:
            self.lines.append(line)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code


class Host(Program):
    """``triggerfish start`` on a copy of an app."""

    def __init__(
        self, app: Path, ports: list[int], *, options: tuple[str, ...] = (), **settings: str
    ) -> None:
        self.app = app
        self.port, *storage = ports
        self.connection_string = connection_string(*storage)
        self.url = f"http://127.0.0.1:{self.port}"
        names = ("--port", "--blob-port", "--queue-port", "--table-port")
        command = [sys.executable, "-m", "triggerfish", "start", str(app)]
        for name, port in zip(names, ports, strict=True):
            command += [name, str(port)]
        super().__init__([*command, *options], cwd=app, env=clean_environment(**settings))

    def ready(self) -> Host:
        """Return once the triggers listen."""
        self.wait_for("Host is running")
        return self


class Account(Program):
    """``triggerfish storage`` on a folder of its own."""

    def __init__(self, folder: Path, ports: list[int]) -> None:
        self.connection_string = connection_string(*ports)
        command = [sys.executable, "-m", "triggerfish", "storage", "--data", str(folder)]
        for name, port in zip(("--blob-port", "--queue-port", "--table-port"), ports, strict=True):
            command += [name, str(port)]
        super().__init__(command, cwd=folder, env=clean_environment())
        self.wait_for("Ctrl-C stops it")


def clean_environment(**settings: str) -> dict[str, str]:
    """Return the environment without settings that would change what a host does."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("TRIGGERFISH_", "AzureWebJobs", "FUNCTIONS_", "CI"))
    }
    return {**kept, "PYTHONUNBUFFERED": "1", **settings}


def _copy(sample: str, folder: Path) -> Path:
    ignored = shutil.ignore_patterns(".triggerfish", "__pycache__")
    return Path(shutil.copytree(SAMPLES / sample, folder / sample, ignore=ignored))


@pytest.fixture
def copy_of(tmp_path: Path) -> Callable[[str], Path]:
    """Copy a sample, so that a test may edit it and its data stays out of the tree."""
    return lambda sample: _copy(sample, tmp_path)


@pytest.fixture
def start_program() -> Iterator[Callable[[list[str], Path, dict[str, str]], Program]]:
    """Start programs that are ended with the test, however it ends."""
    programs: list[Program] = []

    def begin(command: list[str], cwd: Path, settings: dict[str, str]) -> Program:
        programs.append(Program(command, cwd=cwd, env=clean_environment(**settings)))
        return programs[-1]

    yield begin
    for program in programs:
        program.kill()


@pytest.fixture
def start(free_ports: Callable[[int], list[int]]) -> Iterator[Callable[..., Any]]:
    """Start hosts that are ended with the test, however it ends."""
    hosts: list[Host] = []

    def begin(app: Path, *, options: tuple[str, ...] = (), **settings: str) -> Host:
        hosts.append(Host(app, free_ports(4), options=options, **settings))
        return hosts[-1]

    yield begin
    for host in hosts:
        host.kill()


@pytest.fixture(scope="module")
def start_for_module(
    tmp_path_factory: pytest.TempPathFactory, free_ports: Callable[[int], list[int]]
) -> Iterator[Callable[..., Host]]:
    """Start a host on a copy of a sample that the tests of a module share.

    Its account is its own, or ``triggerfish storage`` in another process.
    """
    programs: list[Program] = []

    def begin(sample: str, *, own_account: bool = True) -> Host:
        app = _copy(sample, tmp_path_factory.mktemp("app"))
        if own_account:
            host = Host(app, free_ports(4))
        else:
            account = Account(tmp_path_factory.mktemp("account"), free_ports(3))
            programs.append(account)
            host = Host(app, free_ports(4), AzureWebJobsStorage=account.connection_string)
            host.connection_string = account.connection_string
        programs.append(host)
        return host.ready()

    yield begin
    for program in reversed(programs):
        program.kill()


@pytest.fixture
def orders(copy_of: Callable[[str], Path], start: Callable[..., Host]) -> Host:
    """The order desk, running."""
    return start(copy_of("orders")).ready()


@pytest.fixture
def run_command() -> Callable[..., str]:
    """Run a command of ours in an app folder; return what it printed, errors where it fails."""

    def run(app: Path, *arguments: str, code: int = 0, typed: str = "") -> str:
        done = subprocess.run(
            [sys.executable, "-m", "triggerfish", *arguments],
            cwd=app,
            env=clean_environment(),
            input=typed,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=PATIENCE_SECONDS,
            check=False,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout if code == 0 else done.stderr

    return run
