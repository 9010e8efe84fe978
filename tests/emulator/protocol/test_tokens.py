"""Tokens of an identity: for storage and in their time, or refused."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from triggerfish_storage.errors import StorageError
from triggerfish_storage.protocol.bearer import check_bearer

NOW = datetime(2024, 5, 1, 12, tzinfo=UTC)


def token(**changed: Any) -> str:
    claims = {
        "aud": "https://storage.azure.com/",
        "nbf": NOW.timestamp() - 60,
        "exp": NOW.timestamp() + 60,
    } | changed
    middle = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"e30.{middle}.c2ln"


@pytest.mark.parametrize(
    "audience",
    [
        "https://storage.azure.com",
        "https://storage.azure.com/",
        "https://account.blob.core.windows.net",
        "https://account.blob.core.chinacloudapi.cn/",
        "e406a681-f3d4-42a8-90b6-c2b029497af1",
    ],
)
def test_a_token_for_storage_in_its_time_is_taken(audience: str) -> None:
    check_bearer(token(aud=audience), NOW, account="account", service="blob")


@pytest.mark.parametrize(
    ("given_token", "code"),
    [
        ("", "400 InvalidAuthenticationInfo"),
        ("a.b", "400 InvalidAuthenticationInfo"),
        ("a.!.c", "400 InvalidAuthenticationInfo"),
        ("a.W10.c", "400 InvalidAuthenticationInfo"),
        (token(exp="x"), "400 InvalidAuthenticationInfo"),
        (token(exp=NOW.timestamp()), "403 AuthenticationFailed"),
        (token(nbf=NOW.timestamp() + 1), "403 AuthenticationFailed"),
        (token(aud="https://graph.microsoft.com"), "401 InvalidAuthenticationInfo"),
        (token(aud="https://other.blob.core.windows.net"), "401 InvalidAuthenticationInfo"),
        (token(aud="https://account.queue.core.windows.net"), "401 InvalidAuthenticationInfo"),
        (token(aud="https://.blob.core.windows.net"), "401 InvalidAuthenticationInfo"),
    ],
)
def test_other_tokens_are_refused(given_token: str, code: str) -> None:
    with pytest.raises(StorageError, match=code):
        check_bearer(given_token, NOW, account="account", service="blob")
