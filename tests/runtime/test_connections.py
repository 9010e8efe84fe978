"""What a binding's connection names: the embedded account, a connection string, an identity."""

from __future__ import annotations

import pytest

from triggerfish.config.connections import (
    DEVELOPMENT_ACCOUNT,
    DEVELOPMENT_KEY,
    ConnectionString,
    Embedded,
    Identity,
    find_connection,
    parse_connection,
)
from triggerfish.config.errors import ConfigError

DEVELOPMENT = "UseDevelopmentStorage=true"
REAL = (
    "DefaultEndpointsProtocol=https;AccountName=shop;AccountKey=c2VjcmV0;"
    "EndpointSuffix=core.windows.net"
)


def account(name: str) -> str:
    return f"AccountName={name};AccountKey=c2VjcmV0"


# --- where it is looked for -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("connection", "settings", "found"),
    [
        ("", {"AzureWebJobsStorage": account("one")}, "one"),
        ("Storage", {"AzureWebJobsStorage": account("one")}, "one"),
        ("AzureWebJobsStorage", {"AzureWebJobsStorage": account("one")}, "one"),
        ("Shop", {"Shop": account("one")}, "one"),
        ("Shop", {"AzureWebJobsShop": account("one")}, "one"),
        ("Shop", {"Shop": account("two"), "AzureWebJobsShop": account("one")}, "one"),
        ("Shop", {"Shop": account("two"), "ConnectionStrings:Shop": account("one")}, "one"),
        ("Shop", {"ConnectionStrings__Shop": account("one")}, "one"),
        (
            "Shop",
            {
                "AzureWebJobsShop": account("two"),
                "ConnectionStrings:AzureWebJobsShop": account("one"),
            },
            "one",
        ),
        ("shop", {"SHOP": account("one")}, "one"),
        ("Shop", {"AzureWebJobsShop": "", "Shop": account("one")}, "one"),
    ],
)
def test_a_connection_is_looked_for_in_the_documented_order(connection, settings, found):
    connection = find_connection(connection, settings)

    assert isinstance(connection, ConnectionString)
    assert connection.account_name == found


@pytest.mark.parametrize("connection", ["", "Storage", "AzureWebJobsStorage"])
@pytest.mark.parametrize("settings", [{}, {"AzureWebJobsStorage": ""}, {"Other": DEVELOPMENT}])
def test_host_storage_that_is_not_set_is_the_embedded_account(connection, settings):
    assert find_connection(connection, settings) == Embedded()


@pytest.mark.parametrize("text", [DEVELOPMENT, "usedevelopmentstorage=TRUE;", f" {DEVELOPMENT} ;"])
def test_development_storage_is_the_embedded_account(text):
    assert find_connection("Shop", {"Shop": text}) == Embedded("Shop")


@pytest.mark.parametrize("settings", [{}, {"Shop": ""}, {"Shops": account("one")}])
def test_a_connection_that_is_not_set_names_the_setting_and_what_to_do(settings):
    with pytest.raises(ConfigError) as caught:
        find_connection("Shop", settings)

    message = str(caught.value)
    assert message.startswith("local.settings.json or environment: Shop: ")
    assert "Storage account connection string 'AzureWebJobsShop' does not exist" in message
    assert "Make sure that it is a defined app setting" in message


# --- connection strings -----------------------------------------------------------------------


def test_endpoints_are_made_of_the_account_name():
    connection = parse_connection("S", REAL)

    assert connection == ConnectionString(
        setting="S",
        text=REAL,
        account_name="shop",
        account_key="c2VjcmV0",
        sas_token="",
        blob_endpoint="https://shop.blob.core.windows.net",
        queue_endpoint="https://shop.queue.core.windows.net",
        table_endpoint="https://shop.table.core.windows.net",
    )


@pytest.mark.parametrize(
    ("text", "blob", "queue"),
    [
        (
            account("shop"),
            "https://shop.blob.core.windows.net",
            "https://shop.queue.core.windows.net",
        ),
        (
            f"{account('shop')};DefaultEndpointsProtocol=http;EndpointSuffix=example.org",
            "http://shop.blob.example.org",
            "http://shop.queue.example.org",
        ),
        (
            f"{account('a')};BlobEndpoint=http://storage:10000/a/;QueueEndpoint=http://storage:10001/a",
            "http://storage:10000/a",
            "http://storage:10001/a",
        ),
        (f"{account('a')};BlobEndpoint=http://storage:10000/a", "http://storage:10000/a", ""),
        (
            "BlobEndpoint=https://s.blob.core.windows.net/;SharedAccessSignature=sv=2024&sig=a%2Bb%3D",
            "https://s.blob.core.windows.net",
            "",
        ),
        (
            f"{DEVELOPMENT};DevelopmentStorageProxyUri=http://machine",
            f"http://machine:10000/{DEVELOPMENT_ACCOUNT}",
            f"http://machine:10001/{DEVELOPMENT_ACCOUNT}",
        ),
    ],
)
def test_endpoints_are_those_that_the_text_gives(text, blob, queue):
    connection = parse_connection("S", text)

    assert isinstance(connection, ConnectionString)
    assert (connection.blob_endpoint, connection.queue_endpoint) == (blob, queue)


