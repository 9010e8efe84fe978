"""Where literals with captures between them stand in a text: paths of blobs, parts of routes.

Pure, and linear where a regular expression with several captures is not: names of blobs and
paths of requests come from outside.
"""

from __future__ import annotations

from collections.abc import Sequence


def capture_spans(
    text: str, literals: Sequence[str], *, shortest: int = 0
) -> list[tuple[int, int]] | None:
    """Return the spans between ``literals``, each ``shortest`` long or longer, None if none fit.

    There is one capture less than there are literals. The leftmost capture is the greediest:
    so each literal, from the last to the first, stands as far to the right as it can.
    """
    if not text.endswith(literals[-1]) or not text.startswith(literals[0]):
        return None
    end = len(text) - len(literals[-1])
    spans: list[tuple[int, int]] = []
    for literal in reversed(literals[1:-1]):
        start = text.rfind(literal, 0, max(end - shortest, 0))
        if start < 0:
            return None
        spans.append((start + len(literal), end))
        end = start
    if end - len(literals[0]) < shortest:
        return None
    spans.append((len(literals[0]), end))
    spans.reverse()
    return spans
