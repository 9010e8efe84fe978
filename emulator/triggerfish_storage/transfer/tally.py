"""How much was transferred, counted by kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Final

Advance = Callable[[int], None]

FILE_BYTES: Final = 4096  # what a file costs beside its bytes, for how far a transfer is

_NAMES: Final = {
    "containers": "container",
    "blobs": "blob",
    "queues": "queue",
    "messages": "message",
    "tables": "table",
    "entities": "entity",
}


@dataclass(slots=True)
class Tally:
    """Counts of what was written, and of what was there before and stayed or was replaced."""

    containers: int = 0
    blobs: int = 0
    queues: int = 0
    messages: int = 0
    tables: int = 0
    entities: int = 0
    size_bytes: int = 0
    kept: int = 0
    replaced: int = 0

    def add(self, other: Tally) -> None:
        """Count what another one counted, too."""
        for name, count in asdict(other).items():
            setattr(self, name, getattr(self, name) + count)

    @classmethod
    def of(cls, document: Mapping[str, int]) -> Tally:
        """Undo ``document``."""
        counts = {name: count for name, count in document.items() if name != "bytes"}
        return cls(**counts, size_bytes=document["bytes"])

    def document(self) -> Mapping[str, int]:
        """Return the counts for programs."""
        counts = asdict(self)
        return {"bytes" if name == "size_bytes" else name: counts[name] for name in counts}

    def __str__(self) -> str:
        counts = asdict(self)
        said = [
            f"{counts[names]} {name if counts[names] == 1 else names}"
            for names, name in _NAMES.items()
            if counts[names]
        ]
        text = ", ".join(said) or "nothing"
        text += f"; {self.kept} kept as they were" if self.kept else ""
        return text + (f"; {self.replaced} replaced" if self.replaced else "")


def unwatched(_: int) -> None:
    """Take note of progress that nobody watches."""
