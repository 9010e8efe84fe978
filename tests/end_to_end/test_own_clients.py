"""User code with storage clients of its own, made from the settings as everybody makes them."""

from __future__ import annotations

import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from azure.storage.blob import BlobServiceClient

APP = """
import os
import azure.functions as func
from azure.storage.blob import BlobServiceClient

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)

@app.route(route="save")
def save(req: func.HttpRequest) -> str:
    setting = os.environ["AzureWebJobsStorage"]
    with BlobServiceClient.from_connection_string(setting, retry_total=0) as blobs:
        blobs.create_container("mine").upload_blob("a.txt", b"from a client of its own")
    return "saved"
"""
SETTINGS = '{"IsEncrypted": false, "Values": {"AzureWebJobsStorage": "UseDevelopmentStorage=true"}}'


def test_a_client_made_from_the_settings_reaches_the_account_on_any_ports(
    tmp_path: Path, start: Callable[..., Any]
) -> None:
    (tmp_path / "host.json").write_text('{"version": "2.0"}')
    (tmp_path / "local.settings.json").write_text(SETTINGS)
    (tmp_path / "function_app.py").write_text(APP)
    host = start(tmp_path).ready()

    with urllib.request.urlopen(f"{host.url}/api/save", timeout=20) as answer:
        assert answer.read() == b"saved"

    with BlobServiceClient.from_connection_string(host.connection_string) as blobs:
        found = blobs.get_blob_client("mine", "a.txt").download_blob().readall()
    assert found == b"from a client of its own"
