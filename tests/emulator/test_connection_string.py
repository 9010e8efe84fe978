"""Connection strings of every documented form, and what is said of the others."""

from __future__ import annotations

import pytest

from triggerfish_storage.connection_string import (
    Connection,
    ConnectionStringError,
    development_connection_string,
    parse_connection_string,
)
from triggerfish_storage.protocol.accounts import DEFAULT_ACCOUNT, DEFAULT_KEY
from triggerfish_storage.protocol.auth import decode_key

KEY = decode_key(DEFAULT_KEY)
LOCAL = f"http://127.0.0.1:{{}}/{DEFAULT_ACCOUNT}"


def test_the_development_storage_is_on_its_ports() -> None:
    assert parse_connection_string("UseDevelopmentStorage=true") == Connection(
        DEFAULT_ACCOUNT,
        {"blob": LOCAL.format(10000), "queue": LOCAL.format(10001), "table": LOCAL.format(10002)},
        KEY,
    )


def test_the_development_storage_may_be_elsewhere() -> None:
    text = "UseDevelopmentStorage=true;DevelopmentStorageProxyUri=http://storage"
    connection = parse_connection_string(text, ports={"blob": 1, "queue": 2})

    assert connection.endpoint("queue") == f"http://storage:2/{DEFAULT_ACCOUNT}"
    assert parse_connection_string(
        "usedevelopmentstorage=TRUE", host="h", ports={"blob": 1}
    ).endpoints == {"blob": f"http://h:1/{DEFAULT_ACCOUNT}"}


def test_an_account_in_the_cloud_is_told_from_its_name() -> None:
    connection = parse_connection_string(
        "DefaultEndpointsProtocol=https;AccountName=acct;AccountKey=a2V5;"
        "EndpointSuffix=core.chinacloudapi.cn"
    )

    assert connection.endpoint("blob") == "https://acct.blob.core.chinacloudapi.cn"
    assert connection.endpoint("queue") == "https://acct.queue.core.chinacloudapi.cn"
    assert connection.key == b"key"


def test_named_endpoints_win_over_the_accounts_own() -> None:
    connection = parse_connection_string(
        "AccountName=acct;AccountKey=a2V5;QueueEndpoint=http://h:5/acct/;"
    )

    assert connection.endpoint("queue") == "http://h:5/acct"
    assert connection.endpoint("blob") == "https://acct.blob.core.windows.net"


def test_a_sas_needs_no_key() -> None:
    connection = parse_connection_string(
        'BlobEndpoint=https://h/a;SharedAccessSignature="?sv=1&sig=a%3D"'.replace('"', "")
    )

    assert (connection.sas, connection.key) == ("sv=1&sig=a%3D", b"")
    with pytest.raises(ConnectionStringError, match="no QueueEndpoint"):
        connection.endpoint("queue")


def test_what_is_written_reads_back() -> None:
    text = development_connection_string({"blob": 5, "queue": 6}, host="storage", protocol="https")

    assert parse_connection_string(text).endpoints == {
        "blob": f"https://storage:5/{DEFAULT_ACCOUNT}",
        "queue": f"https://storage:6/{DEFAULT_ACCOUNT}",
        "table": f"https://{DEFAULT_ACCOUNT}.table.core.windows.net",
    }


def test_neither_key_nor_sas_is_shown() -> None:
    connection = parse_connection_string("AccountName=acct;AccountKey=a2V5")

    assert "key" not in repr(connection)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "is empty; UseDevelopmentStorage=true"),
        (" ; ", "is empty"),
        ("nonsense", "'nonsense' in the connection string has no '='"),
        ("Acount=x;AccountKey=a2V5", "'Acount' is no part of a connection string; known are"),
        ("AccountName=acct", "neither AccountKey nor SharedAccessSignature"),
        ("AccountKey=a2V5", "names no account: AccountName"),
        ("BlobEndpoint=http://h/a;AccountKey=a2V5", "AccountKey stands without AccountName"),
        ("AccountName=acct;AccountKey=not base64", "AccountKey is not base64 text"),
        ("AccountName=a;AccountKey=a2V5;DefaultEndpointsProtocol=ftp", "DefaultEndpointsProtocol"),
        (
            "AccountName=a;AccountKey=a2V5;BlobEndpoint=h:5",
            "BlobEndpoint is 'h:5', which is no URL",
        ),
        ("BlobEndpoint=http://[::", "BlobEndpoint is 'http://[::', which is no URL"),
        ("QueueEndpoint=http://h:x/a", "QueueEndpoint is 'http://h:x/a', which is no URL"),
        ("TableEndpoint=http://h:99999", "TableEndpoint is 'http://h:99999', which is no URL"),
        (f"BlobEndpoint=http://{'x' * 70}", "which is no URL"),
        (
            "UseDevelopmentStorage=true;DevelopmentStorageProxyUri=http://[::",
            "DevelopmentStorageProxyUri is 'http://[::', which is no URL",
        ),
    ],
)
def test_a_malformed_one_is_told_with_the_key_at_fault(text: str, problem: str) -> None:
    with pytest.raises(ConnectionStringError) as caught:
        parse_connection_string(text)

    assert problem in str(caught.value)


def test_no_message_shows_a_whole_key() -> None:
    with pytest.raises(ConnectionStringError) as caught:
        parse_connection_string(DEFAULT_KEY.replace("=", ""))

    assert DEFAULT_KEY[:30] not in str(caught.value)
