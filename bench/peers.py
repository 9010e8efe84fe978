"""Where the programs are that we are compared with. Absent ones are skipped, with a word on how
to get them.

They lie in a folder of their own, so that nothing of them is needed to work on this project:
``--peers FOLDER``, else ``TRIGGERFISH_BENCH_PEERS``, else ``~/.cache/triggerfish-bench``.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

DEFAULT_FOLDER: Final = Path(
    os.environ.get("TRIGGERFISH_BENCH_PEERS", "~/.cache/triggerfish-bench")
).expanduser()


class Absent(Exception):  # noqa: N818 - a state, and the message says what to do
    """A peer is not there; the message says how to get it."""


def add_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--peers", type=Path, default=DEFAULT_FOLDER, help="folder of the peers (%(default)s)"
    )


def redis_server() -> str:
    found = shutil.which("redis-server")
    if found is None:
        raise Absent("no redis-server; to get it: apt-get install redis-server")
    return found


def python_with(module: str, *, install: str, peers: Path) -> Path:
    """Return an interpreter that can import ``module``."""
    for python in (peers / "venv" / "bin" / "python", Path(sys.executable)):
        if python.exists() and _imports(python, module):
            return python
    venv = peers / "venv"
    raise Absent(
        f"no {module}; to get it: python -m venv {venv} && {venv}/bin/pip install '{install}'"
    )


def azurite(peers: Path) -> Path:
    """Return the program that serves all of Azurite's services."""
    own = peers / "node_modules" / ".bin" / "azurite"
    found = own if own.exists() else shutil.which("azurite")
    if found is None:
        raise Absent(f"no azurite; to get it: npm install --prefix {peers} azurite")
    return Path(found)


def _imports(python: Path, module: str) -> bool:
    done = subprocess.run([python, "-c", f"import {module}"], capture_output=True, check=False)
    return done.returncode == 0
