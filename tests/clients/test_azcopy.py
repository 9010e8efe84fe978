"""AzCopy: transfers by many blocks at once, from account to account, and in step.

It tells what a URL is by its host name; here that is an address, so each command is told.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from conftest import Account, Command, FindCommand

pytestmark = [pytest.mark.external, pytest.mark.slow, pytest.mark.timeout(180)]
INSTALL = (
    "npm install @azure-tools/azcopy-linux, its program on PATH as azcopy, "
    "apt-get install libsecret-1-0"
)


@pytest.fixture
def azcopy(find_command: FindCommand, tmp_path: Path) -> Command:
    folders = {
        "AZCOPY_LOG_LOCATION": str(tmp_path / "logs"),
        "AZCOPY_JOB_PLAN_LOCATION": str(tmp_path / "plans"),
    }
    return find_command("azcopy", INSTALL, {"AZCOPY_DISABLE_SYSLOG": "true", **folders})


@pytest.fixture
def box(account: Account) -> Any:
    from azure.storage.blob import BlobServiceClient

    with BlobServiceClient.from_connection_string(account.connection_string) as service:
        yield service.create_container("box")


def contents(container: Any, prefix: str = "") -> dict[str, bytes]:
    return {
        name.removeprefix(prefix): container.download_blob(name).readall()
        for name in container.list_blob_names(name_starts_with=prefix)
    }


def files(folder: Path) -> dict[str, bytes]:
    found = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


def test_a_tree_goes_up_and_comes_down_as_it_was(
    azcopy: Command, account: Account, box: Any, tree: Path, tmp_path: Path
) -> None:
    up = ("--from-to=LocalBlob", "--recursive", "--put-md5", "--block-size-mb=1")
    down = ("--from-to=BlobLocal", "--recursive", "--check-md5=FailIfDifferentOrMissing")

    azcopy("copy", tree, f"{box.url}?{account.sas()}", *up)
    azcopy("copy", f"{box.url}/tree?{account.sas()}", tmp_path / "down", *down)

    assert contents(box, "tree/") == files(tree)
    assert files(tmp_path / "down/tree") == files(tree)


def test_a_sync_uploads_what_changed_and_deletes_what_went(
    azcopy: Command, account: Account, box: Any, tree: Path
) -> None:
    options = ("--from-to=LocalBlob", "--delete-destination=true")
    azcopy("sync", tree, f"{box.url}?{account.sas()}", *options)
    (tree / "plain.txt").write_bytes(b"another text")
    (tree / "empty.bin").unlink()

    azcopy("sync", tree, f"{box.url}?{account.sas()}", *options)

    assert contents(box) == files(tree)


def test_a_container_is_copied_on_the_server(
    azcopy: Command, account: Account, box: Any, tree: Path
) -> None:
    target = box.url.replace("/box", "/other")
    for name, content in files(tree).items():
        box.upload_blob(name, content, metadata={"kind": "copied"}, tags={"colour": "blue"})
    options = ("--from-to=BlobBlob", "--recursive", "--s2s-preserve-blob-tags=true")

    azcopy("copy", f"{box.url}/*?{account.sas()}", f"{target}?{account.sas()}", *options)

    from azure.storage.blob import ContainerClient

    with ContainerClient.from_connection_string(account.connection_string, "other") as other:
        assert contents(other) == files(tree)
        blob = other.get_blob_client("large.bin")
        assert blob.get_blob_properties().metadata == {"kind": "copied"}
        assert blob.get_blob_tags() == {"colour": "blue"}


def test_page_and_append_blobs(azcopy: Command, account: Account, box: Any, tmp_path: Path) -> None:
    (tmp_path / "disk.vhd").write_bytes(bytes(512) + b"\1" * 512 + bytes(1024))

    for kind in ("PageBlob", "AppendBlob"):
        url = f"{box.url}/{kind}?{account.sas()}"
        azcopy("copy", tmp_path / "disk.vhd", url, "--from-to=LocalBlob", f"--blob-type={kind}")

    for kind in ("PageBlob", "AppendBlob"):
        blob = box.get_blob_client(kind)
        assert blob.get_blob_properties().blob_type == kind
        assert blob.download_blob().readall() == (tmp_path / "disk.vhd").read_bytes()


def test_blobs_are_listed_and_removed(
    azcopy: Command, account: Account, box: Any, tree: Path
) -> None:
    for name, content in files(tree).items():
        box.upload_blob(name, content)
    url = f"{box.url}?{account.sas()}"

    said = azcopy("list", url, "--location=Blob")
    azcopy("remove", url.replace("/box", "/box/folder"), "--from-to=BlobTrash", "--recursive")

    assert all(f"{name};" in said for name in files(tree))
    assert set(contents(box)) == {name for name in files(tree) if "folder" not in name}
