"""Encoders of JSON that are made once, for what is written for every message.

``json.dumps`` and ``JSONEncoder.encode`` make an encoder in C anew for each call, which takes
longer than writing a small document. Where there is none to be kept, they are used all the same.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from json import encoder as standard
from typing import Any

Encode = Callable[[Any], str]


def encoder(
    item_separator: str = ",",
    key_separator: str = ":",
    *,
    ascii_only: bool = True,
    default: Callable[[Any], Any] | None = None,
) -> Encode:
    """Return a function that writes a value, as ``json.dumps`` with these options does.

    Values that contain themselves end in a ``RecursionError``.
    """
    options = json.JSONEncoder(
        ensure_ascii=ascii_only,
        check_circular=False,
        separators=(item_separator, key_separator),
        default=default,
    )
    make: Any = getattr(standard, "c_make_encoder", None)
    write_text: Any = standard.encode_basestring_ascii if ascii_only else standard.encode_basestring
    try:
        pieces = make(
            *(None, options.default, write_text, None),
            *(key_separator, item_separator, False, False, True),
        )
    except TypeError:  # another implementation of Python, or a version with other ideas
        return options.encode

    def encode(value: Any) -> str:
        return "".join(pieces(value, 0))

    return encode
