"""What cannot be used is named, with the remedy."""

from __future__ import annotations

import sys

import pytest

from triggerfish.storage.account import AccountError


async def test_a_damaged_database_is_named(tmp_path, accounts_of):
    (tmp_path / "storage.db").write_bytes(b"this is no database" * 100)

    async with accounts_of(tmp_path) as accounts:
        with pytest.raises(AccountError, match=r"storage\.db"):
            await accounts.of("")


async def test_a_folder_that_cannot_be_made_is_named(tmp_path, accounts_of):
    (tmp_path / "file").write_text("in the way")

    async with accounts_of(tmp_path / "file" / "data") as accounts:
        with pytest.raises(AccountError, match="--data FOLDER"):
            await accounts.of("")


async def test_without_the_sdk_the_way_to_it_is_told(tmp_path, monkeypatch, accounts_of):
    monkeypatch.setitem(sys.modules, "triggerfish.storage.azure", None)

    async with accounts_of(tmp_path, {"X": "AccountName=acme;AccountKey=AAAA"}) as accounts:
        with pytest.raises(AccountError, match=r"X: .*pip install 'triggerfish\[azure\]'"):
            await accounts.of("X")


async def test_bad_further_accounts_are_named(tmp_path, accounts_of):
    async with accounts_of(tmp_path, {"AZURITE_ACCOUNTS": "no good"}) as accounts:
        with pytest.raises(AccountError, match="AZURITE_ACCOUNTS"):
            await accounts.of("")
