"""Dates, accounts, stored policies, service properties and tokens: what clients send of them."""

from __future__ import annotations

import base64
import json
import logging
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from triggerfish_storage.errors import StorageError
from triggerfish_storage.protocol import policies, properties
from triggerfish_storage.protocol.accounts import (
    DEFAULT_ACCOUNT,
    Accounts,
    AccountsError,
    parse_accounts,
    read_accounts,
)
from triggerfish_storage.protocol.bearer import check_bearer
from triggerfish_storage.protocol.dates import http_date, iso_date, parse_iso_date
from triggerfish_storage.protocol.policies import StoredPolicy

NOW = datetime(2024, 5, 1, 12, tzinfo=UTC)

# --- dates ------------------------------------------------------------------------------------


@given(st.datetimes(min_value=datetime(1600, 1, 1), timezones=st.just(UTC)))
def test_dates_read_back(at: datetime) -> None:
    whole = at.replace(microsecond=0)

    assert http_date(at) == format_datetime(whole, usegmt=True)
    assert parsedate_to_datetime(http_date(at)) == whole
    assert parse_iso_date(iso_date(at)) == at


@pytest.mark.parametrize("text", ["9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00"])
def test_an_instant_beyond_the_calendar_is_no_date(text: str) -> None:
    with pytest.raises(ValueError, match="calendar"):
        parse_iso_date(text)


# --- accounts ---------------------------------------------------------------------------------


def test_accounts_are_added_to_the_published_one() -> None:
    accounts = Accounts(lambda: "first:a2V5; second:a2V5MQ==:a2V5Mg== ;")

    assert set(accounts) == {DEFAULT_ACCOUNT, "first", "second"}
    assert accounts["first"] == (b"key",)
    assert accounts["second"] == (b"key1", b"key2")


@pytest.mark.parametrize(
    ("setting", "problem"),
    [
        ("Name:a2V5", "'Name' is no account name"),
        ("ab:a2V5", "'ab' is no account name"),
        ("name", "'name' needs one or two keys"),
        ("name:", "'name' needs one or two keys"),
        ("name:a2V5:", "'name' needs one or two keys"),
        ("name:a:b:c", "'name' needs one or two keys"),
        ("name:not base64!", "a key of account 'name' is not base64"),
    ],
)
def test_a_bad_setting_is_told_with_what_is_expected(setting: str, problem: str) -> None:
    with pytest.raises(AccountsError, match=f"AZURITE_ACCOUNTS: .*{problem}"):
        parse_accounts(setting)


def test_accounts_are_read_again_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    setting = ""
    accounts = Accounts(lambda: setting)
    accounts.refresh(NOW)

    setting = "late:a2V5"
    accounts.refresh(NOW + timedelta(seconds=59))
    assert "late" not in accounts
    accounts.refresh(NOW + timedelta(seconds=60))
    assert "late" in accounts

    setting = "broken"
    with caplog.at_level(logging.ERROR):
        accounts.refresh(NOW + timedelta(seconds=120))
    assert "late" in accounts
    assert "AZURITE_ACCOUNTS" in caplog.text


