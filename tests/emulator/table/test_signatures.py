"""Shared access signatures of a table: what they allow, and for which keys."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from conftest import Raw

ADDRESS = "/people(PartitionKey='p',RowKey='it''s')"
JSON = b'{"PartitionKey":"p","RowKey":"new"}'


@pytest.mark.parametrize(
    ("permission", "method", "target", "body", "headers", "outcome"),
    [
        ("r", "GET", ADDRESS, None, {}, "200"),
        ("r", "GET", "/people()", None, {}, "200"),
        ("a", "GET", ADDRESS, None, {}, "403 AuthorizationPermissionMismatch"),
        ("a", "POST", "/people", JSON, {}, "201"),
        ("r", "POST", "/people", JSON, {}, "403 AuthorizationPermissionMismatch"),
        ("u", "PUT", ADDRESS, b"{}", {"if_match": "*"}, "204"),
        ("u", "PUT", ADDRESS, b"{}", {}, "403 AuthorizationPermissionMismatch"),
        ("au", "PUT", ADDRESS, b"{}", {}, "204"),
        ("d", "DELETE", ADDRESS, None, {"if_match": "*"}, "204"),
        ("raud", "GET", "/Tables", None, {}, "403 AuthorizationFailure"),
        ("raud", "GET", "/?restype=service&comp=properties", None, {}, "403 AuthorizationFailure"),
        ("raud", "GET", "/other()", None, {}, "403 AuthenticationFailed"),
    ],
)
async def test_a_signature_allows_what_it_says(
    people: Raw,
    clock: Any,
    permission: str,
    method: str,
    target: str,
    body: bytes | None,
    headers: dict[str, str],
    outcome: str,
    sas: Callable[..., str],
) -> None:
    token = sas(clock.now(), permission)

    answer = await people.send(
        method, f"{target}{'&' if '?' in target else '?'}{token}", body, headers, is_signed=False
    )

    assert answer.outcome == outcome


async def test_a_signature_may_be_for_some_keys_only(
    people: Raw, clock: Any, sas: Callable[..., str]
) -> None:
    for partition, row in (("o", "z"), ("p", "a"), ("p", "z"), ("q", "a"), ("q", "z")):
        body = json.dumps({"PartitionKey": partition, "RowKey": row}).encode()
        await people.send("POST", "/people", body)
    keys = {"start_pk": "p", "start_rk": "b", "end_pk": "q", "end_rk": "m"}
    token = sas(clock.now(), "ra", **keys)

    listed = await people.send("GET", f"/people()?{token}", is_signed=False)
    inside = await people.send("GET", f"{ADDRESS}?{token}", is_signed=False)
    outside = await people.send(
        "GET", f"/people(PartitionKey='p',RowKey='a')?{token}", is_signed=False
    )
    added = await people.send(
        "POST", f"/people?{token}", b'{"PartitionKey":"q","RowKey":"n"}', is_signed=False
    )

    found = [(e["PartitionKey"], e["RowKey"]) for e in listed.document["value"]]
    assert found == [("p", "it's"), ("p", "z"), ("q", "a")]
    assert inside.status == 200
    assert outside.outcome == added.outcome == "403 AuthorizationFailure"


async def test_a_signature_names_its_table_which_it_does_not_sign(
    people: Raw, clock: Any, sas: Callable[..., str]
) -> None:
    token = sas(clock.now(), "r", start_pk="q", end_pk="q")
    shortened = token.replace("&tn=people", "")
    assert shortened != token

    answer = await people.send("GET", f"{ADDRESS}?{shortened}", is_signed=False)

    assert answer.outcome == "403 AuthenticationFailed"
