"""Shared access signatures, as the official clients make them: genuine ones, and their reach."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from azure.storage.blob import (
    BlobSasPermissions,
    ContainerSasPermissions,
    generate_blob_sas,
    generate_container_sas,
)
from azure.storage.queue import generate_account_sas, generate_queue_sas

from triggerfish_storage.errors import StorageError
from triggerfish_storage.protocol import sas
from triggerfish_storage.protocol.accounts import DEFAULT_ACCOUNT, DEFAULT_KEY
from triggerfish_storage.protocol.auth import ServiceName, decode_key
from triggerfish_storage.protocol.operations import Operation
from triggerfish_storage.protocol.policies import StoredPolicy
from triggerfish_storage.protocol.target import parse_query
from triggerfish_storage.protocol.xml import parse
from triggerfish_storage.queues.operations import OPERATIONS

if TYPE_CHECKING:
    from conftest import Raw

KEY = decode_key(DEFAULT_KEY)
NOW = datetime(2024, 5, 1, 12, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
QUEUE_OPERATIONS: dict[str, Operation[Any]] = {row.name: row for row in OPERATIONS}


def account_sas(**changed: Any) -> str:
    options = {
        "resource_types": "sco",
        "permission": "rwdlacup",
        "expiry": LATER,
        "services": "q",
    } | changed
    return generate_account_sas(DEFAULT_ACCOUNT, DEFAULT_KEY, **options)


def queue_sas(**changed: Any) -> str:
    options = {"permission": "raup", "expiry": LATER} | changed
    return generate_queue_sas(DEFAULT_ACCOUNT, "orders", DEFAULT_KEY, **options)


def presented(token: str, **changed: Any) -> sas.Presented:
    given: dict[str, Any] = {
        "account": DEFAULT_ACCOUNT,
        "query": parse_query(token),
        "headers": {},
        "resource": "orders",
        "name": "",
        "client": "127.0.0.1",
        "is_https": False,
        "now": NOW,
    }
    return sas.Presented(**(given | changed))


def check(
    token: str,
    operation: str = "PeekMessages",
    *,
    service: ServiceName = "queue",
    policy: StoredPolicy | None = None,
    **changed: Any,
) -> frozenset[str]:
    row = QUEUE_OPERATIONS[operation]
    return sas.check(presented(token, **changed), [b"other", KEY], row, service, policy)


def code_of(token: str, operation: str = "PeekMessages", **changed: Any) -> str:
    with pytest.raises(StorageError) as caught:
        check(token, operation, **changed)
    assert caught.value.error.status == 403
    return caught.value.error.code


def test_an_account_sas_grants_its_letters() -> None:
    assert check(account_sas(permission="rl")) == frozenset("rl")


def test_a_queue_sas_grants_its_letters_for_its_queue() -> None:
    assert check(queue_sas()) == frozenset("raup")
    assert code_of(queue_sas(), resource="others") == "AuthenticationFailed"


@pytest.mark.parametrize(
    ("operation", "letter"),
    [
        *(("PutMessage", "a"), ("PeekMessages", "r"), ("GetMessages", "p")),
        *(("UpdateMessage", "u"), ("DeleteMessage", "p"), ("GetQueueMetadata", "r")),
    ],
)
def test_each_message_operation_asks_for_its_letter(operation: str, letter: str) -> None:
    others = "".join(sorted(set("raup") - {letter}))

    assert check(queue_sas(permission=letter), operation) == frozenset(letter)
    assert code_of(queue_sas(permission=others), operation) == "AuthorizationPermissionMismatch"


@pytest.mark.parametrize("operation", ["CreateQueue", "DeleteQueue", "SetQueueMetadata"])
def test_a_queue_sas_does_not_reach_what_is_done_to_queues(operation: str) -> None:
    assert code_of(queue_sas(), operation) == "AuthorizationFailure"
    assert check(account_sas(), operation)


@pytest.mark.parametrize("operation", ["GetQueueACL", "SetQueueACL"])
def test_no_sas_reaches_access_policies(operation: str) -> None:
    assert code_of(queue_sas(), operation) == "AuthorizationFailure"
    assert code_of(account_sas(), operation) == "AuthorizationFailure"


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"expiry": NOW}, "AuthenticationFailed"),
        ({"expiry": NOW - timedelta(seconds=1)}, "AuthenticationFailed"),
        ({"start": NOW + timedelta(minutes=1)}, "AuthenticationFailed"),
        ({"permission": "w"}, "AuthorizationPermissionMismatch"),
        ({"resource_types": "sc"}, "AuthorizationResourceTypeMismatch"),
        ({"services": "b"}, "AuthorizationServiceMismatch"),
        ({"ip": "10.0.0.1"}, "AuthorizationSourceIPMismatch"),
        ({"ip": "10.0.0.1-10.0.0.9"}, "AuthorizationSourceIPMismatch"),
        ({"protocol": "https"}, "AuthorizationProtocolMismatch"),
        ({"protocol": "http"}, "AuthenticationFailed"),
        ({"protocol": "https, "}, "AuthenticationFailed"),
    ],
)
def test_a_sas_that_does_not_reach_is_refused_with_its_reason(
    changed: dict[str, Any], code: str
) -> None:
    assert code_of(account_sas(**changed)) == code


@pytest.mark.parametrize(
    "changed",
    [
        {"start": NOW},
        {"ip": "127.0.0.1"},
        {"ip": "127.0.0.0-127.0.0.9"},
        {"protocol": "https,http"},
    ],
)
def test_a_sas_that_reaches_is_taken(changed: dict[str, Any]) -> None:
    assert check(account_sas(**changed))


@pytest.mark.parametrize("name", ["sp", "se", "ss", "srt", "sv", "sig"])
def test_a_changed_sas_is_not_genuine(name: str) -> None:
    query = parse_query(account_sas())
    query[name] += "0"

    assert code_of("", query=query) == "AuthenticationFailed"


def test_an_open_sas_takes_what_its_stored_policy_says() -> None:
    token = generate_queue_sas(DEFAULT_ACCOUNT, "orders", DEFAULT_KEY, policy_id="readers")
    policy = StoredPolicy("readers", expiry="2024-05-01T13:00:00.0000000Z", permission="r")

    assert check(token, policy=policy) == frozenset("r")
    assert code_of(token, "PutMessage", policy=policy) == "AuthorizationPermissionMismatch"
    expired = StoredPolicy("readers", expiry="2024-05-01T11:00:00.0000000Z", permission="r")
    assert code_of(token, policy=expired) == "AuthenticationFailed"
    assert code_of(token, policy=StoredPolicy("readers")) == "AuthenticationFailed"


def test_dates_are_read_in_every_documented_form() -> None:
    for expiry in ("2024-05-02", "2024-05-01T12:30Z", "2024-05-01T12:30:00.1234567Z"):
        assert check(account_sas(expiry=expiry))
    assert code_of(account_sas(expiry="soon")) == "AuthenticationFailed"


def test_blob_and_container_sas_of_the_sdk_are_genuine() -> None:
    row: Operation[Any] = Operation("GetBlob", "GET", "/{container}/{blob...}", None, "r")  # type: ignore[arg-type]
    blob = generate_blob_sas(
        DEFAULT_ACCOUNT,
        "uploads",
        "a/b ü.txt",
        account_key=DEFAULT_KEY,
        permission=BlobSasPermissions(read=True),
        expiry=LATER,
        content_type="text/plain",
    )
    container = generate_container_sas(
        DEFAULT_ACCOUNT,
        "uploads",
        account_key=DEFAULT_KEY,
        permission=ContainerSasPermissions(read=True, list=True),
        expiry=LATER,
    )

    for token in (blob, container):
        given = presented(token, resource="uploads", name="a/b ü.txt")
        assert "r" in sas.check(given, [KEY], row, "blob")
    other = presented(blob, resource="uploads", name="other")
    with pytest.raises(StorageError, match="AuthenticationFailed"):
        sas.check(other, [KEY], row, "blob")


@pytest.mark.parametrize("field", ["permission", "expiry", "start"])
def test_what_a_stored_policy_says_the_signature_must_not(field: str) -> None:
    said: dict[str, Any] = {"permission": "r", "start": NOW, "expiry": LATER}
    policy = StoredPolicy("readers", "2024-05-01", "2024-05-02", "r")
    token = generate_queue_sas(
        DEFAULT_ACCOUNT, "orders", DEFAULT_KEY, policy_id="readers", **{field: said[field]}
    )

    assert code_of(token, policy=policy) == "AuthenticationFailed"


@pytest.mark.parametrize(
    ("ip", "client", "is_inside"),
    [
        ("127.0.0.1", "::ffff:127.0.0.1", True),
        ("10.0.0.0-10.0.0.9", "::ffff:10.0.0.10", False),
        ("::1", "::1", True),
        ("0.0.0.0-255.255.255.255", "::1", False),
        ("nowhere", "127.0.0.1", False),
    ],
)
def test_addresses_of_both_families_are_compared(ip: str, client: str, is_inside: bool) -> None:
    if is_inside:
        assert check(account_sas(ip=ip), client=client)
    else:
        assert code_of(account_sas(ip=ip), client=client) == "AuthorizationSourceIPMismatch"


@pytest.mark.parametrize("name", ["sv", "se"])
def test_a_signature_without_what_is_mandatory_is_refused(name: str) -> None:
    query = parse_query(account_sas())
    del query[name]

    assert code_of("", query=query) == "AuthenticationFailed"


async def test_a_refused_signature_tells_what_was_signed(queue: Raw) -> None:
    answer = await queue.request("GET", f"/orders/messages?{queue_sas()}0", sign=False)

    detail = parse(answer.body, "Error").child_text("AuthenticationErrorDetail")
    assert (
        f"String to sign used was raup\n\n2024-05-01T13:00:00Z\n/queue/{DEFAULT_ACCOUNT}" in detail
    )