def test_a_shared_access_signature_keeps_its_equals_signs():
    text = "QueueEndpoint=https://s.queue.core.windows.net;SharedAccessSignature=?sv=2024&sig=a%3D="

    connection = parse_connection("S", text)

    assert isinstance(connection, ConnectionString)
    assert connection.sas_token == "sv=2024&sig=a%3D="


def test_the_published_account_by_its_endpoint_is_an_account_like_any_other():
    text = (
        f"AccountName={DEVELOPMENT_ACCOUNT};AccountKey={DEVELOPMENT_KEY};"
        f"QueueEndpoint=http://127.0.0.1:10001/{DEVELOPMENT_ACCOUNT};"
    )

    assert isinstance(parse_connection("S", text), ConnectionString)


@pytest.mark.parametrize(
    ("text", "at_fault"),
    [
        ("nonsense", "part 1: it is no NAME=VALUE"),
        ("AccountName=shop;;AccountKey", "part 3: it is no NAME=VALUE"),
        ("=x", "part 1: it is no NAME=VALUE"),
        ("AccountName=shop", "AccountKey: neither it nor SharedAccessSignature"),
        ("AccountKey=c2VjcmV0", "AccountName: neither it nor an endpoint"),
        ("AccountKey=c2VjcmV0;BlobEndpoint=http://h/a", "AccountName: it is missing"),
        ("AccountName=shop;AccountKey=not base64!", "AccountKey: it is not valid base64"),
        ("AccountName=shop;AccountKey=abc", "AccountKey: it is not valid base64"),
        ("AccountName=Shop_1;AccountKey=c2VjcmV0", "AccountName: 'Shop_1' is no account name"),
        ("AccountName=a;AccountName=b;AccountKey=c2VjcmV0", "AccountName: it is there twice"),
        (f"{account('shop')};DefaultEndpointsProtocol=ftp", "DefaultEndpointsProtocol: it must be"),
        (
            f"{account('shop')};BlobEndpoint=storage:10000",
            "BlobEndpoint: 'storage:10000' is no address",
        ),
        (
            f"{account('shop')};QueueEndpoint=http://h:x/a",
            "QueueEndpoint: 'http://h:x/a' is no address",
        ),
        (
            f"{account('shop')};QueueEndpoint=http://[/a",
            "QueueEndpoint: 'http://[/a' is no address",
        ),
        ("UseDevelopmentStorage=false", "UseDevelopmentStorage: the one value it can have is true"),
        (
            f"{DEVELOPMENT};DevelopmentStorageProxyUri=x",
            "DevelopmentStorageProxyUri: 'x' is no address",
        ),
        ("ä" * 5000, "part 1: it is no NAME=VALUE"),
    ],
)
def test_a_malformed_text_names_setting_and_key_and_never_the_secret(text, at_fault):
    with pytest.raises(ConfigError) as caught:
        find_connection("Shop", {"Shop": text})

    message = str(caught.value)
    assert message.startswith(
        f"local.settings.json or environment: Shop: malformed connection string, {at_fault}"
    )
    assert caught.value.remedy in message
    assert "c2VjcmV0" not in message
    assert "base64!" not in message


def test_a_secret_is_not_shown():
    assert "c2VjcmV0" not in repr(parse_connection("S", REAL))


# --- identities -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("group", "blob", "queue"),
    [
        (
            {"accountName": "shop"},
            "https://shop.blob.core.windows.net",
            "https://shop.queue.core.windows.net",
        ),
        (
            {"blobServiceUri": "https://b.example/", "queueServiceUri": "https://q.example"},
            "https://b.example",
            "https://q.example",
        ),
        (
            {"serviceUri": "https://shop.queue.core.windows.net"},
            "",
            "https://shop.queue.core.windows.net",
        ),
        (
            {"serviceUri": "https://machine:1/shop"},
            "https://machine:1/shop",
            "https://machine:1/shop",
        ),
    ],
)
@pytest.mark.parametrize("prefix", ["Shop__", "AzureWebJobsShop__", "Shop:", "SHOP__"])
def test_a_group_of_settings_is_an_identity(group, blob, queue, prefix):
    connection = find_connection("Shop", {prefix + name: value for name, value in group.items()})

    assert isinstance(connection, Identity)
    assert (connection.blob_endpoint, connection.queue_endpoint) == (blob, queue)


def test_who_the_identity_is_may_be_said():
    group = {"accountName": "a", "credential": "managedidentity", "clientId": "c", "tenantId": "t"}
    settings = {f"AzureWebJobsStorage__{name}": value for name, value in group.items()}

    connection = find_connection("", {**settings, "AzureWebJobsStorage__clientSecret": "hush"})

    assert isinstance(connection, Identity)
    assert (connection.credential, connection.client_id) == ("managedidentity", "c")
    assert (connection.tenant_id, connection.client_secret) == ("t", "hush")
    assert "hush" not in repr(connection)


@pytest.mark.parametrize(
    ("group", "told"),
    [
        ({"clientId": "c"}, "names no account"),
        ({"blobServiceUri": "shop"}, "Shop__blobServiceUri: 'shop' is no address"),
    ],
)
def test_a_group_that_names_no_account_is_told(group, told):
    with pytest.raises(ConfigError, match=r"^local\.settings\.json or environment: Shop") as caught:
        find_connection("Shop", {f"Shop__{name}": value for name, value in group.items()})

    assert told in str(caught.value)
