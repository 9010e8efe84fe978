"""What each kind of signature signs, by service version: texts written out by hand."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from azure.storage.blob import (
    UserDelegationKey,
    generate_account_sas,
    generate_blob_sas,
    generate_container_sas,
)
from azure.storage.queue import generate_queue_sas

from triggerfish_storage.protocol.accounts import DEFAULT_KEY
from triggerfish_storage.protocol.auth import ServiceName
from triggerfish_storage.protocol.sas_text import account_text, delegated_text, service_text
from triggerfish_storage.protocol.target import parse_query

EXPIRY = datetime(2024, 5, 1, 13, tzinfo=UTC)
GRANT = {"sp": "r", "st": "S", "se": "E", "si": "I", "sip": "IP", "spr": "https"}
OVERRIDES = {"rscc": "cc", "rscd": "cd", "rsce": "ce", "rscl": "cl", "rsct": "ct"}
BLOB = {**GRANT, **OVERRIDES, "sr": "b", "ses": "scope"}
KEY = {"skoid": "O", "sktid": "T", "skt": "KS", "ske": "KE", "sks": "b", "skv": "KV"}
USERS = {"skdutid": "DT", "sduoid": "DO"}
AGENTS = {"saoid": "A", "suoid": "U", "scid": "C"}
NETWORK = "IP\nhttps\n"
TAIL = "cc\ncd\nce\ncl\nct"


@pytest.mark.parametrize(
    ("version", "text"),
    [
        ("2012-02-12", "r\nS\nE\n/acct/data/a\nI\n2012-02-12"),
        ("2013-08-15", f"r\nS\nE\n/acct/data/a\nI\n2013-08-15\n{TAIL}"),
        ("2015-02-21", f"r\nS\nE\n/blob/acct/data/a\nI\n2015-02-21\n{TAIL}"),
        ("2015-04-05", f"r\nS\nE\n/blob/acct/data/a\nI\n{NETWORK}2015-04-05\n{TAIL}"),
        ("2018-11-09", f"r\nS\nE\n/blob/acct/data/a\nI\n{NETWORK}2018-11-09\nb\nSNAP\n{TAIL}"),
        (
            "2020-12-06",
            f"r\nS\nE\n/blob/acct/data/a\nI\n{NETWORK}2020-12-06\nb\nSNAP\nscope\n{TAIL}",
        ),
        (
            "2026-10-06",
            f"r\nS\nE\n/blob/acct/data/a\nI\n{NETWORK}2026-10-06\nb\nSNAP\nscope\n{TAIL}",
        ),
    ],
)
def test_a_blob_sas_signs_the_fields_of_its_version(version: str, text: str) -> None:
    query = {**BLOB, "sv": version}

    found = service_text("blob", query, account="acct", resource="data/a", snapshot="SNAP")

    assert found == text


@pytest.mark.parametrize(
    ("service", "version", "text"),
    [
        ("queue", "2012-02-12", "r\nS\nE\n/acct/q\nI\n2012-02-12"),
        ("queue", "2024-08-04", f"r\nS\nE\n/queue/acct/q\nI\n{NETWORK}2024-08-04"),
        ("table", "2012-02-12", "r\nS\nE\n/acct/q\nI\n2012-02-12\np1\nr1\np2\nr2"),
        ("table", "2019-02-02", f"r\nS\nE\n/table/acct/q\nI\n{NETWORK}2019-02-02\np1\nr1\np2\nr2"),
    ],
)
def test_a_queue_or_table_sas_signs_the_fields_of_its_version(
    service: ServiceName, version: str, text: str
) -> None:
    query = {**GRANT, "sv": version, "spk": "p1", "srk": "r1", "epk": "p2", "erk": "r2"}

    assert service_text(service, query, account="acct", resource="q", snapshot="") == text


@pytest.mark.parametrize(
    ("service", "version", "text"),
    [
        ("blob", "2018-11-09", f"{NETWORK}2018-11-09\nb\nSNAP\n{TAIL}"),
        ("blob", "2020-02-10", f"A\nU\nC\n{NETWORK}2020-02-10\nb\nSNAP\n{TAIL}"),
        ("blob", "2020-12-06", f"A\nU\nC\n{NETWORK}2020-12-06\nb\nSNAP\nscope\n{TAIL}"),
        ("blob", "2025-07-05", f"A\nU\nC\nDT\nDO\n{NETWORK}2025-07-05\nb\nSNAP\nscope\n{TAIL}"),
        (
            "blob",
            "2026-04-06",
            f"A\nU\nC\nDT\nDO\n{NETWORK}2026-04-06\nb\nSNAP\nscope\nX-One:1\n\n\nTimeout:5\n{TAIL}",
        ),
        ("queue", "2026-02-06", f"DT\nDO\n{NETWORK}2026-02-06"),
        ("table", "2026-02-06", f"DT\nDO\n{NETWORK}2026-02-06\n\n\n\n"),
    ],
)
def test_a_user_delegation_sas_signs_the_fields_of_its_version(
    service: ServiceName, version: str, text: str
) -> None:
    tied = {"srh": "X-One", "srq": "Timeout", "timeout": "5"}
    query = {**BLOB, **KEY, **AGENTS, **USERS, **tied, "sv": version}

    found = delegated_text(
        service, query, {"x-one": "1"}, account="acct", resource="data/a", snapshot="SNAP"
    )

    assert found == f"r\nS\nE\n/{service}/acct/data/a\nO\nT\nKS\nKE\nb\nKV\n{text}"


@pytest.mark.parametrize(("version", "end"), [("2015-04-05", ""), ("2020-12-06", "scope\n")])
def test_an_account_sas_signs_the_fields_of_its_version(version: str, end: str) -> None:
    query = {**GRANT, "ss": "bq", "srt": "sco", "sv": version, "ses": "scope"}

    expected = f"acct\nr\nbq\nsco\nS\nE\n{NETWORK}{version}\n{end}"
    assert account_text("acct", query) == expected


def test_no_parameter_of_several_lines_stands_for_what_a_signature_is_tied_to() -> None:
    def text(headers: dict[str, str], **query: str) -> str:
        given = {**BLOB, **KEY, "sv": "2026-04-06", "ses": ""} | query
        return delegated_text(
            "blob", given, headers, account="acct", resource="data/a", snapshot=""
        )

    assert text({"x-one": "1"}, srh="x-one") != text({}, ses="\nx-one:1")
    tied = text({}, srq="one,two", one="1", two="2")
    assert tied == text({}, srq="one,two", one="1", two="2", three="3")
    assert tied != text({}, srq="one", one="1\ntwo:2", two="3")
    assert tied != text({}, srq="one:1%0Atwo", **{"one:1\ntwo": "2"})


# --- what the official clients sign -----------------------------------------------------------


def delegation_key(service: str) -> UserDelegationKey:
    key = UserDelegationKey()
    key.signed_oid, key.signed_tid = "oid", "tid"
    key.signed_start, key.signed_expiry = "2024-05-01T12:00:00Z", "2024-05-02T12:00:00Z"
    key.signed_service, key.signed_version = service, "2026-10-06"
    key.signed_delegated_user_tid = "tenant"
    key.value = DEFAULT_KEY
    return key


OPTIONS: dict[str, Any] = {"permission": "r", "expiry": EXPIRY, "ip": "10.0.0.1"}
CONTENT: dict[str, Any] = {"cache_control": "no", "content_type": "a/b", "encryption_scope": "s"}


def test_what_the_blob_client_signs_with_a_delegated_key_is_the_text() -> None:
    signed: list[str] = []
    token = generate_blob_sas(
        "acct",
        "data",
        "a/b ü.txt",
        snapshot="SNAP",
        user_delegation_key=delegation_key("b"),
        user_delegation_oid="user",
        request_headers={"x-ms-encryption-scope": "s"},
        request_query_params={"Timeout": "5", "comp": "x"},
        sts_hook=signed.append,
        **OPTIONS,
        **CONTENT,
    )

    query = parse_query(f"{token}&timeout=5&comp=x&snapshot=SNAP")
    headers = {"x-ms-encryption-scope": "s"}
    found = delegated_text(
        "blob", query, headers, account="acct", resource="data/a/b ü.txt", snapshot="SNAP"
    )
    assert [found] == signed


def test_what_the_clients_sign_with_the_accounts_key_is_the_text() -> None:
    signed: list[str] = []
    key: dict[str, Any] = {"account_key": DEFAULT_KEY, "sts_hook": signed.append}
    container = generate_container_sas("acct", "data", **key, **OPTIONS, **CONTENT)
    queue = generate_queue_sas("acct", "q", **key, **OPTIONS)
    delegated = generate_queue_sas(
        "acct",
        "q",
        user_delegation_key=delegation_key("q"),
        user_delegation_oid="user",
        sts_hook=signed.append,
        **OPTIONS,
    )
    account = generate_account_sas(
        "acct", resource_types="sco", **key, **OPTIONS, encryption_scope="s"
    )

    assert signed == [
        service_text("blob", parse_query(container), account="acct", resource="data", snapshot=""),
        service_text("queue", parse_query(queue), account="acct", resource="q", snapshot=""),
        delegated_text(
            "queue", parse_query(delegated), {}, account="acct", resource="q", snapshot=""
        ),
        account_text("acct", parse_query(account)),
    ]
