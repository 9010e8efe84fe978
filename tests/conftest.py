"""What holds for all tests: free ports, a certificate, Ctrl+C, and the patience of Hypothesis."""

import secrets
import signal
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import HealthCheck, settings

# Machines differ, and in a fresh clone the first text drawn builds a table of all Unicode.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

# A shell has what it runs in the background ignore Ctrl+C, and what that starts would inherit it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def free_ports() -> Callable[[int], list[int]]:
    """Find ports that nobody listens on: a child process cannot tell which port 0 became.

    None of those that systems give out by themselves: another program's connection could get it
    before the child has it.
    """

    def find(count: int) -> list[int]:
        found: set[int] = set()
        while len(found) < count:
            port = 20_000 + secrets.randbelow(12_000)
            with suppress(OSError), socket.create_server(("127.0.0.1", port)):
                found.add(port)
        return list(found)

    return find


def self_signed() -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    """Return a certificate that nobody knows, for this machine and for the cloud's, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    hosts = [
        x509.DNSName("localhost"),
        x509.DNSName("*.blob.core.windows.net"),  # some clients take no other address
        x509.IPAddress(ip_address("127.0.0.1")),
    ]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime.now(UTC) - timedelta(days=1))
        .not_valid_after(datetime.now(UTC) + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(hosts), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    return certificate, key


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of this machine's own, and its key in the same file."""
    certificate, key = self_signed()
    file = tmp_path_factory.mktemp("tls") / "cert.pem"
    file.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return file


@pytest.fixture(scope="session")
def other_certificate() -> str:
    """Another certificate for this machine, as PEM."""
    return self_signed()[0].public_bytes(serialization.Encoding.PEM).decode()


@pytest.fixture
def tls(certificate: Path) -> ssl.SSLContext:
    """What a server needs to serve HTTPS with ``certificate``."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context
