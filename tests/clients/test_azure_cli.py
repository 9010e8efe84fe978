"""The Azure CLI: ``az storage`` for containers, blobs, queues, messages, tables and entities.

A command takes over a second to start, so a test is one short session at a terminal.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from conftest import Account, Command, FindCommand

INSTALL: Final = "pip install azure-cli, in an environment of its own"
LATER: Final = ("--expiry", "2040-01-01T00:00Z")

pytestmark = [pytest.mark.external, pytest.mark.slow, pytest.mark.timeout(180)]


@pytest.fixture
def environment(account: Account, tmp_path: Path) -> Mapping[str, str]:
    return {
        "AZURE_STORAGE_CONNECTION_STRING": account.connection_string,
        "AZURE_CONFIG_DIR": str(tmp_path / "az"),
        "AZURE_CORE_COLLECT_TELEMETRY": "no",
        "AZURE_CORE_ONLY_SHOW_ERRORS": "yes",
    }


@pytest.fixture
def command(find_command: FindCommand, environment: Mapping[str, str]) -> Command:
    return find_command("az", INSTALL, environment)


@pytest.fixture
def az(command: Command) -> Callable[..., Any]:
    """Run ``az storage`` with one line of words, then others as they are; return its JSON."""

    def run(line: str, *arguments: str | Path) -> Any:
        said = command("storage", *line.split(), *arguments, "--output", "json")
        return json.loads(said) if said.strip() else None

    return run


@pytest.fixture
def stranger(find_command: FindCommand, environment: Mapping[str, str], account: Account) -> Any:
    """The same without a key: all it has is the token it is given, for one service."""
    left = {k: v for k, v in environment.items() if k != "AZURE_STORAGE_CONNECTION_STRING"}
    found = find_command("az", INSTALL, left)

    def run(service: Any, token: str, line: str, *arguments: str | Path) -> Any:
        where = (f"--{service}-endpoint", account.endpoint(service), "--sas-token", token)
        said = found("storage", *line.split(), *arguments, *where, "--output", "json")
        return json.loads(said) if said.strip() else None

    return run


def test_a_blob_goes_up_is_described_and_comes_down(
    az: Callable[..., Any], tree: Path, tmp_path: Path
) -> None:
    name = "ünï/a b+%20.bin"
    assert az("container create --name box --metadata kind=proof") == {"created": True}
    assert az("container show --name box")["metadata"] == {"kind": "proof"}

    az("blob upload -c box --metadata a=b --tags colour=blue -n", name, "-f", tree / "large.bin")
    az("blob update -c box --content-type text/fish -n", name)
    az("blob metadata update -c box --metadata c=d -n", name)
    az("blob set-tier -c box --tier Cool -n", name)
    az("blob download -c box -n", name, "-f", tmp_path / "down.bin")

    assert (tmp_path / "down.bin").read_bytes() == (tree / "large.bin").read_bytes()
    shown = az("blob show -c box -n", name)
    assert (shown["name"], shown["metadata"], shown["tagCount"]) == (name, {"c": "d"}, 1)
    assert shown["properties"]["contentSettings"]["contentType"] == "text/fish"
    assert shown["properties"]["blobTier"] == "Cool"
    [listed] = az("blob list -c box --include m")
    assert (listed["name"], listed["metadata"]) == (name, {"c": "d"})
    az("blob delete -c box -n", name)
    assert az("blob exists -c box -n", name) == {"exists": False}


def test_a_tree_goes_up_and_comes_down_in_batches(
    az: Callable[..., Any], tree: Path, tmp_path: Path
) -> None:
    files = {str(p.relative_to(tree)): p.read_bytes() for p in tree.rglob("*") if p.is_file()}
    (tmp_path / "down").mkdir()
    az("container create --name box")

    az("blob upload-batch -d box --destination-path below -s", tree)
    az(
        "blob copy start-batch --source-container box --destination-container box "
        "--destination-path copied --pattern below/folder/*"
    )
    az("blob delete-batch -s box --pattern below/large.bin")
    az("blob download-batch -s box -d", tmp_path / "down")

    left = {f"below/{name}": content for name, content in files.items() if name != "large.bin"}
    copied = {f"copied/{name}": left[name] for name in left if "/folder/" in name}
    down = tmp_path / "down"
    found = {str(p.relative_to(down)): p.read_bytes() for p in down.rglob("*") if p.is_file()}
    assert found == left | copied


def test_snapshots_leases_and_copies_by_url(
    az: Callable[..., Any], command: Command, account: Account, tree: Path, tmp_path: Path
) -> None:
    az("container create --name box")
    az("blob upload -c box -n a -f", tree / "plain.txt")
    snapshot = az("blob snapshot -c box -n a")["snapshot"]

    az("blob upload -c box -n a --overwrite -f", tree / "large.bin")
    lease = az("blob lease acquire -c box -b a --lease-duration 15")
    refused = command.fails("storage", "blob", "delete", "-c", "box", "-n", "a")
    assert "LeaseIdMissing" in refused
    az("blob lease release -c box -b a --lease-id", lease)
    az("blob download -c box -n a -f", tmp_path / "down", "--snapshot", snapshot)
    assert (tmp_path / "down").read_bytes() == (tree / "plain.txt").read_bytes()
    source = f"{account.endpoint('blob')}/box/a?snapshot={snapshot}&{account.sas()}"
    az("blob copy start -c box -b b --source-uri", source)
    assert az("blob show -c box -n b")["properties"]["copy"]["status"] == "success"
    az("blob copy start -c box -b c --source-container box --source-blob a")
    assert az("blob show -c box -n c")["properties"]["copy"]["status"] == "success"
    assert "SnapshotsPresent" in command.fails("storage", "blob", "delete", "-c", "box", "-n", "a")
    az("blob delete -c box -n a --delete-snapshots include")


def test_every_generated_token_opens_what_it_says(
    az: Callable[..., Any], stranger: Callable[..., Any], tree: Path, tmp_path: Path
) -> None:
    az("container create --name box")
    az("blob upload -c box -n a -f", tree / "plain.txt")
    az("container policy create -c box -n readers --permissions rl", *LATER)
    az("queue create --name orders")
    az("table create --name things")
    every = "account generate-sas --permissions rwdlac --services bqt --resource-types sco"

    container = az("container generate-sas --name box --policy-name readers")
    assert [blob["name"] for blob in stranger("blob", container, "blob list -c box")] == ["a"]
    blob = az("blob generate-sas -c box -n a --permissions r", *LATER)
    stranger("blob", blob, "blob download -c box -n a -f", tmp_path / "down")
    queue = az("queue generate-sas --name orders --permissions a", *LATER)
    stranger("queue", queue, "message put -q orders --content hello")
    table = az("table generate-sas --name things --permissions a", *LATER)
    stranger("table", table, "entity insert -t things -e PartitionKey=p RowKey=r")
    account = az(every, *LATER)
    assert [found["name"] for found in stranger("queue", account, "queue list")] == ["orders"]


def test_messages_of_a_queue(az: Callable[..., Any]) -> None:
    text = "<é> & 🐟 'x'"
    az("queue create --name orders --metadata kind=proof")
    assert az("queue metadata show --name orders") == {"kind": "proof"}
    assert [queue["name"] for queue in az("queue list")] == ["orders"]

    az("message put -q orders --content", text)
    assert az("message peek -q orders")[0]["content"] == text
    [taken] = az("message get -q orders --visibility-timeout 60")
    assert (taken["content"], taken["dequeueCount"]) == (text, 1)
    changed = ("--id", taken["id"], "--pop-receipt", taken["popReceipt"])
    az("message update -q orders --content changed --visibility-timeout 0", *changed)
    [taken] = az("message get -q orders --visibility-timeout 60")
    assert (taken["content"], taken["dequeueCount"]) == ("changed", 2)
    changed = ("--id", taken["id"], "--pop-receipt", taken["popReceipt"])
    az("message delete -q orders", *changed)
    az("message put -q orders --content cleared")
    az("message clear -q orders")
    assert az("message peek -q orders") == []
    assert az("queue delete --name orders") == {"deleted": True}


def test_entities_of_a_table(az: Callable[..., Any], command: Command) -> None:
    az("table create --name things")
    assert az("table list") == [{"name": "things"}]
    insert = "entity insert -t things -e PartitionKey=p RowKey=r"
    long = ("Big=9007199254740993", "Big@odata.type=Edm.Int64")

    az(insert, "Name=ünï 'quoted'", "Number=3", *long)
    assert "already exists" in command.fails("storage", *insert.split())
    az("entity merge -t things -e PartitionKey=p RowKey=r Extra=more")
    shown = az("entity show -t things --partition-key p --row-key r")
    assert (shown["Name"], shown["Number"], shown["Extra"]) == ("ünï 'quoted'", 3, "more")
    az("entity insert -t things --if-exists replace -e PartitionKey=p RowKey=q Name=b")
    az("entity replace -t things -e PartitionKey=p RowKey=r Only=1")

    found = az("entity query -t things --filter", "PartitionKey eq 'p' and Only ge 1")
    assert [(item["RowKey"], "Name" in item) for item in found["items"]] == [("r", False)]
    page = az("entity query -t things --num-results 1")
    marker = [f"{key}={value}" for key, value in page["nextMarker"].items()]
    rest = az("entity query -t things --marker", *marker)
    assert [item["RowKey"] for item in page["items"] + rest["items"]] == ["q", "r"]
    az("entity delete -t things --partition-key p --row-key r")
    az("table delete --name things")
    assert az("table stats")["geoReplication"]["status"] == "live"


def test_properties_of_the_services_and_access_to_a_container(az: Callable[..., Any]) -> None:
    az("container create --name box")

    az("cors add --services bqt --methods GET PUT --max-age 5 --origins", "https://one.example")
    az("logging update --log rw --retention 1 --services bqt")
    az("blob service-properties delete-policy update --enable true --days-retained 2")
    az("container set-permission --name box --public-access blob")
    az("queue create --name orders")
    az("queue policy create -q orders -n adders --permissions a", *LATER)

    rules = az("cors list --services bqt")
    assert [rule["AllowedMethods"].split(", ") for rule in rules] == [["GET", "PUT"]] * 3
    shown = az("blob service-properties show")
    assert shown["logging"]["write"] is True
    assert shown["deleteRetentionPolicy"]["days"] == 2
    assert az("container show-permission --name box") == {"publicAccess": "blob"}
    assert az("queue policy list -q orders")["adders"]["permission"] == "a"


def test_what_is_held_or_not_there_is_refused(command: Command, az: Callable[..., Any]) -> None:
    az("container create --name box")
    az("blob upload -c box -n a --data text")
    until = ("--expiry-time", "2040-01-01T00:00:00Z")

    az("blob set-legal-hold -c box -n a --legal-hold true")
    refused = command.fails("storage", "blob", "delete", "-c", "box", "-n", "a")
    assert "BlobImmutableDueToLegalHold" in refused
    az("blob set-legal-hold -c box -n a --legal-hold false")
    az("blob immutability-policy set -c box -n a --policy-mode Unlocked", *until)
    assert "Immutab" in command.fails("storage", "blob", "delete", "-c", "box", "-n", "a")
    az("blob immutability-policy delete -c box -n a")
    query = (
        "blob",
        "query",
        "-c",
        "box",
        "-n",
        "a",
        "--query-expression",
        "SELECT * from BlobStorage",
    )
    assert "NotImplemented" in command.fails("storage", *query)
    az("blob delete -c box -n a")
