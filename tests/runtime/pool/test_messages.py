"""Requests as frames: what is sent once, and what is sent as it is."""

from __future__ import annotations

import pytest

from triggerfish.model import Datum, InvocationRequest
from triggerfish.pool.messages import invoke_frame
from triggerfish.worker.frames import INLINE_CHARACTERS, Decoder

LONG = "x" * (INLINE_CHARACTERS + 1)


def sent(inputs: dict[str, Datum], metadata: dict[str, str | Datum]) -> tuple[dict, dict, int]:
    """Return metadata and copies of a request's head, and the size of its payload."""
    [(head, payload)] = Decoder().feed(
        invoke_frame(1, InvocationRequest("id", "f", inputs, metadata))
    )
    return head[5], head[6], len(payload)


def test_a_long_text_that_metadata_repeats_is_sent_once():
    inputs = {"msg": Datum("string", LONG)}

    assert sent(inputs, {"QueueTrigger": LONG}) == (
        {},
        {"QueueTrigger": "msg"},
        len(LONG),
    )


@pytest.mark.parametrize(
    ("field", "form", "size"),
    [
        ("y" + LONG, ["S", len(LONG) + 1], 2 * len(LONG) + 1),
        (Datum("json", LONG), ["J", len(LONG)], 2 * len(LONG)),
        ("short", "short", len(LONG)),
        (Datum("json", "7"), ["j", "7"], len(LONG)),
        (Datum("none"), None, len(LONG)),
    ],
)
def test_other_metadata_is_sent_as_it_is(field, form, size):
    inputs = {"msg": Datum("string", LONG)}

    assert sent(inputs, {"field": field}) == ({"field": form}, {}, size)
