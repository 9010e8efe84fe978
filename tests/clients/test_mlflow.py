"""MLflow: the artifacts of runs and models in a container, also in parts by signed URLs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from conftest import Account

pytestmark = [
    pytest.mark.external,
    pytest.mark.slow,
    pytest.mark.filterwarnings("default"),  # those of code that is not ours
]


@pytest.fixture
def artifacts(account: Account, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A folder of the container ``box``, named as MLflow names those in the cloud."""
    stores = pytest.importorskip(
        "mlflow.store.artifact.artifact_repository_registry",
        reason="MLflow is not here: pip install mlflow-skinny azure-storage-blob azure-identity",
    )
    from azure.storage.blob import ContainerClient

    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", account.connection_string)
    with ContainerClient.from_connection_string(account.connection_string, "box") as container:
        container.create_container()
    host = f"{account.name}.blob.core.windows.net"
    return stores.get_artifact_repository(f"wasbs://box@{host}/1/run/artifacts")


def test_a_tree_is_logged_listed_fetched_and_deleted(
    artifacts: Any, tree: Path, tmp_path: Path
) -> None:
    artifacts.log_artifacts(str(tree), "model")
    artifacts.log_artifact(str(tree / "plain.txt"))

    assert listed(artifacts, "") == {"model": None, "plain.txt": 6}
    assert listed(artifacts, "model/folder/with spaces") == {
        "model/folder/with spaces/and+plus%20percent.txt": 29
    }
    (tmp_path / "down").mkdir()
    down = Path(artifacts.download_artifacts("model", str(tmp_path / "down")))
    files = [path.relative_to(tree) for path in tree.rglob("*") if path.is_file()]
    assert [(down / file).read_bytes() for file in files] == [
        (tree / file).read_bytes() for file in files
    ]
    artifacts.delete_artifacts("model")
    assert listed(artifacts, "") == {"plain.txt": 6}


def test_a_large_artifact_is_put_together_of_parts_sent_to_signed_urls(
    artifacts: Any, tmp_path: Path
) -> None:
    requests = pytest.importorskip("requests", reason="requests is not here: pip install requests")
    from mlflow.entities.multipart_upload import MultipartUploadPart

    parts, name = [os.urandom(1_000_000), b"the rest"], "weights é.bin"
    begun = artifacts.create_multipart_upload(name, len(parts), "model")
    sent = []
    for part, data in zip(begun.credentials, parts, strict=True):
        answer = requests.put(part.url, data=data, headers=part.headers)
        assert answer.status_code == 201, answer.text
        sent.append(MultipartUploadPart(part.part_number, "", part.url))
    artifacts.complete_multipart_upload(name, begun.upload_id, sent, "model")

    down = artifacts.download_artifacts(f"model/{name}", str(tmp_path))
    assert Path(down).read_bytes() == b"".join(parts)


def listed(artifacts: Any, folder: str) -> dict[str, int | None]:
    """Return the sizes of a folder's artifacts by name; folders have none."""
    return {each.path: each.file_size for each in artifacts.list_artifacts(folder)}
