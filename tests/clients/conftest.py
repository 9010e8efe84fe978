"""``triggerfish storage`` as a program of its own, for tools that nobody here wrote.

Every test gets a program with an empty folder. Where a tool is missing its tests are skipped,
and the reason is the line that installs it. Commands are looked for on ``PATH``, packages of
npm in the folder that ``TRIGGERFISH_NODE_MODULES`` names.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime, timedelta
from importlib import metadata
from pathlib import Path
from typing import Final

import pytest

from triggerfish_storage.connection_string import parse_connection_string
from triggerfish_storage.protocol.auth import ServiceName

ANYWHERE: Final = ("--blob-port", "0", "--queue-port", "0", "--table-port", "0")
COMMANDS: Final[Mapping[str, str]] = {  # how each is asked for its version
    "rclone": "version",
    "rclone-newer": "version",
    "azcopy": "--version",
    "az": "--version",
    "node": "--version",
    "restic": "version",
    "duplicity": "--version",
}
PACKAGES: Final = (
    *("azure-storage-blob", "azure-storage-queue", "azure-data-tables"),
    *(
        "adlfs",
        "obstore",
        "deltalake",
        "pyarrow",
        "cloudpathlib",
        "django-storages",
        "kombu",
        "celery",
        "smart-open",
        "pandas",
        "polars",
        "xarray",
        "zarr",
        "tiledb",
        "rasterio",
        "mlflow-skinny",
        "lancedb",
    ),
)
NODE_PACKAGES: Final = (
    *("@azure/storage-blob", "@azure/storage-queue", "@azure/data-tables"),
    *("azure-storage", "unstorage", "@azure/eventhubs-checkpointstore-blob"),
    *("azure-queue-node", "azure-table-node"),
    *("older-storage-blob", "older-storage-queue", "older-data-tables"),
)
LARGE_BYTES: Final = 5 * 1024 * 1024 + 3
FILES: Final[Mapping[str, bytes]] = {
    "plain.txt": b"plain\n",
    "empty.bin": b"",
    "large.bin": random.Random(7).randbytes(LARGE_BYTES),
    "folder/with spaces/and+plus%20percent.txt": b"escaped twice is another name",
    "folder/ünïcödé/日本語/שלום/🐟.txt": "🐟".encode(),
    "folder/composed-\u00e9-and-decomposed-e\u0301": b"two different names",
    "quotes'&;=@,$!()~[]{}^`#.txt": b"all legal",
}


class Account:
    """A running ``triggerfish storage``: where it is, and how to sign in."""

    def __init__(self, connection_string: str) -> None:
        self.connection_string = connection_string
        self._connection = parse_connection_string(connection_string)
        self.name = self._connection.account
        self.key = connection_string.partition("AccountKey=")[2].partition(";")[0]

    def endpoint(self, service: ServiceName) -> str:
        """Return a service's URL with the account in its path."""
        return self._connection.endpoint(service)

    def object_store_options(self) -> dict[str, str]:
        """Return what clients that are built on Rust's ``object_store`` are given."""
        return {
            "account_name": self.name,
            "account_key": self.key,
            "azure_storage_endpoint": self.endpoint("blob"),
            "allow_http": "true",
        }

    def sas(self) -> str:
        """Return the query of a SAS that allows everything with blobs for an hour."""
        from azure.storage.blob import AccountSasPermissions, ResourceTypes, generate_account_sas

        return generate_account_sas(
            self.name,
            self.key,
            ResourceTypes(service=True, container=True, object=True),
            AccountSasPermissions.from_string("rwdxlacuptf"),
            expiry=datetime.now(UTC) + timedelta(hours=1),
        )


