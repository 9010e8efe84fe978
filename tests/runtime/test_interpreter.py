"""Which Python is chosen, and what is said of one that is no use."""

from __future__ import annotations

import sys
import venv
from pathlib import Path

import pytest

from triggerfish.interpreter import SETTING, choose_interpreter
from triggerfish.model import TriggerfishError

VERSION = sys.version_info[:2]


def environment(folder: Path) -> Path:
    """Make an environment; return its Python."""
    venv.create(folder, symlinks=True)
    return folder / "bin" / "python"


def fake(path: Path, script: str) -> Path:
    """Make a program that answers as a Python of some other kind would."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


async def test_the_setting_comes_first(tmp_path):
    named = environment(tmp_path / "named")
    environment(tmp_path / ".venv")
    active = environment(tmp_path / "active")
    settings = {"VIRTUAL_ENV": str(active.parent.parent)}

    chosen = await choose_interpreter(tmp_path, settings, named=str(named))

    assert (chosen.path, chosen.version, chosen.reason) == (named, VERSION, SETTING)


async def test_a_relative_setting_is_seen_from_the_apps_folder(tmp_path):
    named = environment(tmp_path / "named")

    chosen = await choose_interpreter(tmp_path, {}, named="named/bin/python")

    assert chosen.path == named


async def test_an_active_environment_comes_before_the_apps_own(tmp_path):
    environment(tmp_path / ".venv")
    active = environment(tmp_path / "active")

    chosen = await choose_interpreter(tmp_path, {"VIRTUAL_ENV": str(active.parent.parent)})

    assert (chosen.path, chosen.reason) == (active, "VIRTUAL_ENV; the app's .venv is not used")


async def test_the_apps_own_environment_may_be_the_active_one(tmp_path):
    environment(tmp_path / ".venv")
    link = tmp_path / "link"
    link.symlink_to(".venv")

    chosen = await choose_interpreter(tmp_path, {"VIRTUAL_ENV": str(link)})

    assert (chosen.path, chosen.reason) == (link / "bin" / "python", "VIRTUAL_ENV")


async def test_the_apps_own_environment_comes_before_the_hosts(tmp_path):
    own = environment(tmp_path / ".venv")

    chosen = await choose_interpreter(tmp_path, {})

    assert (chosen.path, chosen.reason) == (own, "the app's .venv")


async def test_an_app_without_any_environment_runs_under_the_hosts_python(tmp_path):
    chosen = await choose_interpreter(tmp_path, {"VIRTUAL_ENV": ""}, named=" ")

    assert (str(chosen.path), chosen.version) == (sys.executable, VERSION)
    assert chosen.reason == "the host's own"


async def test_an_environment_whose_python_is_gone_is_told(tmp_path):
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.symlink_to(tmp_path / "removed")

    chosen = await choose_interpreter(tmp_path, {})

    assert str(chosen.path) == sys.executable
    assert chosen.reason == "the host's own; the Python of the app's .venv is not there"


@pytest.mark.parametrize("version", ["3 8", "2 7"])
async def test_a_python_that_is_too_old_is_refused(tmp_path, version):
    old = fake(tmp_path / "python", f"echo {version}")

    with pytest.raises(TriggerfishError) as caught:
        await choose_interpreter(tmp_path, {}, named=str(old))

    assert f"is Python {version.replace(' ', '.')}; the worker needs 3.9 or newer" in str(
        caught.value
    )


@pytest.mark.parametrize("script", ["exit 1", "echo hello", "echo 3", "kill -9 $$"])
async def test_what_does_not_answer_as_a_python_is_refused(tmp_path, script):
    broken = fake(tmp_path / ".venv" / "bin" / "python", script)

    with pytest.raises(TriggerfishError) as caught:
        await choose_interpreter(tmp_path, {})

    assert f"{broken} (the app's .venv) does not run as a Python interpreter" in str(caught.value)


async def test_an_interpreter_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(TriggerfishError, match=r"gone.* does not run as a Python interpreter"):
        await choose_interpreter(tmp_path, {"VIRTUAL_ENV": str(tmp_path / "gone")})
