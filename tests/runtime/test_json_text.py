"""Encoders that are made once write what the standard library writes."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triggerfish.worker.json_text import encoder

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
DOCUMENTS = st.recursive(
    SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20
)


@given(DOCUMENTS, st.booleans())
def test_a_document_is_written_as_by_the_standard_library(document: object, ascii_only: bool):
    encode = encoder(", ", " : ", ascii_only=ascii_only)

    expected = json.dumps(document, separators=(", ", " : "), ensure_ascii=ascii_only)
    assert encode(document) == expected


@pytest.mark.parametrize("refusal", ["there is none", "it wants other arguments"])
def test_without_an_encoder_to_keep_the_standard_library_writes(
    monkeypatch: pytest.MonkeyPatch, refusal: str
):
    def refuse(*_: object) -> object:
        raise TypeError(refusal)

    with monkeypatch.context() as patched:
        missing = refusal == "there is none"
        patched.setattr("json.encoder.c_make_encoder", None if missing else refuse)
        encode = encoder()

    assert encode({"a": [1, "ü"]}) == '{"a":[1,"\\u00fc"]}'


def test_what_is_no_json_is_given_to_the_default():
    assert encoder(default=str)([object]) == "[\"<class 'object'>\"]"
    with pytest.raises(TypeError):
        encoder()([object])


def test_what_contains_itself_is_refused():
    endless: list[object] = []
    endless.append(endless)

    with pytest.raises(RecursionError):
        encoder()(endless)
