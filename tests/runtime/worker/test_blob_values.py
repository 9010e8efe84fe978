"""Blobs in and out, by the tables of spec blob-trigger.md, 7, 9 and 10."""

from __future__ import annotations

import io
import json

import azure.functions as func
import pytest

from triggerfish.worker.converters import Binding, BindingError

BLOB = {
    "BlobTrigger": "samples/a.txt",
    "Uri": "http://127.0.0.1:10000/devstoreaccount1/samples/a.txt",
    "Properties": ("json", json.dumps({"ContentLength": 5, "ContentType": "text/plain"})),
    "Metadata": ("json", json.dumps({"key": "value"})),
}


@pytest.mark.parametrize("annotation", [None, func.InputStream])
def test_a_blob_trigger_gives_a_stream(annotation, given):
    stream = given(Binding("p", "blobTrigger", "in"), ("bytes", b"hello"), BLOB, annotation)

    assert (stream.name, stream.length, stream.uri) == ("samples/a.txt", 5, BLOB["Uri"])
    assert stream.blob_properties["ContentType"] == "text/plain"
    assert stream.metadata == {"key": "value"}
    assert (stream.read(2), stream.read(), stream.readable()) == (b"he", b"llo", True)


@pytest.mark.parametrize("annotation", [str, bytes])
def test_a_blob_trigger_gives_bytes_whatever_the_annotation(annotation, given):
    value = given(Binding("p", "blobTrigger", "in"), ("bytes", b"\xff"), BLOB, annotation)

    assert value == b"\xff"


def test_an_empty_blob_has_no_length(given):
    metadata = {**BLOB, "Properties": ("json", json.dumps({"ContentLength": 0}))}

    stream = given(Binding("p", "blobTrigger", "in"), ("bytes", b""), metadata)

    assert (stream.length, stream.read()) == (None, b"")


def test_a_blob_input_of_text_is_a_stream_of_utf_8(given):
    stream = given(Binding("p", "blob", "in"), ("string", "ü"))

    assert (stream.read(), stream.name, stream.length) == ("ü".encode(), None, None)


def test_a_blob_input_beside_a_blob_trigger_shows_the_trigger_blob(call):
    seen = []
    call(
        lambda p, t: seen.append(p.name),
        Binding("t", "blobTrigger", "in"),
        Binding("p", "blob", "in"),
        inputs={"t": ("bytes", b""), "p": ("bytes", b"")},
        metadata=BLOB,
    )

    assert seen == ["samples/a.txt"]


@pytest.mark.parametrize("annotation", [None, func.InputStream, str, bytes])
def test_a_blob_that_is_not_there_is_none(annotation, given):
    assert given(Binding("p", "blob", "in"), ("none", None), None, annotation) is None


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, ("none", None)),
        ("ü", ("string", "ü")),
        ('{"a":1}', ("string", '{"a":1}')),
        (b"\xff", ("bytes", b"\xff")),
        (b"", ("bytes", b"")),
        (bytearray(b"ab"), ("bytes", b"ab")),
    ],
)
def test_what_a_blob_output_writes(value, expected, written):
    assert written("blob", value) == expected


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: io.BytesIO(b"ab"), ("bytes", b"ab")),
        (lambda: io.StringIO("ab"), ("string", "ab")),
    ],
)
def test_a_blob_output_reads_what_can_be_read(make, expected, call):
    outputs = call(
        lambda t: make(),
        Binding("t", "timerTrigger", "in"),
        Binding("$return", "blob", "out"),
        inputs={"t": ("json", "{}")},
    )

    assert outputs["$return"] == expected


@pytest.mark.parametrize("value", [7, {"a": 1}, ["a"]])
def test_what_a_blob_output_cannot_write_fails(value, written):
    with pytest.raises(BindingError, match=r"\(blob\): give it a str, bytes, or an object"):
        written("blob", value)
