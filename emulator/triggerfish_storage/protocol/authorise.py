"""Who may do what: a request's credentials, checked against its account and its operation.

A key (or a token, where those are taken) allows everything, a SAS what it says, nothing at all
what the service has made public.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from triggerfish_storage import errors
from triggerfish_storage.errors import StorageError
from triggerfish_storage.protocol import sas
from triggerfish_storage.protocol.auth import Scheme, ServiceName, Signed, is_signed, text_to_sign
from triggerfish_storage.protocol.bearer import check_bearer
from triggerfish_storage.protocol.header_text import encodable, legible
from triggerfish_storage.protocol.operations import Call, Caller, S
from triggerfish_storage.protocol.policies import StoredPolicy
from triggerfish_storage.protocol.service import Service
from triggerfish_storage.protocol.target import SECONDARY

_WHITE_SPACE: Final = re.compile(r"[ \t]+")
_SCHEMES: Final[dict[str, Scheme]] = {
    "SharedKey": "SharedKey",  # as clients write it; the case makes no difference
    "sharedkey": "SharedKey",
    "sharedkeylite": "SharedKeyLite",
}


def has_key(call: Call, service: ServiceName, keys: Sequence[bytes]) -> bool:
    """Whether a request is signed with its account's key; raises where it is signed wrongly."""
    header = call.headers.get("authorization")
    if header is None or header[:7].lower() == "bearer ":
        return False
    _check_header(call, service, header, keys)
    return True


async def authorise(
    call: Call, service: Service[S], store: S, keys: Sequence[bytes], *, accepts_bearer: bool
) -> frozenset[str] | None:
    """Return the letters that are granted, None for all; raise the documented 401 or 403."""
    if has_key(call, service.name, keys):
        return None
    header = call.headers.get("authorization")
    if header is not None:
        if not accepts_bearer:
            raise _unauthenticated("Bearer tokens are taken where --oauth basic says so.")
        token = header[7:].strip()
        identity = check_bearer(token, call.now, account=call.account, service=service.name)
        call.caller = Caller(identity, keys[0])
        if "sduoid" not in call.query:
            return None  # a signature beside a token counts only if it is made out to its owner
    if sas.is_sas(call.query):
        return await _check_sas(call, service, store, keys)
    if await service.public(call, store):
        return frozenset()
    raise StorageError(errors.NO_AUTHENTICATION_INFORMATION)


def _check_header(call: Call, service: ServiceName, header: str, keys: Sequence[bytes]) -> None:
    name, _, credentials = header.partition(" ")
    scheme = _SCHEMES.get(name) or _SCHEMES.get(name.lower())
    account, separator, signature = credentials.strip().partition(":")
    if scheme is None or not separator:
        raise StorageError(
            errors.INVALID_AUTHENTICATION_INFO,
            AuthenticationErrorDetail=f"Authentication scheme '{name}' is not supported here, "
            "or its credentials are malformed.",
        )
    if account != call.account and account.removesuffix(SECONDARY) != call.account:
        raise _unauthenticated(f"The key is for account '{account}', not for '{call.account}'.")
    if "x-ms-date" not in call.headers and "date" not in call.headers:
        raise _unauthenticated("Neither x-ms-date nor Date was sent.")
    signed = Signed(call.method, account, call.raw_path, call.query, call.headers)
    if is_signed(signed, signature, keys, service=service, scheme=scheme):
        return
    for meant in _other_readings(signed, call):
        if is_signed(meant, signature, keys, service=service, scheme=scheme):
            return
    text = text_to_sign(signed, service=service, scheme=scheme)
    raise _unauthenticated(
        f"The MAC signature '{signature}' is not the same as any computed signature. "
        f"Server used following string to sign: '{text}'."
    )


def _other_readings(signed: Signed, call: Call) -> Iterator[Signed]:
    """Give what a client may have signed that sends something else."""
    # A header's text may be sent as Latin-1, and the rules (but no SDK) fold white space in it.
    for read in (encodable, legible, _folded):
        meant = {name: read(value) for name, value in call.headers.items()}
        if meant != call.headers:
            yield replace(signed, headers=meant)
    if call.raw_path == f"/{call.account}{SECONDARY}/{call.account}/":
        # azure-data-tables puts the secondary into an emulator's address once it has signed.
        yield replace(signed, path=f"/{call.account}/")


def _folded(value: str) -> str:
    return _WHITE_SPACE.sub(" ", value)


async def _check_sas(
    call: Call, service: Service[S], store: S, keys: Sequence[bytes]
) -> frozenset[str]:
    resource = service.resource(call)
    presented = sas.Presented(
        account=call.account,
        query=call.query,
        headers=call.headers,
        resource=resource,
        name=call.path.get("blob", ""),
        client=call.link.client,
        is_https=call.endpoint.startswith("https:"),
        now=call.now,
        identity=call.caller.identity if call.caller else None,
    )
    policy = await _policy(call, service, store, resource)
    return sas.check(presented, keys, call.operation, service.name, policy)


async def _policy(call: Call, service: Service[S], store: S, resource: str) -> StoredPolicy | None:
    wanted = call.query.get("si")
    if not wanted or not resource or "ss" in call.query:
        return None  # an account SAS has no such field
    try:
        policies = await service.policies(store, resource)
    except StorageError:
        policies = ()  # a resource that is missing has none, and says so to nobody
    found = next((policy for policy in policies if policy.id == wanted), None)
    if found is None:
        raise _unauthenticated(f"There is no stored access policy '{wanted}'.")
    return found


def _unauthenticated(detail: str) -> StorageError:
    return StorageError(errors.AUTHENTICATION_FAILED, AuthenticationErrorDetail=detail)
