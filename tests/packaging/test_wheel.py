"""The wheel as a user gets it: what lies in it, and a sample run from an environment of its own."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import venv
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
SOURCES = ("runtime/triggerfish", "emulator/triggerfish_storage")
PATIENCE_SECONDS = 240  # packages are fetched and built
LINE_SECONDS = 60

pytestmark = [pytest.mark.slow, pytest.mark.timeout(2 * PATIENCE_SECONDS)]


def run(*command: str | Path, cwd: Path) -> str:
    """Run a program in an environment that knows nothing of this one; return its output."""
    done = subprocess.run(
        command,
        cwd=cwd,
        env=bare_environment(),
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def bare_environment() -> dict[str, str]:
    """Return the environment without what points at this interpreter or changes a host."""
    ours = ("TRIGGERFISH_", "AzureWebJobs", "FUNCTIONS_", "PYTHON", "COVERAGE", "VIRTUAL_ENV")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel built from this tree."""
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", folder, ROOT, cwd=folder)
    [built] = folder.iterdir()
    return built


@pytest.fixture(scope="module")
def programs(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of programs of an environment that holds the wheel and what it asks for."""
    home = tmp_path_factory.mktemp("environment") / "venv"
    venv.create(home, with_pip=True)
    folder = home / ("Scripts" if os.name == "nt" else "bin")
    run(folder / "python", "-m", "pip", "install", "-q", wheel, cwd=home)
    return folder


@pytest.fixture
def app(tmp_path: Path) -> Path:
    """A copy of the sample, far from the sources."""
    ignored = shutil.ignore_patterns(".triggerfish", "__pycache__")
    return Path(shutil.copytree(ROOT / "samples" / "orders", tmp_path / "orders", ignore=ignored))


@pytest.fixture
def host(
    programs: Path, app: Path, free_ports: Callable[[int], list[int]]
) -> Iterator[subprocess.Popen[str]]:
    """The sample, started with the installed program."""
    options = ("--port", "--blob-port", "--queue-port", "--table-port")
    ports = zip(options, free_ports(len(options)), strict=True)
    with subprocess.Popen(
        [programs / "triggerfish", "start", *(str(word) for pair in ports for word in pair)],
        cwd=app,
        env=bare_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
    ) as process:
        yield process
        process.kill()


def read_until(process: subprocess.Popen[str], wanted: str) -> None:
    """Return once a line of the output holds ``wanted``; fail where none comes."""
    assert process.stdout is not None
    lines = []
    limit = threading.Timer(LINE_SECONDS, process.kill)
    limit.start()
    for line in process.stdout:
        lines.append(line)
        if wanted in line:
            limit.cancel()
            return
    limit.cancel()
    pytest.fail(f"the program ended before {wanted!r}:\n{''.join(lines)}")


def test_the_wheel_holds_the_two_packages_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if not name.endswith("/")}

    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {
        "triggerfish",
        "triggerfish_storage",
    }
    assert len(tops) == 3
    assert not [name for name in names if name.endswith(".pyc")]


def test_the_wheel_holds_every_file_of_the_sources(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())

    expected = {
        path.relative_to((ROOT / source).parent).as_posix()
        for source in SOURCES
        for path in (ROOT / source).rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    assert expected <= names


def test_an_environment_with_the_wheel_alone_runs_a_sample(
    programs: Path, app: Path, host: subprocess.Popen[str]
) -> None:
    triggerfish = programs / "triggerfish"
    read_until(host, "Host is running")

    customer = '{"name": "Ann", "address": "1 Reef Road"}'
    run(triggerfish, "blob", "put", "customers/C-7.json", customer, cwd=app)
    order = '{"orderId": "A-1", "customerId": "C-7", "items": []}'
    run(triggerfish, "queue", "put", "orders", order, cwd=app)
    read_until(host, "Executed 'Functions.process_order' (Succeeded")
    host.send_signal(signal.SIGINT)
    host.communicate(timeout=PATIENCE_SECONDS)

    assert host.returncode == 0
    [delivery] = json.loads(run(triggerfish, "history", "--json", cwd=app))
    assert (delivery["function"], delivery["status"]) == ("process_order", "succeeded")
