"""restic: backups, over HTTPS to an account whose name is the host's, as the cloud has it.

It takes no other address, so it is given a proxy: whatever host it asks for, the account answers.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingTCPServer
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

if TYPE_CHECKING:
    from conftest import Command, FindCommand, StartAccount

pytestmark = [pytest.mark.external, pytest.mark.slow]

KEY = "cmVzdGlj"  # any will do


class Proxy(ThreadingTCPServer):
    """Connects who asks for a host (``CONNECT``) to one port of this machine instead."""

    daemon_threads = True

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", 0), Tunnel)
        self.port = port
        self.asked: set[str] = set()


class Tunnel(StreamRequestHandler):
    """One connection through the proxy."""

    server: Proxy

    def handle(self) -> None:
        first = self.rfile.readline().decode()
        while self.rfile.readline().strip():
            pass
        self.server.asked.add(first.split()[1])
        with socket.create_connection(("127.0.0.1", self.server.port)) as account:
            self.wfile.write(b"HTTP/1.1 200 Connected\r\n\r\n")
            back = threading.Thread(target=pump, args=(account, self.connection))
            back.start()
            pump(self.connection, account)
            back.join()


def pump(source: socket.socket, target: socket.socket) -> None:
    """Pass on what comes, until no more does."""
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


@pytest.fixture
def proxy(start_account: StartAccount, certificate: Path) -> Iterator[Proxy]:
    tls = ("--cert", certificate, "--key", certificate)
    with start_account(*tls, environment={"AZURITE_ACCOUNTS": f"backups:{KEY}"}) as account:
        port = urlsplit(account.endpoint("blob")).port
        assert port is not None
        with Proxy(port) as proxy:
            serving = threading.Thread(target=proxy.serve_forever)
            serving.start()
            yield proxy
            proxy.shutdown()
            serving.join()


@pytest.fixture
def restic(find_command: FindCommand, proxy: Proxy, certificate: Path, tmp_path: Path) -> Command:
    return find_command(
        "restic",
        "apt-get install restic",
        {
            "HTTPS_PROXY": f"http://127.0.0.1:{proxy.server_address[1]}",
            "SSL_CERT_FILE": str(certificate),
            "AZURE_ACCOUNT_NAME": "backups",
            "AZURE_ACCOUNT_KEY": KEY,
            "RESTIC_REPOSITORY": "azure:box:/below",
            "RESTIC_PASSWORD": "secret",
            "RESTIC_CACHE_DIR": str(tmp_path / "cache"),
        },
    )


def test_a_tree_is_backed_up_checked_and_restored(
    restic: Command, proxy: Proxy, tree: Path, tmp_path: Path
) -> None:
    assert "unable to open config file" in restic.fails("backup", tree)  # there is none yet
    restic("init")
    restic("backup", tree)
    (tree / "plain.txt").write_bytes(b"changed\n")
    restic("backup", tree)

    assert "no errors were found" in restic("check", "--read-data")
    assert "1 snapshots have been removed" in restic("forget", "--keep-last", "1", "--prune")
    restic("restore", "latest", "--target", tmp_path / "restored")

    restored = tmp_path / "restored" / tree.relative_to("/")
    files = [path.relative_to(tree) for path in tree.rglob("*") if path.is_file()]
    assert [(restored / file).read_bytes() for file in files] == [
        (tree / file).read_bytes() for file in files
    ]
    assert proxy.asked == {"backups.blob.core.windows.net:443"}