class Command:
    """A command that somebody else wrote, with what it finds in its environment."""

    def __init__(self, path: str, environment: Mapping[str, str]) -> None:
        self._path = path
        self._environment = {**_own_environment(), **environment}

    def __call__(self, *arguments: str | Path, stdin: str = "") -> str:
        """Run it and return what it prints; the test fails where it does."""
        ended = self._run(arguments, stdin)
        assert ended.returncode == 0, f"{arguments}\n{ended.stdout}\n{ended.stderr}"
        return ended.stdout

    def fails(self, *arguments: str | Path) -> str:
        """Run it and return its complaint; the test fails where it does not."""
        ended = self._run(arguments)
        assert ended.returncode != 0, f"{arguments}\n{ended.stdout}"
        return ended.stdout + ended.stderr

    def _run(
        self, arguments: tuple[str | Path, ...], stdin: str = ""
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self._path, *map(str, arguments)],
            env=self._environment,
            input=stdin,
            capture_output=True,
            encoding="utf-8",
            check=False,
        )


FindCommand = Callable[..., Command]


@pytest.fixture
def find_command() -> FindCommand:
    """Find a command by name and give it an environment; skip with ``install`` as the reason."""

    def find(name: str, install: str, environment: Mapping[str, str]) -> Command:
        found = shutil.which(name)
        if found is None:
            pytest.skip(f"{name} is not here: {install}")
        return Command(found, environment)

    return find


StartAccount = Callable[..., AbstractContextManager[Account]]


@pytest.fixture
def start_account(tmp_path: Path) -> StartAccount:
    """Start a program on free ports with nothing in it, and end it well."""

    @contextmanager
    def start(
        *options: str | Path, environment: Mapping[str, str] | None = None
    ) -> Iterator[Account]:
        command = [sys.executable, "-m", "triggerfish", "storage", *ANYWHERE]
        log = tmp_path / "account.log"
        with (
            log.open("wb") as errors,
            subprocess.Popen(
                [*command, "--data", str(tmp_path / "account"), *map(str, options)],
                env=_own_environment() | dict(environment or {}),
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            ) as program,
        ):
            try:
                assert program.stdout is not None
                said = next((line for line in program.stdout if "AccountKey=" in line), None)
                assert said is not None, log.read_text(encoding="utf-8")
                yield Account(said.strip())
                program.send_signal(signal.SIGTERM)
                assert program.wait(30) == 0
            finally:
                program.kill()
        assert "Traceback" not in log.read_text(encoding="utf-8")

    return start


@pytest.fixture
def account(start_account: StartAccount) -> Iterator[Account]:
    """A storage account with nothing in it, served by a program on free ports."""
    with start_account() as account:
        yield account


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A folder with files of several sizes and of names that need care."""
    root = tmp_path / "tree"
    for name, content in FILES.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    return root


def pytest_report_header() -> str:
    """Say which clients are here, and their versions."""
    found = [*_command_versions(), *_package_versions(), *_node_package_versions()]
    return f"clients: {', '.join(found)}"


def _own_environment() -> dict[str, str]:
    """Return the environment without what configures accounts or clients of this machine."""
    ours = ("TRIGGERFISH_", "AZURITE_", "AZURE_", "AZCOPY_", "RCLONE_")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


def _command_versions() -> Iterator[str]:
    for name, argument in COMMANDS.items():
        if path := shutil.which(name):
            said = subprocess.run([path, argument], capture_output=True, text=True, check=False)
            words = said.stdout.partition("\n")[0].split()
            yield f"{name} {words[-1].removeprefix('v') if words else '?'}"


def _package_versions() -> Iterator[str]:
    for name in PACKAGES:
        try:
            yield f"{name} {metadata.version(name)}"
        except metadata.PackageNotFoundError:
            continue


def _node_package_versions() -> Iterator[str]:
    modules = Path(os.environ.get("TRIGGERFISH_NODE_MODULES", "nowhere"))
    for name in NODE_PACKAGES:
        described = modules / name / "package.json"
        if described.is_file():
            yield f"{name} {json.loads(described.read_text(encoding='utf-8'))['version']}"
