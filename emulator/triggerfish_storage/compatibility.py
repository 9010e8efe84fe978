"""Writes the compatibility page from the operation tables of the three services.

``python -m triggerfish_storage.compatibility docs/reference`` writes it; a test fails where
the page is not what the tables say. What the REST reference documents and no row answers is
listed too, from the names below, and so are clients that differ.

Operations: https://learn.microsoft.com/rest/api/storageservices/
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Any, Final

from triggerfish_storage.blobs import operations as blobs
from triggerfish_storage.blobs.errors import HIERARCHICAL_NAMESPACE_NOT_ENABLED
from triggerfish_storage.blobs.handlers.service import refuse, refuse_path
from triggerfish_storage.errors import NOT_IMPLEMENTED, ErrorCode
from triggerfish_storage.protocol.operations import Handler, Operation
from triggerfish_storage.queues import operations as queues
from triggerfish_storage.tables import operations as tables

PAGE: Final = "compatibility.md"
SERVICES: Final[Mapping[str, Sequence[Operation[Any]]]] = {
    "Blob": blobs.OPERATIONS,
    "Queue": queues.OPERATIONS,
    "Table": tables.OPERATIONS,
}
# Documented for the service, and perhaps no row of its table.
DOCUMENTED: Final[Mapping[str, Sequence[str]]] = {
    "Blob": (),
    "Queue": (),
    "Table": (),
}
REFUSALS: Final[Mapping[Handler[Any], ErrorCode]] = {
    refuse: NOT_IMPLEMENTED,
    refuse_path: HIERARCHICAL_NAMESPACE_NOT_ENABLED,
}
# What of a client does not work here as in the cloud, and why: found by tests/clients.
CLIENTS: Final[Sequence[tuple[str, str, str]]] = (
    (
        "adlfs: a store of Zarr",
        "with `use_listings_cache=False`",
        "its cached listings do not know of what Zarr writes meanwhile",
    ),
    (
        "Apache Libcloud: signed URLs",
        "403 for names with spaces or beyond ASCII",
        "it signs the name as it is escaped; the rules ask for the name itself",
    ),
    (
        "AzCopy: all commands",
        "with `--from-to` or `--location`; `make` takes neither",
        "it tells a service by its host name, which is an address here",
    ),
    (
        "Azure CLI: `az storage blob rewrite`",
        "done, but its answer is printed with `--output none` only",
        "the CLI takes the MD5 in it for text",
    ),
    (
        "Azure CLI: `az storage blob sync`",
        "no; `azcopy sync --from-to=LocalBlob` works",
        "it starts AzCopy without telling it what the URL is",
    ),
    (
        "Azure CLI: `az storage cors list`, `metrics show`",
        "with `--services bqt`",
        "they ask Files too, in the cloud",
    ),
    (
        "Azure CLI: `az storage queue stats`",
        "no; `az storage table stats` works",
        "it asks for the secondary in the cloud, and takes no other",
    ),
    (
        "blobxfer: downloads of blobs without metadata",
        "fail, as with Azurite",
        "it wants an empty `Metadata` in listings; of that today's SDK for Python makes None",
    ),
    (
        "boostedblob: empty files",
        "403 with an account's key",
        "it signs their length as `0`; the rules ask for nothing in its place",
    ),
    (
        "Daft: globs, and names with spaces or beyond ASCII",
        "nothing is found, as with Azurite",
        "it asks for prefixes that begin with `/`, and escapes names twice",
    ),
    (
        "fast-azure-storage, MosaicML Streaming, uploadfs",
        "over HTTPS, with the account's host name in the cloud leading here",
        "they take no other address",
    ),
    (
        "FlyStorage: copies and moves",
        "with a public container; else 404 CannotVerifyCopySource",
        "it uses Copy Blob From URL with an address that is not signed, as Azurite allows",
    ),
    (
        "JavaScript: `azure-storage` before 1.0",
        "with the account's name in the host name",
        "it leaves out the path of an endpoint",
    ),
    (
        "JavaScript: `@azure/storage-queue`",
        "a message loses its line feeds; base64 keeps them",
        "the client leaves them out before it sends",
    ),
    (
        "metadata beyond ASCII, with all clients",
        "kept byte for byte; Azure's reference wants it encoded",
        "their bytes differ: Python with asyncio sends UTF-8, without it Latin-1, Node either",
    ),
    (
        "Python: `azure-data-tables` 12.4",
        "keys that are empty are missing from what it reads",
        "the client drops them",
    ),
    (
        "Python: batches of `azure-data-tables` before 12.3, `azure-storage-blob` 12.0",
        "over HTTPS only",
        "they are sent so whatever the endpoint says",
    ),
    (
        "Python: `azure-storage` 0.36, large downloads",
        "with the account's name in the host name",
        "it leaves out the path of an endpoint from the second part on",
    ),
    (
        "Python: `azure-storage-queue`",
        "a carriage return in a message becomes a line feed; base64 keeps it",
        "the client sends it as it is, and XML makes a line feed of it",
    ),
    (
        "object_store (obstore, Delta Lake, Polars): signed URLs",
        "403 for names with spaces or beyond ASCII",
        "it signs the name as it is escaped; the rules ask for the name itself",
    ),
    (
        "OpenDAL: signed URLs",
        "with the account's name in the host name",
        "of an address with the account in its path it signs the account twice",
    ),
    (
        "pyarrow: `AzureFileSystem.move`",
        "not implemented, says the client",
        "it needs a hierarchical namespace",
    ),
    (
        "Ruby: signed URLs of `azure-storage-blob`",
        "with the account's name in the host name; 403 for names with spaces or beyond ASCII",
        "it signs the path of the address as it is, escaped and with the account in it",
    ),
    (
        "TensorFlow I/O: `tf.io.gfile.copy`",
        "never ends, as with Azurite; `rename` works",
        "it does not tell TensorFlow that a file has ended",
    ),
    (
        "unstorage: the driver `azure-storage-table`",
        "over HTTPS",
        "the client of tables refuses to send over HTTP, and the driver does not allow it",
    ),
    (
        "rclone 1.60, Debian's",
        "with a SAS URL; later ones with account, key and endpoint too",
        "from a key it makes an address below the cloud's",
    ),
)
_GENERATED: Final = (
    "<!-- Written by `python -m triggerfish_storage.compatibility docs/reference`. -->"
)
_OPENING: Final = f"""{_GENERATED}

