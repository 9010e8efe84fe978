"""Names of blobs, containers, queues and tables as paths of files, and back.

The rule: a blob's name is its path, where every usual file system can hold that path. Else its
file lies under ``~`` with a name made of a hash, and the manifest says which blob it is. A name
of a container, queue or table that Windows reserves (``con``) gets a ``~`` in front.

Pure. What a path must not be: https://learn.microsoft.com/windows/win32/fileio/naming-a-file
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from typing import Final

APART: Final = "~"
SEGMENT_LIMIT_BYTES: Final = 200
PATH_LIMIT_BYTES: Final = 400

_AWKWARD: Final = re.compile(r'[\x00-\x1f\x7f-\x9f<>:"\\|?*\ud800-\udfff]')
_DEVICE: Final = re.compile(r"(?:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(?:\..*)?", re.IGNORECASE)
# Files that people and their systems leave in folders, and that nobody means as a blob.
_LITTER: Final = frozenset({".ds_store", ".gitignore", ".gitkeep", "desktop.ini", "thumbs.db"})


def plain_path(blob: str) -> str | None:
    """Return the path at which a blob's name can stand as it is; None where it cannot."""
    segments = blob.split("/")
    is_plain = (
        segments[0] != APART
        and len(blob.encode("utf-8", "surrogatepass")) <= PATH_LIMIT_BYTES
        and unicodedata.is_normalized("NFC", blob)  # macOS does not keep other forms apart
        and all(map(_is_plain, segments))
        and segments[-1].lower() not in _LITTER
    )
    return blob if is_plain else None


def path_apart(blob: str, snapshot: str = "") -> str:
    """Return a path for a blob that cannot have a plain one, and for snapshots."""
    text = f"{snapshot}\0{blob}".encode("utf-8", "surrogatepass")
    return f"{APART}/{hashlib.sha256(text).hexdigest()[:32]}"


def folded(path: str) -> str:
    """Return what two paths share that are one file where letter case does not count."""
    return unicodedata.normalize("NFC", path.casefold())


def is_litter(path: str) -> bool:
    """Whether a file that no manifest names is nobody's blob, such as ``.DS_Store``."""
    return path.rpartition("/")[2].lower() in _LITTER


def file_stem(resource: str) -> str:
    """Return how the folder or file of a container, queue or table is called."""
    return APART + resource if _DEVICE.fullmatch(resource) else resource


def resource_of(stem: str) -> str:
    """Undo ``file_stem``."""
    return stem.removeprefix(APART)


def _is_plain(segment: str) -> bool:
    return (
        segment not in ("", ".", "..")
        and segment[-1] not in ". "
        and segment[0] != " "
        and len(segment.encode("utf-8", "surrogatepass")) <= SEGMENT_LIMIT_BYTES
        and _AWKWARD.search(segment) is None
        and _DEVICE.fullmatch(segment) is None
    )
