"""XML from anybody is read or refused, and what we write reads back."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from triggerfish_storage.errors import StorageError
from triggerfish_storage.protocol import xml

LEGAL = st.text(
    st.characters(
        blacklist_categories=("Cs",),
        blacklist_characters=[
            *map(chr, range(9)),
            "\x0b",
            "\x0c",
            *map(chr, range(14, 32)),
            "\ufffe",
            "\uffff",
        ],
    )
)
NAMES = st.from_regex(r"[A-Za-z][A-Za-z0-9_.-]{0,8}", fullmatch=True)


@given(name=NAMES, text=LEGAL)
def test_text_survives(name: str, text: str) -> None:
    document = xml.document(f"<{name}>{xml.escape(text)}</{name}>")

    assert xml.parse(document, name).text == text


@settings(max_examples=40)
@given(name=NAMES, attributes=st.dictionaries(NAMES, LEGAL, max_size=3), text=LEGAL)
def test_an_element_survives(name: str, attributes: dict[str, str], text: str) -> None:
    element = xml.Element("Root", attributes, children=[xml.Element(name, {}, text)])

    assert xml.parse(xml.document(xml.serialise(element)), "Root") == element


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"text",
        b"<Root>",
        b"<Root></Other>",
        b"<Other />",
        b"<Root>\x00</Root>",
        b"<Root>\xff</Root>",
        b"<Root>&undefined;</Root>",
        b"<Root>&#0;</Root>",
        b'<?xml version="1.0" encoding="nonsense"?><Root />',
        b"<Root /><Root />",
        b"<!DOCTYPE Root><Root />",
        b'<!DOCTYPE Root [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><Root>&b;</Root>',
        b'<!DOCTYPE Root [<!ENTITY a SYSTEM "file:///etc/passwd">]><Root>&a;</Root>',
        b"<Root>" + b"<a>" * 1000 + b"</a>" * 1000 + b"</Root>",
    ],
)
def test_what_is_no_document_of_ours_is_refused(document: bytes) -> None:
    with pytest.raises(StorageError, match="400 InvalidXmlDocument"):
        xml.parse(document, "Root")


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(document: bytes) -> None:
    try:
        found = xml.parse(document, "Root")
    except StorageError as error:
        refusal = error.error.code
    else:
        refusal = None
        assert found.name == "Root"

    assert refusal in (None, "InvalidXmlDocument")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1"])
def test_documents_in_other_encodings_are_read(encoding: str) -> None:
    named = {"utf-8-sig": "utf-8", "latin-1": "iso-8859-1"}.get(encoding, encoding)
    text = f'<?xml version="1.0" encoding="{named}"?><Root>é</Root>'

    assert xml.parse(text.encode(encoding), "Root").text == "é"


def test_a_child_that_must_be_there_is_named_where_it_is_not() -> None:
    root = xml.parse(b"<a:Root xmlns:a='x'><a:Id>1</a:Id></a:Root>", "Root")

    assert root.child_text("Id") == "1"
    assert root.child_text("Other", "none") == "none"
    with pytest.raises(StorageError, match=r"MissingRequiredXmlNode.*Other"):
        root.child_text("Other")
