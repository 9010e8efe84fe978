"""What a benchmark found: rounds, their medians, a table and one line of JSON."""

from __future__ import annotations

import argparse
import json
import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median


class Results:
    """Values by name, one for each round."""

    def __init__(self) -> None:
        self._values: dict[str, list[float]] = {}

    def add(self, name: str, value: float) -> None:
        self._values.setdefault(name, []).append(value)

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def median(self, name: str) -> float:
        return median(self._values[name])

    def least(self, name: str) -> float:
        return min(self._values[name])

    def range(self, name: str) -> str:
        """Return the lowest and the highest value."""
        values = self._values[name]
        return f"{number(min(values))}-{number(max(values))}"

    def ratio(self, name: str, other: str) -> str:
        """Return how many times ``other`` one value is; empty where there is no other."""
        if name not in self or other not in self:
            return ""
        return f"{self.median(name) / self.median(other):.2f}"

    def medians(self) -> dict[str, float]:
        return {name: round(self.median(name), 4) for name in self._values}


def number(value: float) -> str:
    """Return a value as a table shows it: three digits that count, at least."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """Return a table: the first column to the left, the others to the right."""
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    lines = []
    for row in (head, *rows):
        cells = [row[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def add_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", type=Path, help="file that the line of JSON is added to")


def write(bench: str, found: dict[str, object], file: Path | None) -> None:
    """Print one line of JSON, or add it to ``file``."""
    line = json.dumps(
        {
            "bench": bench,
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            "python": platform.python_version(),
            "cores": os.cpu_count(),
            **found,
        }
    )
    if file is None:
        print(line)
        return
    with file.open("a", encoding="utf-8") as lines:
        lines.write(line + "\n")
