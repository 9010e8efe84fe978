"""Certificates for HTTPS: which files serve, and what is said of those that do not."""

from __future__ import annotations

import ssl
import sys
from pathlib import Path

import click
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import pkcs12

from triggerfish_storage.cli.certificates import server_context
from triggerfish_storage.tls import shown_certificate


@pytest.fixture
def pfx(certificate: Path, tmp_path: Path) -> Path:
    """The test's certificate and its key as a PFX file; its password is "secret"."""
    pem = certificate.read_bytes()
    data = pkcs12.serialize_key_and_certificates(
        b"triggerfish",
        serialization.load_pem_private_key(pem, None),  # type: ignore[arg-type]
        x509.load_pem_x509_certificate(pem),
        None,
        serialization.BestAvailableEncryption(b"secret"),
    )
    file = tmp_path / "cert.pfx"
    file.write_bytes(data)
    return file


@pytest.fixture
def locked(certificate: Path, tmp_path: Path) -> Path:
    """A PEM file whose key has a password."""
    pem = certificate.read_bytes()
    key = serialization.load_pem_private_key(pem, None)
    file = tmp_path / "locked.pem"
    file.write_bytes(
        x509.load_pem_x509_certificate(pem).public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"secret"),
        )
    )
    return file


def shakes_hands(server: ssl.SSLContext | None, certificate: Path) -> bool:
    """Whether a client that trusts ``certificate`` alone takes what ``server`` shows."""
    assert server is not None
    trusted = ssl.create_default_context(cafile=str(certificate))
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = trusted.wrap_bio(to_client, to_server, server_hostname="localhost")
    peer = server.wrap_bio(to_server, to_client, server_side=True)
    waiting = [client, peer]
    for _ in range(8):
        for side in list(waiting):
            try:
                side.do_handshake()
                waiting.remove(side)
            except ssl.SSLWantReadError:
                pass
    return not waiting


def test_a_pem_file_with_its_key_in_it_serves(certificate):
    assert shakes_hands(server_context(str(certificate), None, None), certificate)


def test_a_server_is_known_by_the_certificate_that_it_shows(tls, certificate):
    shown = x509.load_pem_x509_certificate(shown_certificate(tls).encode())

    assert shown == x509.load_pem_x509_certificate(certificate.read_bytes())


def test_a_pem_key_is_opened_with_its_password(locked, certificate):
    assert shakes_hands(server_context(str(locked), str(locked), "secret"), certificate)


def test_a_pfx_file_serves_and_leaves_no_key_behind(pfx, certificate, tmp_path, monkeypatch):
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))

    assert shakes_hands(server_context(str(pfx), None, "secret"), certificate)

    assert list((tmp_path / "temporary").iterdir()) == []


def test_without_a_certificate_nothing_is_served_over_https():
    assert server_context(None, None, None) is None


@pytest.mark.parametrize("password", [None, "wrong"])
def test_a_key_that_does_not_open_is_told_and_nobody_asks_for_a_password(pfx, locked, password):
    for file in (pfx, locked):
        with pytest.raises(click.UsageError) as failure:
            server_context(str(file), None, password, prefix="--storage-")

        assert f"--storage-cert {file}: no " in str(failure.value)
        assert "--storage-pwd" in str(failure.value)


def test_a_certificate_without_its_key_is_told_what_is_missing(certificate, tmp_path):
    alone = tmp_path / "cert.pem"
    pem = x509.load_pem_x509_certificate(certificate.read_bytes())
    alone.write_bytes(pem.public_bytes(serialization.Encoding.PEM))

    with pytest.raises(click.UsageError, match=r"has no private key in it.* with --key"):
        server_context(str(alone), None, None)


def test_a_key_of_another_certificate_is_refused_in_words(certificate, tmp_path):
    other = tmp_path / "key.pem"
    other.write_bytes(
        ec.generate_private_key(ec.SECP256R1()).private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )

    with pytest.raises(click.UsageError, match="the key belongs to another certificate"):
        server_context(str(certificate), str(other), None)


def test_a_key_without_its_certificate_or_beside_a_pfx_file_is_refused(pfx, locked):
    with pytest.raises(click.UsageError, match="--key needs the certificate"):
        server_context(None, str(locked), None)
    with pytest.raises(click.UsageError, match="--pwd needs the certificate"):
        server_context(None, None, "secret")
    with pytest.raises(click.UsageError, match="leave --key out"):
        server_context(str(pfx), str(locked), "secret")


def test_without_cryptography_a_pfx_file_is_refused_with_both_remedies(pfx, monkeypatch):
    monkeypatch.setitem(sys.modules, "cryptography", None)
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives", None)

    with pytest.raises(click.UsageError) as failure:
        server_context(str(pfx), None, "secret")

    assert "pip install 'triggerfish[pfx]'" in str(failure.value)
    assert "openssl pkcs12" in str(failure.value)
    assert "secret" not in str(failure.value)
