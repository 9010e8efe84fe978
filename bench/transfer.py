"""A whole account out, in, kept and put back: how long, next to copying the same files.

An account with small blobs, one large blob, messages and entities is made from files by an
import, exported to a folder and an archive, kept as a snapshot and put back. Next to it, the
system's own ``cp`` copies the exported folder, and the data folder. The memory is the most that
a command ever held.

    python bench/transfer.py [--items 5000] [--mib 256]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

import results
from programs import BenchmarkFailed, triggerfish

MIB: Final = 1024 * 1024
COPY_TREE: Final = "cp of the exported folder"
COPY_DATA: Final = "cp of the data folder"
PEERS: Final = {
    "import of a folder": COPY_TREE,
    "export to a folder": COPY_TREE,
    "export to .tar": COPY_TREE,
    "snapshot": COPY_DATA,
    "restore": COPY_DATA,
}


def make_source(root: Path, items: int, mib: int) -> None:
    """Write what an account is made of: files, and lines of JSON."""
    for service in ("blobs/small", "blobs/large", "queues", "tables"):
        (root / service).mkdir(parents=True)
    for number in range(items):
        folder = root / "blobs" / "small" / f"{number // 1000:04}"
        folder.mkdir(exist_ok=True)
        (folder / f"{number}.bin").write_bytes(b"x" * 1000)
    with (root / "blobs" / "large" / "one.bin").open("wb") as large:
        for _ in range(mib):
            large.write(os.urandom(MIB))
    with (root / "queues" / "orders.jsonl").open("w") as lines:
        lines.writelines(json.dumps({"text": f"message {n}"}) + "\n" for n in range(items))
    with (root / "tables" / "People.jsonl").open("w") as lines:
        lines.writelines(
            json.dumps({"PartitionKey": "p", "RowKey": f"{n:08}", "n": n}) + "\n"
            for n in range(items)
        )


class Stopwatch:
    """Runs commands, one after the other."""

    def __init__(self) -> None:
        self.seconds = results.Results()
        self.peak_mib: dict[str, float] = {}

    def run(self, name: str, words: list[str | Path]) -> None:
        began = time.perf_counter()
        with subprocess.Popen(words, stderr=subprocess.PIPE) as process:
            error = process.stderr.read() if process.stderr is not None else b""
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise BenchmarkFailed(f"{name}: {error.decode()}")
        self.seconds.add(name, time.perf_counter() - began)
        self.peak_mib[name] = max(self.peak_mib.get(name, 0), usage.ru_maxrss / 1024)
        print(f"{name}: {self.seconds.median(name):.2f} s", file=sys.stderr)


def measure(root: Path, watch: Stopwatch) -> None:
    """Do everything once, into folders that are not there yet."""
    data, saved = root / "data", root / "saved"

    def storage(*words: str | Path) -> list[str | Path]:
        return triggerfish("storage", "--data", data, *words)

    watch.run("import of a folder", storage("import", root / "source"))
    watch.run("export to a folder", storage("export", saved))
    watch.run("export to .tar", storage("export", root / "saved.tar"))
    watch.run(COPY_TREE, ["cp", "-r", saved, root / "copied"])
    watch.run("snapshot", storage("snapshot", "kept"))
    watch.run("restore", storage("restore", "kept"))
    watch.run("snapshot removed", storage("snapshot", "kept", "--delete"))
    watch.run(COPY_DATA, ["cp", "-r", data, root / "copied-data"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=5_000, help="of each kind")
    parser.add_argument("--mib", type=int, default=256, help="of the large blob")
    results.add_option(parser)
    options = parser.parse_args()
    watch = Stopwatch()
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        make_source(Path(folder, "source"), options.items, options.mib)
        measure(Path(folder), watch)
        report(watch, options)  # before all those files are removed, which takes its time


def report(watch: Stopwatch, options: argparse.Namespace) -> None:
    """Print what was found."""
    rows = [
        (
            name,
            results.number(watch.seconds.median(name)),
            results.number(watch.seconds.median(peer)),
            watch.seconds.ratio(name, peer),
            results.number(watch.peak_mib[name]),
        )
        for name, peer in PEERS.items()
    ]
    print(results.table(("", "seconds", "cp", "ratio", "MiB at most"), rows))
    found = {"seconds": watch.seconds.medians(), "peak_mib": watch.peak_mib}
    results.write("transfer", {"items": options.items, "mib": options.mib, **found}, options.json)


if __name__ == "__main__":
    main()
