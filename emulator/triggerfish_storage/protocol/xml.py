"""XML in and out: a small tree for what clients send, escaping for what we write.

Documents come from anybody, so a document type declaration (and with it every entity that
could be expanded) is refused, and depth is bounded. Text that XML cannot carry never gets
here: stores refuse it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final
from xml.parsers import expat
from xml.sax.saxutils import escape as _escape

from triggerfish_storage import errors
from triggerfish_storage.errors import StorageError

DECLARATION: Final = '<?xml version="1.0" encoding="utf-8"?>'
DEPTH_LIMIT: Final = 32
UNFIT: Final = re.compile("[\0-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")  # for any document

_IN_TEXT: Final = {"\r": "&#13;"}
_IN_ATTRIBUTE: Final = {'"': "&quot;", "\r": "&#13;", "\n": "&#10;", "\t": "&#9;"}


@dataclass(slots=True)
class Element:
    """One element; ``text`` is all character data directly inside it."""

    name: str
    attributes: dict[str, str]
    text: str = ""
    children: list[Element] = field(default_factory=list)

    def find(self, name: str) -> Element | None:
        """Return the first child of that name, if there is one."""
        return next((child for child in self.children if child.name == name), None)

    def child(self, name: str) -> Element:
        """Return the first child of that name; raises MissingRequiredXmlNode."""
        found = self.find(name)
        if found is None:
            raise StorageError(errors.MISSING_REQUIRED_XML_NODE, XmlNodeName=name)
        return found

    def child_text(self, name: str, default: str | None = None) -> str:
        """Return the text of a child; without ``default`` it must be there."""
        if default is None:
            return self.child(name).text
        found = self.find(name)
        return default if found is None else found.text


class _Builder:
    """Builds the tree while expat reads."""

    def __init__(self) -> None:
        self.open: list[Element] = []
        self.root: Element | None = None

    def start(self, name: str, attributes: dict[str, str]) -> None:
        # Clients may declare namespaces; the services' documents have none.
        element = Element(name.rpartition(":")[2], attributes)
        if self.open:
            self.open[-1].children.append(element)
        else:
            self.root = element
        self.open.append(element)
        if len(self.open) > DEPTH_LIMIT:
            raise StorageError(errors.INVALID_XML_DOCUMENT, Reason="It is nested too deeply.")

    def end(self, name: str) -> None:
        self.open.pop()

    def text(self, data: str) -> None:
        self.open[-1].text += data

    def refuse(self, *_: object) -> None:
        raise StorageError(errors.INVALID_XML_DOCUMENT, Reason="It declares a document type.")


def parse(document: bytes, root: str) -> Element:
    """Return the root element, which must be called ``root``; else InvalidXmlDocument."""
    builder = _Builder()
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.text
    parser.StartDoctypeDeclHandler = builder.refuse
    try:
        parser.Parse(document, True)
    except (expat.ExpatError, ValueError, LookupError) as error:
        raise StorageError(errors.INVALID_XML_DOCUMENT, Reason=str(error)) from error
    found = builder.root
    if found is None or found.name != root:
        raise StorageError(errors.INVALID_XML_DOCUMENT, Reason=f"Its root is not {root}.")
    return found


def escape(text: str) -> str:
    """Return ``text`` for the inside of an element; a carriage return survives."""
    return _escape(text, _IN_TEXT)


def quote(text: str) -> str:
    """Return ``text`` as an attribute's value, quotes included."""
    return f'"{_escape(text, _IN_ATTRIBUTE)}"'


def tag(name: str, text: str) -> str:
    """Return an element that holds text; without text it is closed at once."""
    return f"<{name}>{escape(text)}</{name}>" if text else f"<{name} />"


def serialise(element: Element) -> str:
    """Return the markup of a tree."""
    attributes = "".join(f" {name}={quote(value)}" for name, value in element.attributes.items())
    inside = escape(element.text if not element.children else "") + "".join(
        serialise(child) for child in element.children
    )
    if not inside:
        return f"<{element.name}{attributes} />"
    return f"<{element.name}{attributes}>{inside}</{element.name}>"


def document(markup: str) -> bytes:
    """Return a whole document around ``markup``."""
    return (DECLARATION + markup).encode("utf-8")
