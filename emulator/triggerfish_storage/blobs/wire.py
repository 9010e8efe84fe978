"""XML bodies of the Blob service, in and out.

Pure: values to bytes and back. Listings are ``list_wire``'s.

Bodies: https://learn.microsoft.com/rest/api/storageservices/put-block-list#request-body
"""

from __future__ import annotations

import re
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Mapping
from typing import Final

from triggerfish_storage import errors as common
from triggerfish_storage.blobs import errors
from triggerfish_storage.blobs.block_lists import BLOCKS_LIMIT, Block, BlockList, ListedBlock
from triggerfish_storage.blobs.page_ranges import PageRanges, Range
from triggerfish_storage.blobs.tags import check_tags
from triggerfish_storage.errors import StorageError
from triggerfish_storage.protocol import xml
from triggerfish_storage.protocol.header_text import legible

PAGE_LIST: Final = "PageList"  # the element around page ranges

_BLOCK_ID_LIMIT_BYTES: Final = 64
_SPECIAL: Final = re.compile("[&<>\r]")


def text(value: str) -> str:
    """Return a value as an element's text; most need no escaping."""
    return xml.escape(value) if _SPECIAL.search(value) else value


def header(value: str) -> str:
    """Return a value that came in a header as an element's text."""
    return text(legible(value))


# --- block lists ------------------------------------------------------------------------------


def parse_block_list(body: bytes) -> list[ListedBlock]:
    """Return the entries of a Put Block List body, in its order."""
    root = xml.parse(body, "BlockList")
    if len(root.children) > BLOCKS_LIMIT:
        raise StorageError(errors.BLOCK_LIST_TOO_LONG)
    listed: list[ListedBlock] = []
    for entry in root.children:
        block_id = check_block_id(entry.text.strip())
        match entry.name:
            case "Committed" | "Uncommitted" | "Latest":
                listed.append(ListedBlock(entry.name, block_id))
            case _:
                raise StorageError(common.INVALID_XML_DOCUMENT)
    return listed


def check_block_id(block_id: str) -> str:
    """Return a block id that is base64 of 1 to 64 bytes; raises InvalidBlockId."""
    try:
        size = len(b64decode(block_id, validate=True))
    except (Base64Error, ValueError):
        size = 0
    if not 1 <= size <= _BLOCK_ID_LIMIT_BYTES:
        raise StorageError(errors.INVALID_BLOCK_ID)
    return block_id


def block_list(found: BlockList, kind: str) -> bytes:
    """Return a Get Block List body with the ``committed``, ``uncommitted`` or ``all`` blocks."""
    parts = ["<BlockList>"]
    if kind in ("committed", "all"):
        parts += ["<CommittedBlocks>", *map(_block, found.committed), "</CommittedBlocks>"]
    if kind in ("uncommitted", "all"):
        parts += ["<UncommittedBlocks>", *map(_block, found.uncommitted), "</UncommittedBlocks>"]
    parts.append("</BlockList>")
    return xml.document("".join(parts))


def _block(block: Block) -> str:
    return f"<Block><Name>{text(block.id)}</Name><Size>{block.length}</Size></Block>"


# --- the service ------------------------------------------------------------------------------


def page_list(ranges: PageRanges) -> bytes:
    """Return a Get Page Ranges body: written and cleared ones in the order of their places."""
    found = [(*one, "PageRange") for one in ranges.written]
    found += [(*one, "ClearRange") for one in ranges.cleared]
    parts = [_range(name, begin, end) for begin, end, name in sorted(found)]
    if ranges.following is not None:
        parts.append(f"<NextMarker>{ranges.following}</NextMarker>")
    return xml.document(f"<{PAGE_LIST}>{''.join(parts)}</{PAGE_LIST}>")


def parse_page_list(body: bytes) -> tuple[list[Range], str]:
    """Return the written ranges of a Get Page Ranges body, and the marker of the next page."""
    root = xml.parse(body.removeprefix(b"\xef\xbb\xbf"), PAGE_LIST)
    return written_pages(root), root.child_text("NextMarker", "")


def written_pages(page_list: xml.Element) -> list[Range]:
    """Return the written ranges of a document that Get Page Ranges gives."""
    return [
        (int(one.child_text("Start")), int(one.child_text("End")) + 1)
        for one in page_list.children
        if one.name == "PageRange"
    ]


def _range(name: str, begin: int, end: int) -> str:
    return f"<{name}><Start>{begin}</Start><End>{end - 1}</End></{name}>"


# --- tags -------------------------------------------------------------------------------------


def parse_tags(body: bytes) -> dict[str, str]:
    """Return the tags of a Set Blob Tags body."""
    sets = [each for each in xml.parse(body, "Tags").children if each.name == "TagSet"]
    if len(sets) != 1:
        raise StorageError(common.INVALID_XML_DOCUMENT)
    return check_tags(
        [(tag.child_text("Key"), tag.child_text("Value")) for tag in sets[0].children]
    )


def tags_document(tags: Mapping[str, str]) -> bytes:
    """Return a Get Blob Tags body."""
    return xml.document(tag_set(tags))


def tag_set(tags: Mapping[str, str]) -> str:
    """Return tags as an element."""
    inside = "".join(
        f"<Tag><Key>{text(key)}</Key><Value>{text(value)}</Value></Tag>"
        for key, value in tags.items()
    )
    return f"<Tags><TagSet>{inside}</TagSet></Tags>"
