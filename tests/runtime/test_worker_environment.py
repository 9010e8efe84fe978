"""What functions see of the settings that name the embedded account."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from triggerfish.config.connections import find_connection
from triggerfish.config.start_options import StartOptions
from triggerfish.config.worker_environment import worker_environment
from triggerfish_storage.connection_string import parse_connection_string

SETTINGS = {
    "AzureWebJobsStorage": "UseDevelopmentStorage=true",
    "Mine": " usedevelopmentstorage=TRUE; ",
    "Other": "BlobEndpoint=http://127.0.0.1:1/x",
    "PATH": "/bin",
}


def options(**given: object) -> StartOptions:
    return StartOptions(Path(), **given)


def test_on_other_ports_clients_in_user_code_find_the_account() -> None:
    seen = worker_environment(SETTINGS, options(blob_port=1, queue_port=2, table_port=3))

    found = parse_connection_string(seen["AzureWebJobsStorage"])
    assert found.account == "devstoreaccount1"
    assert found.endpoints == {
        "blob": "http://127.0.0.1:1/devstoreaccount1",
        "queue": "http://127.0.0.1:2/devstoreaccount1",
        "table": "http://127.0.0.1:3/devstoreaccount1",
    }
    assert seen["Mine"] == seen["AzureWebJobsStorage"]
    assert (seen["Other"], seen["PATH"]) == (SETTINGS["Other"], SETTINGS["PATH"])
    assert find_connection("", seen)


@pytest.mark.parametrize("given", [{}, {"blob_port": 0, "queue_port": 5}])
def test_on_the_well_known_ports_and_on_unknown_ones_nothing_is_replaced(given) -> None:
    assert worker_environment(SETTINGS, options(**given)) == SETTINGS


@pytest.mark.parametrize(
    ("address", "host"), [("0.0.0.0", "127.0.0.1"), ("::1", "[::1]"), ("10.1.2.3", "10.1.2.3")]
)
def test_https_and_another_address_are_told_too(address: str, host: str) -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)

    seen = worker_environment(SETTINGS, options(tls=tls, storage_address=address))

    found = parse_connection_string(seen["AzureWebJobsStorage"])
    assert found.endpoint("blob") == f"https://{host}:10000/devstoreaccount1"
