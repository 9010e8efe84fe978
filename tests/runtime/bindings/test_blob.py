"""Spec blob-trigger.md, sections 7 to 10: what blobs look like to functions, and back."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

import pytest

from triggerfish.bindings.blob import BlobInput, BlobOutput, BlobTrigger
from triggerfish.bindings.plan import BindingFailure, Scope
from triggerfish.expressions import BindingData, ExpressionError, Template
from triggerfish.model import NOTHING, Datum, PutBlob, TriggerEvent
from triggerfish.path_pattern import PathPattern
from triggerfish.storage.account import Account, Blob, BlobProperties

if TYPE_CHECKING:
    from conftest import Keep

NOW = datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)
PNG = b"\x89PNG\r\n\x1a\n\xff\xfe\x00"


class Blobs:
    """Blobs in memory."""

    def __init__(self, **stored: bytes) -> None:
        self.stored = stored
        self.asked: list[str] = []

    async def get(self, container: str, blob: str) -> Blob | None:
        self.asked.append(f"{container}/{blob}")
        content = self.stored.get(blob)
        return None if content is None else stored(blob, content, container=container)


def account(blobs: Blobs | None = None) -> Account:
    class Fake:
        pass

    fake: Any = Fake()
    fake.blobs = blobs or Blobs()
    return cast("Account", fake)


def stored(
    name: str, content: bytes = b"content", *, container: str = "uploads", **metadata: str
) -> Blob:
    properties = BlobProperties(
        container=container,
        name=name,
        uri=f"http://h/a/{container}/{name}",
        etag='"0x1"',
        blob_type="BlockBlob",
        length=len(content),
        created_at=NOW,
        modified_at=NOW,
        metadata=metadata,
    )
    return Blob(properties, content)


def trigger(path: str = "uploads/{name}.{extension}", blobs: Blobs | None = None) -> BlobTrigger:
    port = account(blobs)
    return BlobTrigger("F", "blob", PathPattern.parse(path), port, port)


def event(one: BlobTrigger, blob: Blob) -> TriggerEvent:
    return one.event(blob, attempt=2, details="details")


def rendered(template: str, given: TriggerEvent) -> str:
    return Template.parse(template).render(given.binding_data, function="F", now=NOW)


# --- trigger ----------------------------------------------------------------------------------


def test_a_function_is_given_content_and_description() -> None:
    given = event(trigger(), stored("a.txt", PNG, owner="ann"))

    assert given.datum == Datum("bytes", PNG)
    assert given.payload == PNG
    assert (given.source, given.attempt, given.details) == ("uploads/a.txt", 2, "details")
    assert given.reason == "New blob detected: uploads/a.txt"
    metadata = dict(given.metadata)
    properties = json.loads(metadata.pop("Properties").value)
    assert metadata == {
        "BlobTrigger": "uploads/a.txt",
        "Uri": "http://h/a/uploads/a.txt",
        "Metadata": Datum("json", '{"owner": "ann"}'),
        "name": "a",
        "extension": "txt",
    }
    assert (properties["ContentLength"], properties["Length"]) == (len(PNG), len(PNG))
    assert properties["LastModified"] == "2024-01-02T03:04:05+00:00"
    assert (properties["ETag"], properties["BlobType"]) == ('"0x1"', "BlockBlob")


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{name}-{EXTENSION}", "a-txt"),
        ("{blobTrigger}", "uploads/a.txt"),
        ("[{uri}]", "[]"),
        ("{metadata.owner}", "ann"),
        ("{properties.contentLength}", "7"),
    ],
)
def test_expressions_name_what_is_known_of_a_blob(template: str, text: str) -> None:
    assert rendered(template, event(trigger(), stored("a.txt", owner="ann"))) == text


def test_what_is_captured_hides_what_is_known() -> None:
    given = event(trigger("uploads/{uri}/{blobtrigger}"), stored("x/y"))

    assert rendered("{uri}+{blobTrigger}", given) == "x+y"
    assert (given.metadata["Uri"], given.metadata["BlobTrigger"]) == ("x", "y")
    assert "uri" not in given.metadata


def test_a_blob_of_no_bytes_is_an_event_like_any_other() -> None:
    given = event(trigger(), stored("a.txt", b""))

    assert given.datum == Datum("bytes", b"")
    assert json.loads(given.metadata["Properties"].value)["ContentLength"] == 0


@pytest.mark.parametrize("name", ["a b.txt", "100%.x", "#1.x", "a+b.c", "größe/日本語.txt"])
def test_names_are_shown_as_they_are(name: str) -> None:
    given = event(trigger("uploads/{name}"), stored(name))

    assert given.metadata["BlobTrigger"] == f"uploads/{name}"
    assert given.metadata["name"] == name


def test_a_replay_gives_the_same_blob_again(keep: Keep) -> None:
    first = event(trigger(), stored("a.txt", PNG, owner="ann"))

    again = trigger().again(keep("blobTrigger", first))

    assert (again.datum, again.metadata) == (first.datum, first.metadata)
    assert again.binding_data == first.binding_data
    assert (again.replay_of, again.reason) == ("first", "Replay of 'first'.")


def test_what_was_refused_for_want_of_a_blob_cannot_be_replayed(keep: Keep) -> None:
    kept = keep("blobTrigger", event(trigger(), stored("a.txt")))

    with pytest.raises(BindingFailure, match="had no blob"):
        trigger().again(kept._replace(metadata={}))


async def test_a_run_by_hand_takes_the_path_of_a_blob() -> None:
    one = trigger(blobs=Blobs(**{"a.txt": b"here"}))

    given = await one.by_hand("uploads/a.txt", now=NOW)

    assert given.payload == b"here"
    assert given.reason == "This function was programmatically called via the host APIs."


@pytest.mark.parametrize("text", ["", "uploads", "uploads/", "uploads/missing"])
async def test_a_run_by_hand_needs_a_blob_that_is_there(text: str) -> None:
    with pytest.raises(BindingFailure, match=f"There is no blob '{text}'"):
        await trigger().by_hand(text, now=NOW)


async def test_a_run_by_hand_with_another_path_says_what_it_cannot_name() -> None:
    given = await trigger(blobs=Blobs(other=b"")).by_hand("uploads/other", now=NOW)

    with pytest.raises(ExpressionError, match="'name': the blob 'uploads/other' does not fit"):
        rendered("{name}", given)


# --- input ------------------------------------------------------------------------------------


def scope(**data: object) -> Scope:
    return Scope("invocation", "F", NOW, BindingData(data))


def blob_input(blobs: Blobs, path: str = "data/{id}", *, binary: bool = False) -> BlobInput:
    return BlobInput("extra", Template.parse(path), binary, account(blobs))


async def test_an_input_is_the_blob_its_path_names() -> None:
    blobs = Blobs(**{"7": b"seven"})

    assert await blob_input(blobs).fetch(scope(id="7")) == Datum("string", "seven")
    assert blobs.asked == ["data/7"]


async def test_a_missing_input_is_nothing() -> None:
    assert await blob_input(Blobs()).fetch(scope(id="7")) == NOTHING


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("größe".encode(), "größe"),
        (b"\xef\xbb\xbfwith a mark", "with a mark"),
        (b"half \xff", "half \ufffd"),
        (b"", ""),
    ],
)
async def test_an_input_is_text_unless_it_is_binary(content: bytes, text: str) -> None:
    assert await blob_input(Blobs(a=content)).fetch(scope(id="a")) == Datum("string", text)
    binary = blob_input(Blobs(a=content), binary=True)
    assert await binary.fetch(scope(id="a")) == Datum("bytes", content)


async def test_binary_content_is_damaged_as_text_and_whole_as_bytes() -> None:
    as_text = await blob_input(Blobs(a=PNG)).fetch(scope(id="a"))
    as_bytes = await blob_input(Blobs(a=PNG), binary=True).fetch(scope(id="a"))

    assert as_text.value.encode() != PNG
    assert as_bytes.value == PNG


@pytest.mark.parametrize("name", ["", "Bad/", "x" * 1025])
async def test_a_path_that_cannot_be_fails_the_invocation(name: str) -> None:
    with pytest.raises(BindingFailure, match="'extra'"):
        await blob_input(Blobs(), "data/{id}").fetch(scope(id=name))


async def test_a_missing_value_says_why_it_is_missing() -> None:
    data = BindingData({}, why_missing=lambda: "the message is not a JSON object")
    without = Scope("invocation", "F", NOW, data)

    with pytest.raises(
        ExpressionError,
        match="No value for named parameter 'id': the message is not a JSON object",
    ):
        await blob_input(Blobs()).fetch(without)


# --- output -----------------------------------------------------------------------------------


def written(value: Datum, path: str = "out/{id}.txt", **data: object) -> PutBlob:
    output = BlobOutput("out", Template.parse(path), account())
    [effect] = output.effects(value, scope(**{"id": "7", **data}))
    assert isinstance(effect, PutBlob)
    return effect


@pytest.mark.parametrize(
    ("value", "content"),
    [
        (Datum("string", "größe"), "größe".encode()),
        (Datum("string", '{"a":1}'), b'{"a":1}'),
        (Datum("string", ""), b""),
        (Datum("bytes", PNG), PNG),
        (Datum("bytes", b""), b""),
    ],
)
def test_an_output_is_written_byte_for_byte(value: Datum, content: bytes) -> None:
    effect = written(value)

    assert (effect.container, effect.blob, effect.content) == ("out", "7.txt", content)
    assert effect.metadata == {"AzureWebJobsParentId": "invocation"}


def test_an_output_may_have_a_new_name_every_time() -> None:
    first = written(Datum("string", "x"), "out/{rand-guid}")
    second = written(Datum("string", "x"), "out/{rand-guid}")

    assert first.blob != second.blob
    assert written(Datum("string", "x"), "out/{DateTime:yyyy-MM-dd}").blob == "2024-01-02"


@pytest.mark.parametrize("name", ["x.", "a\\b", "dir/"])
def test_an_output_with_a_bad_name_fails_the_invocation(name: str) -> None:
    with pytest.raises(BindingFailure, match="is no path container/blob"):
        written(Datum("string", "x"), "out/{id}", id=name)


def test_half_a_character_cannot_be_written() -> None:
    with pytest.raises(BindingFailure, match="UTF-8"):
        written(Datum("string", "half \ud800"))
