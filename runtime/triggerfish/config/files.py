"""Reads the app's JSON files, and tells what is wrong with one by file, line and column."""

from __future__ import annotations

import codecs
from pathlib import Path
from typing import Any, Final

from triggerfish import lenient_json
from triggerfish.config.errors import ConfigError

_MARKS: Final = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),  # the beginning of UTF-32's, so after it
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def read_object(path: Path, *, name: str = "") -> dict[str, Any] | None:
    """Return the JSON object in a file, None where there is no file. Raises ``ConfigError``.

    ``name`` is what messages call the file, where its own name says too little.
    """
    name = name or path.name
    try:
        text = _decoded(path.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        problem = f"cannot be read ({error.strerror})"
        raise ConfigError(
            problem, file=name, remedy="Make it a file that this user may read."
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigError("is not UTF-8 text", file=name, remedy="Save it as UTF-8.") from error
    return parse_object(text, name=name)


def _decoded(content: bytes) -> str:
    """Return a file's text; the real host looks for these marks, and Windows' shell writes them."""
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            return content.decode(encoding)
    return content.decode("utf-8-sig")


def parse_object(text: str, *, name: str) -> dict[str, Any]:
    """Return the JSON object that ``text`` is. Raises ``ConfigError``."""
    try:
        document = lenient_json.loads(text)
    except lenient_json.LenientJsonError as error:
        raise ConfigError(
            f"unable to parse it as JSON, at line {error.line}, column {error.column}: "
            f"{error.message}",
            file=name,
            remedy="Correct the file at that place.",
        ) from error
    if not isinstance(document, dict):
        raise ConfigError(
            "holds no JSON object", file=name, remedy="The whole file must be one { … }."
        )
    return document
