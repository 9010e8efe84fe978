"""Accounts that a setting or a file names, beside the published one."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from triggerfish_storage.protocol.accounts import (
    DEFAULT_ACCOUNT,
    Accounts,
    AccountsError,
    parse_accounts,
    read_accounts,
)

NOW = datetime(2024, 5, 1, 12, tzinfo=UTC)


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
