"""Whether the process that a lock names is still there."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest

from triggerfish.host_process import HostProcess, this_process

SCRIPT = """
from triggerfish.host_process import this_process
print(this_process().machine, this_process().process)
"""


def test_this_process_has_not_ended() -> None:
    assert not this_process().has_ended()


@pytest.mark.skipif(sys.platform == "win32", reason="processes are not looked at on Windows")
def test_a_process_that_ended_is_known_to_have() -> None:
    output = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, check=True, text=True
    ).stdout
    machine, process = output.split()

    assert machine == this_process().machine
    assert HostProcess(machine, process).has_ended()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells when a process started")
def test_another_process_with_the_same_id_is_not_the_same_process() -> None:
    now = this_process()

    assert replace(now, process=f"{now.process.partition('@')[0]}@1").has_ended()


@pytest.mark.parametrize(
    ("machine", "process"), [("elsewhere", "1@1"), ("", ""), ("here", ""), ("here", "x@1")]
)
def test_a_process_that_cannot_be_looked_at_counts_as_running(machine: str, process: str) -> None:
    machine = this_process().machine if machine == "here" else machine

    assert not HostProcess(machine, process).has_ended()