def test_accounts_in_a_file_are_read_again_when_it_changes(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "accounts.txt"
    file.write_text("# ours\none:a2V5\ntwo:a2V5:a2V6\n")
    accounts = Accounts(lambda: read_accounts(f"@{file}"))
    accounts.refresh(NOW)
    assert set(accounts) == {"devstoreaccount1", "one", "two"}

    file.write_text("three:a2V5")
    accounts.refresh(NOW + timedelta(minutes=1))
    assert set(accounts) == {"devstoreaccount1", "three"}

    file.unlink()
    accounts.refresh(NOW + timedelta(minutes=2))
    assert set(accounts) == {"devstoreaccount1", "three"}
    assert "accounts.txt: No such file" in caplog.text


def test_a_setting_that_names_no_file_is_told() -> None:
    with pytest.raises(AccountsError, match="'@' is to be followed by the name of a file"):
        read_accounts("@")


def test_a_file_of_accounts_that_is_not_there_is_named_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(AccountsError, match=r"accounts\.txt: No such file"):
        Accounts(lambda: read_accounts(f"@{tmp_path / 'accounts.txt'}"))


# --- stored access policies -------------------------------------------------------------------


@settings(max_examples=30)
@given(
    st.lists(
        st.builds(
            StoredPolicy,
            id=st.text("abc<&é ", min_size=1, max_size=64),
            start=st.sampled_from(["", "2024-01-01T00:00:00.0000000Z"]),
            expiry=st.sampled_from(["", "2030-01-01T00:00:00.1234560Z"]),
            permission=st.sampled_from(["", "r", "raup"]),
        ),
        max_size=5,
        unique_by=lambda policy: policy.id,
    )
)
def test_policies_read_back(given_policies: list[StoredPolicy]) -> None:
    assert policies.read_policies(policies.write_policies(given_policies)) == given_policies
    assert policies.from_json(policies.to_json(given_policies)) == given_policies


@pytest.mark.parametrize(
    ("inside", "code"),
    [
        ("<SignedIdentifier />", "MissingRequiredXmlNode"),
        ("<SignedIdentifier><Id></Id></SignedIdentifier>", "InvalidXmlNodeValue"),
        (f"<SignedIdentifier><Id>{'x' * 65}</Id></SignedIdentifier>", "InvalidXmlNodeValue"),
        (
            "<SignedIdentifier><Id>a</Id><AccessPolicy><Start>x</Start></AccessPolicy></SignedIdentifier>",
            "InvalidXmlNodeValue",
        ),
        ("<SignedIdentifier><Id>a</Id></SignedIdentifier>" * 2, "InvalidXmlDocument"),
        (
            "".join(f"<SignedIdentifier><Id>{n}</Id></SignedIdentifier>" for n in range(6)),
            "InvalidXmlDocument",
        ),
    ],
)
def test_policies_that_make_no_sense_are_refused(inside: str, code: str) -> None:
    with pytest.raises(StorageError, match=f"400 {code}"):
        policies.read_policies(f"<SignedIdentifiers>{inside}</SignedIdentifiers>".encode())


def test_an_empty_body_removes_all_policies() -> None:
    assert policies.read_policies(b" ") == []


# --- service properties -----------------------------------------------------------------------


TOO_LONG = "<RetentionPolicy><Enabled>true</Enabled><Days>366</Days></RetentionPolicy>"


def body(inside: str) -> bytes:
    return f"<StorageServiceProperties>{inside}</StorageServiceProperties>".encode()


def test_properties_read_back_and_the_rest_has_defaults() -> None:
    rule = (
        "<CorsRule><AllowedOrigins>*</AllowedOrigins><AllowedMethods>GET</AllowedMethods>"
        "<MaxAgeInSeconds>60</MaxAgeInSeconds><ExposedHeaders>a&amp;b</ExposedHeaders>"
        "<AllowedHeaders /></CorsRule>"
    )
    found = properties.read_properties(body(f"<Cors>{rule}</Cors>"), "queue")

    whole = properties.write_properties(found, "queue")

    assert rule in whole.decode()
    assert properties.read_properties(whole, "queue")["Cors"] == found["Cors"]
    assert b"<Logging><Version>1.0</Version>" in whole
    assert b"StaticWebsite" not in whole
    assert b"StaticWebsite" in properties.write_properties({}, "blob")


@pytest.mark.parametrize(
    ("inside", "code"),
    [
        ("<Nonsense />", "UnsupportedXmlNode"),
        ("<StaticWebsite />", "UnsupportedXmlNode"),
        ("<Cors><CorsRule /></Cors>", "MissingRequiredXmlNode"),
        ("<Cors>" + "<CorsRule />" * 6 + "</Cors>", "InvalidXmlDocument"),
        (
            "<Logging><RetentionPolicy><Enabled>true</Enabled></RetentionPolicy></Logging>",
            "MissingRequiredXmlNode",
        ),
        (
            "<Logging><RetentionPolicy><Enabled>yes</Enabled></RetentionPolicy></Logging>",
            "InvalidXmlNodeValue",
        ),
        (f"<Logging>{TOO_LONG}</Logging>", "InvalidXmlNodeValue"),
    ],
)
def test_properties_that_make_no_sense_are_refused(inside: str, code: str) -> None:
    with pytest.raises(StorageError, match=f"400 {code}"):
        properties.read_properties(body(inside), "queue")


def test_the_default_version_is_a_date_or_none() -> None:
    for text in ("2024-08-04", ""):
        inside = f"<DefaultServiceVersion>{text}</DefaultServiceVersion>"
        assert properties.read_properties(body(inside), "blob")
    with pytest.raises(StorageError, match="400 InvalidXmlNodeValue"):
        properties.read_properties(body("<DefaultServiceVersion>1</DefaultServiceVersion>"), "blob")


# --- tokens -----------------------------------------------------------------------------------


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
        (token(aud="https://graph.microsoft.com"), "403 AuthenticationFailed"),
        (token(aud="https://other.blob.core.windows.net"), "403 AuthenticationFailed"),
        (token(aud="https://account.queue.core.windows.net"), "403 AuthenticationFailed"),
        (token(aud="https://.blob.core.windows.net"), "403 AuthenticationFailed"),
    ],
)
def test_other_tokens_are_refused(given_token: str, code: str) -> None:
    with pytest.raises(StorageError, match=code):
        check_bearer(given_token, NOW, account="account", service="blob")
