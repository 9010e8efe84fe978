"""Containers, queues and tables without what they hold, as lines of the account's manifest.

Pure.
"""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Final

from triggerfish_storage.blobs.encryption import is_scope_name
from triggerfish_storage.blobs.model import Container, DefaultScope, etag_number, etag_text
from triggerfish_storage.clock import micros
from triggerfish_storage.protocol import policies
from triggerfish_storage.protocol.policies import StoredPolicy
from triggerfish_storage.queues.exact import QueueSettings
from triggerfish_storage.tables.exact import TableSettings
from triggerfish_storage.transfer.fields import Line, given, iso

LATEST: Final = datetime(9999, 1, 1, tzinfo=UTC)


def container_document(container: Container) -> dict[str, object]:
    """Return a container without its blobs, as a line of the account's manifest holds it."""
    scope = container.default_scope
    return given(
        {
            "container": container.name,
            "metadata": dict(container.metadata),
            "publicAccess": container.public_access,
            "accessPolicies": policy_documents(container.policies),
            "defaultEncryptionScope": scope.name if scope else "",
            "denyEncryptionScopeOverride": bool(scope and scope.denies_override),
            "lastModified": iso(container.modified),
            "etag": etag_text(container.etag).strip('"'),
        }
    )


def read_container(line: Line, account: str, now: datetime) -> Container:
    """Undo ``container_document``."""
    return Container(
        id=0,
        account=account,
        name=line.text("container"),
        etag=read_etag(line),
        modified=line.instant("lastModified") or now,
        metadata=line.metadata(),
        public_access=line.one_of("publicAccess", ("", "blob", "container")),
        policies=read_policies(line),
        default_scope=_default_scope(line),
    )


def _default_scope(line: Line) -> DefaultScope | None:
    name, denies = line.text("defaultEncryptionScope"), line.flag("denyEncryptionScopeOverride")
    if name and not is_scope_name(name):
        raise line.wrong(f'"defaultEncryptionScope" is no name of a scope: {name}')
    if denies and not name:
        raise line.wrong('"denyEncryptionScopeOverride" needs a "defaultEncryptionScope".')
    return DefaultScope(name, denies) if name else None


def queue_document(queue: QueueSettings) -> dict[str, object]:
    """Return a queue without its messages, as a line of the account's manifest holds it."""
    return given(
        {
            "queue": queue.name,
            "metadata": dict(queue.metadata),
            "accessPolicies": policy_documents(queue.policies),
        }
    )


def read_queue(line: Line) -> QueueSettings:
    """Undo ``queue_document``."""
    return QueueSettings(line.text("queue"), line.metadata(), read_policies(line))


def table_document(table: TableSettings) -> dict[str, object]:
    """Return a table without its entities, as a line of the account's manifest holds it."""
    return given({"table": table.name, "accessPolicies": policy_documents(table.policies)})


def policy_documents(kept: str) -> list[dict[str, object]]:
    """Return stored access policies as lines hold them."""
    return [given(asdict(policy)) for policy in policies.from_json(kept)]


def read_policies(line: Line) -> str:
    """Return the stored access policies of a line as stores keep them."""
    try:
        found = [StoredPolicy(**fields) for fields in line.items("accessPolicies")]
        checked = policies.read_policies(policies.write_policies(found)) if found else []
    except (AttributeError, TypeError) as error:
        raise line.wrong(
            '"accessPolicies" are objects with "id", "start", "expiry" and "permission".'
        ) from error
    return policies.to_json(checked)


def read_etag(line: Line) -> int:
    """Return the number of a line's etag; 0 where it has none."""
    text = line.text("etag")
    if not text:
        return 0
    try:
        found = etag_number(text)
    except ValueError:
        found = -1
    if not 0 < found < micros(LATEST):  # later ones have to be greater, and to fit into a row
        raise line.wrong(f'"etag" looks like 0x8DC0123456789AB, not {text}')
    return found
