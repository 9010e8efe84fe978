"""The programs in ``bench/`` run: each is asked for as little as it can measure."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).parent.parent.parent / "bench"
SMALLEST = {
    "dispatch": "--messages 20 --rounds 1",
    "embedded_apply": "--messages 50",
    "large_blob": "--mib 8",
    "ledger": "--deliveries 50",
    "operations": "--count 20 --rounds 1",
    "pipeline": "--messages 4000 --rounds 1",
    "pool_roundtrip": "--seconds 0.1 --rounds 1",
    "reload": "--rounds 1",
    "scale": "--count 200 --seconds 0.1 --rounds 1",
    "soak": "--minutes 0.05 --kills 1",
    "start": "--rounds 1 --idle-seconds 0.1",
    "storage": "--seconds 0.1 --rounds 1",
    "transfer": "--items 20 --mib 1",
}


def test_every_program_is_listed() -> None:
    programs = {file.stem for file in BENCH.glob("*.py") if "argparse.Arg" in file.read_text()}
    # Those that measure nothing have a parser of options to share, or are started by others.
    helpers = {"bare_handler", "peers", "results", "scale_fill", "selection"}
    assert programs - helpers == SMALLEST.keys()


@pytest.mark.slow
@pytest.mark.timeout(120)
@pytest.mark.parametrize("name", SMALLEST)
def test_a_program_measures_something(name: str, tmp_path: Path) -> None:
    written = tmp_path / "results.jsonl"
    words = [sys.executable, BENCH / f"{name}.py", *SMALLEST[name].split(), "--json", written]
    ran = subprocess.run(words, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    line = json.loads(written.read_text())
    assert line["bench"] == name
    assert any(_numbers(line)), line


def _numbers(found: object) -> list[float]:
    """Return all that was measured, wherever it stands in a line of results."""
    if isinstance(found, dict):
        return [number for value in found.values() for number in _numbers(value)]
    return [found] if isinstance(found, float) and found > 0 else []
