"""Which operations a benchmark drives where only some of them are to be shown.

Used by the other files of this folder; measures nothing itself.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping


def add_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--only", default="", help="measure operations whose name has this in it")


def needed(after: Mapping[str, str], only: str) -> list[str]:
    """Return, in order, the operations whose name has ``only`` in it and those they come after.

    ``after`` names all of them, each with the one that makes what it finds, or with nothing.
    """
    wanted = {name for name in after if only in name}
    for name in reversed(list(after)):
        if name in wanted and after[name]:
            wanted.add(after[name])
    return [name for name in after if name in wanted]