# Compatibility

What the storage account answers, operation by operation. The names and the requests are those
of the [REST reference](https://learn.microsoft.com/rest/api/storageservices/). "yes" means: as
documented there, with its errors. What is not implemented is answered with the error that the
table names, and else as a request that no service knows.

| of all services | answered |
| --- | --- |
| preflight requests (`OPTIONS`) | by the CORS rules of the service's properties |
| `x-ms-version` | any; one newer than the newest known as that one |
| SharedKey, SharedKeyLite, account SAS, service SAS, stored access policies | checked |
| the letters of a SAS (`sp`) | in any order; the reference has one for those of a service |
| headers that a SAS overrides (`rscd` …) | where it signs them, which an account SAS does not |
| the date that is signed with a key (`x-ms-date`) | any: clocks can be moved here |
| user delegation SAS | checked; keys last seven days at most, and as long as the account's key |
| bearer tokens | with `--oauth basic`: taken, without checking who signed them; else refused |
| the secondary endpoint (`ACCOUNT-secondary`) | reads, always in step with the primary |
| structured messages (`x-ms-structured-body`) | checked and given, with CRC-64 |
| logging and metrics of the service's properties | kept and given back; nothing is logged |
| query options of tables but `$filter`, `$select` and `$top` | refused with 501 NotImplemented |
| functions and arithmetic in `$filter` | refused with 501 NotImplemented |
| `$filter` on `TableName` | without regard to case, as a table is addressed |
| copies | done when they are answered, so that there is none for Abort Copy Blob |
| incremental copies | done at once; of those from another account all that is written differs |
| sources of copies | public or signed, or a token comes along; Copy Blob alone takes the key |
| rehydration of archived blobs | at once, or pending for `--rehydrate-after` seconds whatever the \
priority; a copy out of the archive counts as copied meanwhile |
| keys of customers (`x-ms-encryption-key`) | asked for as documented, over HTTP too; nothing is \
encrypted, and of a key its hash is kept |
| encryption scopes | any legal name is one; kept, given back, compared; containers' and signed \
(`ses`) ones count |
| differences of page ranges | what was written and cleared again since the snapshot is not named |
| tiers of page blobs | as they are set; none is inferred, as Premium accounts do |
| system containers (`include=system`, `$logs`, `$blobchangefeed`) | there are none |
| the order of names and keys | by their characters' numbers; by UTF-16 units, as clients expect \
of Azure, names beyond U+FFFF come before those from U+E000 on |
| names of blobs with a backslash | kept as they are; in Azure it becomes a slash |
| blocks that nobody committed yet | have no lease; in Azure they can have one |
| listings of blobs in Arrow form | XML, which the SDKs take too; `startFrom`, `endBefore` count |
| static websites (`$web`) | their properties are kept; nothing is served as a site |
| versions of blobs | with `--blob-versions`: made by writes, read, listed, deleted, copied back |
| last access times | not kept: in Azure a policy of the account turns them on, no request does |
| `Content-MD5` of writes | with Put Blob and what comes from a URL always, else where it is sent |
| `x-ms-content-crc64` of writes | checked where it is sent, and told always. Where Triggerfish \
was installed without a C compiler: told where it is sent, of lists of blocks, beside an MD5 of a \
body up to 32 KiB, and of what comes from a URL where a checksum is sent |
| hierarchical namespaces | none: who asks at a `dfs` endpoint for what only they have is told so |
| Files | not there |
"""


def render() -> str:
    """Return the page."""
    return _OPENING + "".join(_section(name, rows) for name, rows in SERVICES.items()) + _clients()


def _section(service: str, rows: Iterable[Operation[Any]]) -> str:
    lines = [f"\n## {service}\n", "| Operation | Request | Answered |", "| --- | --- | --- |"]
    shown = [row for row in rows if row.path != "/{blob}"]  # the blobs of $root, once more
    for name, same in groupby(sorted(shown, key=_place(shown)), attrgetter("name")):
        found = list(same)
        error = REFUSALS.get(found[0].handler)
        answer = "yes" if error is None else f"{error.status} {error.code}"
        requests = dict.fromkeys(_request(row) for row in found)  # in order, each once
        lines.append(f"| {_spaced(name)} | {'<br>'.join(requests)} | {answer} |")
    known = {row.name for row in shown}
    missing = [name for name in DOCUMENTED[service] if name not in known]
    lines += [f"| {_spaced(name)} | | no |" for name in missing]
    return "\n".join(lines) + "\n"


def _clients() -> str:
    lines = [
        "\n## Clients\n",
        "What of [clients that are tested](../guides/storage.md#clients-that-are-tested) needs a",
        "hand, or does not work.\n",
        "| Client | Here | Why |",
        "| --- | --- | --- |",
        *(f"| {client} | {here} | {why} |" for client, here, why in CLIENTS),
    ]
    return "\n".join(lines) + "\n"


def _place(rows: Sequence[Operation[Any]]) -> Any:
    """Return a key that sorts rows of one name together, where the first of them stands."""
    first: dict[str, int] = {}
    for number, row in enumerate(rows):
        first.setdefault(row.name, number)
    return lambda row: first[row.name]


def _request(row: Operation[Any]) -> str:
    query = "&".join(f"{name}={value}" for name, value in row.query.items())
    line = f"`{row.method} {row.path}{f'?{query}' if query else ''}`"
    headers = ", ".join(f"`{name}: {value}`" for name, value in row.headers.items())
    return f"{line} {headers}".rstrip()


def _spaced(name: str) -> str:
    """Return a name as the reference writes it: ``PutBlobFromURL`` as "Put Blob From URL"."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)


if __name__ == "__main__":
    (Path(sys.argv[1]) / PAGE).write_text(render(), encoding="utf-8")
