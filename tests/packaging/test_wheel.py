"""The wheel as a user gets it: what lies in it, and a sample run from an environment of its own.

All of it holds with the part that is written in C and without: it is built where a compiler is.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import sysconfig
import tarfile
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
COMPILED = {
    "triggerfish_storage/_checksums.abi3.so",
    "triggerfish_storage/protocol/_heads.abi3.so",
}
COMPILED_SUFFIXES = (".so", ".pyd")
AS_IT_IS: dict[str, str] = {}
NO_COMPILER = {"CC": "nonesuch"}
ON_PURPOSE = {"HATCH_BUILD_NO_HOOKS": "true"}

compiler = shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc")[0]
can_compile = pytest.mark.skipif(
    os.name == "nt"
    or not shutil.which(compiler)
    or not Path(sysconfig.get_path("include"), "Python.h").exists(),
    reason="needs GCC or Clang, and the headers of Python",
)
pytestmark = [pytest.mark.slow, pytest.mark.timeout(2 * PATIENCE_SECONDS)]


def run(*command: str | Path, cwd: Path, **variables: str) -> str:
    """Run a program in an environment that knows nothing of this one; return its output."""
    done = subprocess.run(
        command,
        cwd=cwd,
        env=bare_environment() | variables,
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


def pip(python: Path | str, *arguments: str | Path, cwd: Path, **variables: str) -> None:
    run(python, "-m", "pip", *arguments, cwd=cwd, **variables)


def files(wheel: Path) -> set[str]:
    """Return the names of the files in a wheel."""
    with zipfile.ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if not name.endswith("/")}


def stem(file: Path) -> str:
    """Return the name of a compiled module."""
    return file.name.split(".")[0]


@pytest.fixture(scope="module", params=[AS_IT_IS, NO_COMPILER], ids=["as it is", "no compiler"])
def wheel(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel built from this tree, with some variables in the environment."""
    folder = tmp_path_factory.mktemp("wheel")
    pip(sys.executable, "wheel", "-q", "--no-deps", "-w", folder, ROOT, cwd=folder, **request.param)
    [built] = folder.iterdir()
    return built


@pytest.fixture(scope="module")
def programs(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of programs of an environment that holds the wheel and what it asks for."""
    home = tmp_path_factory.mktemp("environment") / "venv"
    venv.create(home, with_pip=True)
    folder = home / ("Scripts" if os.name == "nt" else "bin")
    pip(folder / "python", "install", "-q", wheel, cwd=home)
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
    names = files(wheel)

    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {
        "triggerfish",
        "triggerfish_storage",
    }
    assert len(tops) == 3
    assert not [name for name in names if name.endswith(".pyc")]


def test_the_wheel_holds_every_file_of_the_sources(wheel: Path) -> None:
    expected = {
        path.relative_to((ROOT / source).parent).as_posix()
        for source in SOURCES
        for path in (ROOT / source).rglob("*")
        if path.is_file() and path.suffix not in {".c", ".h", ".pyc", *COMPILED_SUFFIXES}
    }
    assert expected <= files(wheel)


@can_compile
@pytest.mark.parametrize("wheel", [AS_IT_IS], ids=["as it is"], indirect=True)
def test_a_compiler_gives_one_wheel_for_every_python_of_its_platform(wheel: Path) -> None:
    assert "-cp311-abi3-" in wheel.name
    assert files(wheel) >= COMPILED


@pytest.mark.parametrize(
    "wheel", [NO_COMPILER, ON_PURPOSE], ids=["no compiler", "on purpose"], indirect=True
)
def test_a_wheel_without_the_compiled_part_is_for_every_platform(wheel: Path) -> None:
    assert wheel.name.endswith("-py3-none-any.whl")
    assert not [name for name in files(wheel) if name.endswith(COMPILED_SUFFIXES)]


def test_who_has_no_compiler_is_told_what_that_means(tmp_path: Path) -> None:
    log = tmp_path / "log.txt"

    pip(sys.executable, "wheel", "-q", "--log", log, "--no-deps", ROOT, cwd=tmp_path, **NO_COMPILER)

    told = log.read_text(encoding="utf-8").splitlines()
    [line] = [line for line in told if "the compiled part was left out" in line]
    assert "nothing else changes" in line
    assert "nonesuch" in line


@pytest.mark.parametrize("wheel", [AS_IT_IS], ids=["as it is"], indirect=True)
def test_the_source_distribution_builds_the_same_wheel(wheel: Path, tmp_path: Path) -> None:
    run(sys.executable, "-m", "build", "--outdir", tmp_path, ROOT, cwd=tmp_path)

    [source] = tmp_path.glob("*.tar.gz")
    [built] = tmp_path.glob("*.whl")
    with tarfile.open(source) as archive:
        assert not [name for name in archive.getnames() if name.endswith(COMPILED_SUFFIXES)]
    assert (built.name, files(built)) == (wheel.name, files(wheel))


@can_compile
def test_an_editable_install_compiles_beside_the_sources_and_keeps_nothing_older(
    tmp_path: Path,
) -> None:
    tree = tmp_path / "tree"
    for source in ("runtime", "emulator"):
        shutil.copytree(
            ROOT / source, tree / source, ignore=shutil.ignore_patterns("*.so", "__pycache__")
        )
    for file in ("pyproject.toml", "hatch_build.py", "README.md"):
        shutil.copy(ROOT / file, tree)
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv" / "bin" / "python"
    compiled = [tree / "emulator" / file for file in COMPILED]

    pip(python, "install", "-q", "--no-deps", "-e", tree, cwd=tmp_path)
    for file in compiled:
        module = ".".join(file.relative_to(tree / "emulator").with_name(stem(file)).parts)
        place = run(python, "-c", f"import {module}; print({module}.__file__)", cwd=tmp_path)
        assert Path(place.strip()) == file

    for file in compiled:
        file.with_name(f"{stem(file)}.c").write_text("no C", encoding="utf-8")
    pip(python, "install", "-q", "--no-deps", "-e", tree, cwd=tmp_path)
    assert not [file for file in compiled if file.exists()]


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
