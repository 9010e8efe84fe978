"""What makes a service of a table of operations: its name, its stores, its few own habits."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic

from triggerfish_storage.errors import INVALID_URI, ErrorCode
from triggerfish_storage.protocol.auth import ServiceName
from triggerfish_storage.protocol.operations import Call, Operation, S
from triggerfish_storage.protocol.policies import StoredPolicy


async def no_policies(store: object, resource: str) -> Sequence[StoredPolicy]:
    """A service (or a resource of it) without stored access policies."""
    return ()


async def never_public(call: Call, store: object) -> bool:
    """A service that answers nobody who shows no credentials."""
    return False


def no_properties(account: str) -> Mapping[str, str]:
    """A service whose properties nobody can set."""
    return {}


@dataclass(frozen=True, slots=True)
class Service(Generic[S]):
    """One of the three services, as the HTTP layer runs it.

    ``store`` gives the store of an account by its name. ``policies`` are the stored access
    policies of a container, queue or table, ``public`` says whether a call without credentials
    is served (and raises where Azure has an own answer). ``resource`` is the container, queue or
    table that a call is about, empty where it is about none. ``properties`` are those that were
    set on the service of an account, CORS rules among them. ``unknown`` is the answer to a path
    that no operation has.
    """

    name: ServiceName
    operations: Sequence[Operation[S]]
    store: Callable[[str], S]
    resource: Callable[[Call], str]
    policies: Callable[[S, str], Awaitable[Sequence[StoredPolicy]]] = no_policies
    public: Callable[[Call, S], Awaitable[bool]] = never_public
    properties: Callable[[str], Mapping[str, str]] = no_properties
    unknown: ErrorCode = INVALID_URI
