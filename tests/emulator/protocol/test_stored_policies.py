"""Stored access policies: the documents that clients send, and those that make no sense."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from triggerfish_storage.errors import StorageError
from triggerfish_storage.protocol import policies
from triggerfish_storage.protocol.policies import StoredPolicy


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
        ("<SignedIdentifier />", "InvalidXmlDocument"),
        ("<SignedIdentifier><Id></Id></SignedIdentifier>", "InvalidXmlDocument"),
        (f"<SignedIdentifier><Id>{'x' * 65}</Id></SignedIdentifier>", "InvalidXmlDocument"),
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
