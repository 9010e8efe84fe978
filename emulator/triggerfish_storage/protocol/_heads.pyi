from collections.abc import Sequence

def read_head(
    data: bytes, /
) -> tuple[str, str, dict[str, str], Sequence[tuple[bytes, bytes]], int, int] | None:
    """Return what the head says that ``data`` begins with, or None where that is not plain.

    Method and target, headers by lower-case name, those that are metadata as they were sent, and
    the bytes that the head has and that its body has.
    """
