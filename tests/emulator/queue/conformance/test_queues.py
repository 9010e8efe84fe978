"""Queues as the store and both official clients see them: made, listed, described, gone."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from triggerfish_storage.protocol.policies import StoredPolicy

if TYPE_CHECKING:
    from conftest import Queues


async def test_a_queue_is_created_once_and_then_exists(
    queues: Queues, refused: Callable[..., Any]
) -> None:
    assert await queues.create("orders", {"team": "a"}) is True

    assert await queues.create("orders", {"team": "a"}) is False
    with refused(409, "QueueAlreadyExists"):
        await queues.create("orders", {"team": "b"})


@pytest.mark.parametrize("name", ["ab", "a" * 64])
async def test_a_name_of_the_wrong_length_is_out_of_range(
    queues: Queues, name: str, refused: Callable[..., Any]
) -> None:
    with refused(400, "OutOfRangeInput"):
        await queues.create(name)


@pytest.mark.parametrize("name", ["Orders", "my_queue", "-orders", "orders-", "or--ders", "öffen"])
async def test_a_name_with_other_characters_is_no_resource_name(
    queues: Queues, name: str, refused: Callable[..., Any]
) -> None:
    with refused(400, "InvalidResourceName"):
        await queues.create(name)


async def test_a_deleted_queue_is_gone_and_may_come_back_empty(
    queues: Queues, refused: Callable[..., Any]
) -> None:
    await queues.create("orders")
    await queues.put("orders", "one")

    await queues.delete_queue("orders")

    with refused(404, "QueueNotFound"):
        await queues.peek("orders")
    await queues.create("orders")
    assert await queues.peek("orders") == []
    assert await queues.count("orders") == 0


async def test_whatever_is_asked_of_a_missing_queue_is_not_found(
    queues: Queues, refused: Callable[..., Any]
) -> None:
    await queues.create("elsewhere")
    message = await queues.put("elsewhere", "one")

    for attempt in (
        queues.put("orders", "one"),
        queues.take("orders"),
        queues.peek("orders"),
        queues.count("orders"),
        queues.clear("orders"),
        queues.delete_queue("orders"),
        queues.set_metadata("orders", {}),
        queues.policies("orders"),
        queues.set_policies("orders", []),
        queues.update("orders", message),
        queues.delete("orders", message.id, message.pop_receipt),
    ):
        with refused(404, "QueueNotFound"):
            await attempt


async def test_queues_are_listed_by_name_page_after_page(queues: Queues) -> None:
    for name in ("gamma", "alpha", "beta", "alphabet"):
        await queues.create(name, {"Name": name})

    assert await queues.list() == [
        (name, {"Name": name}) for name in ("alpha", "alphabet", "beta", "gamma")
    ]
    assert [name for name, _ in await queues.list("alph")] == ["alpha", "alphabet"]
    assert await queues.list("z") == []


async def test_metadata_is_replaced_as_a_whole_and_keeps_its_case(queues: Queues) -> None:
    await queues.create("orders", {"Team": "A b", "x": "1"})
    assert await queues.metadata("orders") == {"Team": "A b", "x": "1"}

    await queues.set_metadata("orders", {"Other": "2"})

    assert await queues.metadata("orders") == {"Other": "2"}


async def test_stored_access_policies_come_back(queues: Queues) -> None:
    await queues.create("orders")
    policies = [
        StoredPolicy(
            "readers", "2024-01-01T00:00:00.0000000Z", "2030-01-01T00:00:00.0000000Z", "r"
        ),
        StoredPolicy("anybody", permission="raup"),
    ]

    await queues.set_policies("orders", policies)

    assert await queues.policies("orders") == policies
