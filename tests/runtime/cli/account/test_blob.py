"""``triggerfish blob``, against a storage server of ours."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from azure.storage.blob import BlobClient

from triggerfish.cli.accounts import AccountFailed
from triggerfish.cli.blob_paths import BlobPath, folder_of, local_path
from triggerfish.model import TriggerfishError


def names(server: Any, *arguments: str) -> list[str]:
    result = server.run("blob", "list", *arguments, "--json")
    assert result.exit_code == 0, result.output
    return [one["name"] for one in json.loads(result.stdout)]


def put(server: Any, container: str, blobs: dict[str, bytes]) -> None:
    async def put_each(client: Any) -> None:
        await client.create_container(container)
        for name, content in blobs.items():
            await client.put_blob(container, name, content)

    server.ask(put_each)


def get(server: Any, container: str, name: str) -> bytes:
    content: bytes = server.ask(lambda client: client.get_blob(container, name))
    return content


def test_a_file_becomes_the_blob_that_is_named(server: Any, name: str, tmp_path: Path) -> None:
    file = tmp_path / "orders.csv"
    file.write_bytes(b"a,b\n\xff")

    result = server.run("blob", "put", f"{name}/2024/Zoë's orders.csv", str(file))

    assert (result.exit_code, result.stderr) == (0, f"{name}/2024/Zoë's orders.csv was put.\n")
    assert get(server, name, "2024/Zoë's orders.csv") == b"a,b\n\xff"
    [listed] = json.loads(server.run("blob", "list", name, "--json").stdout)
    assert (listed["length"], listed["contentType"]) == (5, "text/csv")


def test_files_and_folders_keep_their_names(server: Any, name: str, tmp_path: Path) -> None:
    (tmp_path / "one.txt").write_text("1")
    (tmp_path / "tree" / "deep").mkdir(parents=True)
    (tmp_path / "tree" / "two.txt").write_text("2")
    (tmp_path / "tree" / "deep" / "three.txt").write_text("3")

    server.run("blob", "put", name, str(tmp_path / "one.txt"))
    server.run("blob", "put", f"{name}/a/", str(tmp_path / "one.txt"))
    server.run("blob", "put", f"{name}/b", str(tmp_path / "one.txt"), str(tmp_path / "tree"))

    assert names(server, name) == [
        *("a/one.txt", "b/deep/three.txt", "b/one.txt", "b/two.txt"),
        "one.txt",
    ]


@pytest.mark.parametrize("dash", [["-"], []])
def test_what_is_piped_in_becomes_a_blob_and_a_blob_what_is_piped_out(
    server: Any, name: str, dash: list[str]
) -> None:
    content = bytes(range(256)) * 100

    server.run("blob", "put", f"{name}/bytes", *dash, input=content)
    result = server.run("blob", "get", f"{name}/bytes", *dash)

    assert result.stdout_bytes == content


@pytest.mark.parametrize("words", [['{"name": "Zoë"}'], ["--text", '{"name": "Zoë"}']])
def test_a_text_becomes_a_blob(server: Any, name: str, words: list[str]) -> None:
    server.run("blob", "put", f"{name}/customer.json", *words)

    shown = server.run("blob", "get", f"{name}/customer.json")

    assert shown.stdout == '{"name": "Zoë"}'


def test_a_blob_is_written_to_a_file_or_into_a_folder(
    server: Any, name: str, tmp_path: Path
) -> None:
    put(server, name, {"deep/er/data.bin": b"\x00\xff"})

    server.run("blob", "get", f"{name}/deep/er/data.bin", str(tmp_path))
    server.run("blob", "get", f"{name}/deep/er/data.bin", str(tmp_path / "new" / "other.bin"))

    assert (tmp_path / "data.bin").read_bytes() == b"\x00\xff"
    assert (tmp_path / "new" / "other.bin").read_bytes() == b"\x00\xff"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["{}/in/*.csv"], ["a.csv", "b.csv"]),
        (["{}/in/**/*.csv"], ["a.csv", "b.csv", "deep/c.csv"]),
        (["{}/in/**"], ["a.csv", "b.csv", "deep/c.csv", "deep/d.txt"]),
        (["{}/**/?.txt"], ["in/deep/d.txt"]),
        (["{}", "--prefix", "in/deep/"], ["c.csv", "d.txt"]),
    ],
    ids=lambda value: " ".join(value),
)
def test_a_pattern_gets_what_matches_below_a_folder(
    server: Any, name: str, tmp_path: Path, arguments: list[str], expected: list[str]
) -> None:
    blobs = ("in/a.csv", "in/b.csv", "in/deep/c.csv", "in/deep/d.txt", "out/a.csv")
    put(server, name, dict.fromkeys(blobs, b"x"))

    source, *rest = (argument.format(name) for argument in arguments)
    result = server.run("blob", "get", source, str(tmp_path), *rest)

    assert result.exit_code == 0, result.output
    found = [one.relative_to(tmp_path).as_posix() for one in tmp_path.rglob("*") if one.is_file()]
    assert sorted(found) == expected


def test_blobs_that_lead_out_of_the_folder_are_refused_before_any_is_written(
    server: Any, name: str, tmp_path: Path
) -> None:
    put(server, name, {"a/fine": b"1", "a/../../evil": b"2"})

    result = server.run("blob", "get", f"{name}/a/**", str(tmp_path / "below"))

    assert isinstance(result.exception, TriggerfishError)
    assert "outside of" in str(result.exception)
    assert not (tmp_path / "below").exists()


def test_containers_prefixes_and_patterns_are_listed(server: Any, name: str) -> None:
    put(server, name, {"a/1.csv": b"12", "a/2.txt": b"", "b": b""})

    assert name in names(server)
    assert names(server, "--prefix", name) == [name]
    assert names(server, f"{name}/a/") == ["a/1.csv", "a/2.txt"]
    assert names(server, f"{name}/**.csv") == ["a/1.csv"]
    assert names(server, name, "--prefix", "b") == ["b"]
    columns = server.run("blob", "list", f"{name}/a/1").stdout.split("\t")
    assert columns[:2] == ["a/1.csv", "2"]


def test_a_static_website_is_put_like_any_other_blobs(server: Any) -> None:
    server.run("blob", "put", "$web/index.html", "--text", "<p>")

    assert names(server, "$web") == ["index.html"]


def test_a_blob_is_deleted_with_its_snapshots(server: Any, name: str) -> None:
    put(server, name, {"a/1.csv": b"12", "a/2.csv": b""})
    with BlobClient.from_connection_string(server.connection, name, "a/1.csv") as blob:
        blob.create_snapshot()

    result = server.run("blob", "delete", f"{name}/a/1.csv")

    assert (result.exit_code, result.stderr) == (0, f"{name}/a/1.csv was deleted.\n")
    assert names(server, name) == ["a/2.csv"]


def test_a_pattern_deletes_what_matches(server: Any, name: str) -> None:
    put(server, name, {"a/1.csv": b"12", "a/2.txt": b"", "a/b/3.csv": b""})

    result = server.run("blob", "delete", f"{name}/**.csv")

    assert (result.exit_code, result.stderr) == (0, "2 blobs deleted.\n")
    assert names(server, name) == ["a/2.txt"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["put", "files/x", "missing.txt"], "missing.txt: there is no such file or folder"),
        (["get", "files/*.none"], "ContainerNotFound"),
    ],
)
def test_what_cannot_be_done_is_explained(server: Any, arguments: list[str], message: str) -> None:
    result = server.run("blob", *arguments)

    assert isinstance(result.exception, TriggerfishError)
    assert message in str(result.exception)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["get", "files"], "All are 'files/**'"),
        (["delete", "files"], "All are 'files/**'"),
        (["put", "Bad_One/x", __file__], "'Bad_One/x': a container name must have"),
        (["get", "Bad_One/x"], "'Bad_One/x': a container name must have"),
        (["list", "Bad_One"], "'Bad_One': a container name must have"),
        (["put", "files", "-"], "needs a name"),
        (["put", "files/x", __file__, "--text", "x"], "goes without files"),
        (["get", "files/a", "--prefix", "b"], "--prefix goes with a container alone"),
    ],
)
def test_wrong_use_is_refused(server: Any, arguments: list[str], message: str) -> None:
    result = server.run("blob", *arguments)

    assert result.exit_code == 2
    assert message in result.stderr


def test_a_missing_blob_is_the_services_error(server: Any, name: str) -> None:
    put(server, name, {})

    assert "BlobNotFound" in str(server.run("blob", "get", f"{name}/none").exception)
    assert "BlobNotFound" in str(server.run("blob", "delete", f"{name}/none").exception)
    assert "No blob matches" in str(server.run("blob", "get", f"{name}/no*").exception)
    assert "No blob matches" in str(server.run("blob", "delete", f"{name}/no*").exception)
    assert isinstance(server.run("blob", "get", f"{name}/none").exception, AccountFailed)


@pytest.mark.parametrize(
    ("pattern", "name", "matches"),
    [
        ("*.csv", "a.csv", True),
        ("*.csv", "deep/a.csv", False),
        ("**.csv", "deep/a.csv", True),
        ("**/a", "a", True),
        ("**/a", "x/y/a", True),
        ("**/a", "xa", False),
        ("a?c", "abc", True),
        ("a?c", "a/c", False),
        ("[a]*", "[a]b", True),
        ("a.c*", "abc", False),
        ("*", "line\nbreak", True),
    ],
)
def test_patterns_match_names(pattern: str, name: str, matches: bool) -> None:
    assert BlobPath("files", pattern).matches(name) is matches


def test_a_pattern_knows_its_folder() -> None:
    assert folder_of(BlobPath("files", "in/2024/*.csv")) == "in/2024/"
    assert folder_of(BlobPath("files", "in/20*/a")) == "in/"
    assert folder_of(BlobPath("files", "*")) == ""


@pytest.mark.parametrize("name", ["../x", "a/../../x", "/etc/passwd", ""])
def test_no_name_leads_out_of_a_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(TriggerfishError):
        local_path(tmp_path, name)
