"""The certificate that HTTPS is served with: PEM files, or PFX as Azurite takes them too.

Python's ``ssl`` reads PEM alone, so a PFX is rewritten by ``cryptography``, an extra: whoever
has the Azure SDK for blobs has it already.
"""

from __future__ import annotations

import secrets
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

if TYPE_CHECKING:
    import ssl

_PEM_MARK: Final = b"-----BEGIN "
_KEY_MARK: Final = b"PRIVATE KEY-----"


def server_context(
    cert: str | None, key: str | None, password: str | None, *, prefix: str = "--"
) -> ssl.SSLContext | None:
    """Return what serves HTTPS with ``cert``, None where there is none.

    ``prefix`` begins the names of the options that the values come from. Raises
    click.UsageError where they are of no use.
    """
    if cert is None:
        for name, given in (("key", key), ("pwd", password)):
            if given is not None:
                raise click.UsageError(
                    f"{prefix}{name} needs the certificate that it belongs to ({prefix}cert)."
                )
        return None
    content = Path(cert).read_bytes()
    if _PEM_MARK in content:
        if key is None and _KEY_MARK not in content:
            raise click.UsageError(
                f"{prefix}cert {cert}: has no private key in it. Name the file that has it with "
                f"{prefix}key."
            )
        return _loaded(cert, key, password, prefix=prefix)
    if key is not None:
        raise click.UsageError(
            f"{prefix}cert {cert}: not in PEM form, and {prefix}key belongs to one that is. A PFX "
            f"file holds its own key: leave {prefix}key out."
        )
    return _from_pfx(cert, password, prefix=prefix)


def _loaded(cert: str, key: str | None, password: str | None, *, prefix: str) -> ssl.SSLContext:
    import ssl

    asked = False

    def secret() -> str:  # without it OpenSSL asks on the terminal, where nobody may be
        nonlocal asked
        asked = True
        if password is None:
            raise ValueError(f"its key has a password: give it with {prefix}pwd")
        return password

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(cert, key, secret)
    except (OSError, ValueError) as error:
        problem = str(error)
        if getattr(error, "reason", None) == "KEY_VALUES_MISMATCH":
            problem = "the key belongs to another certificate"
        elif asked and isinstance(error, ssl.SSLError):
            problem = f"{prefix}pwd does not open its key"
        raise click.UsageError(
            f"{prefix}cert {cert}: no usable certificate and key in PEM form ({problem})."
        ) from error
    return context


def _from_pfx(cert: str, password: str | None, *, prefix: str) -> ssl.SSLContext:
    named = f"{prefix}cert {cert}"
    try:
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.serialization import pkcs12
    except ImportError as error:
        raise click.UsageError(
            f"{named}: to read a PFX file, cryptography is needed. Run: pip install "
            f"'triggerfish[pfx]'. Or make a PEM file of it: openssl pkcs12 -in {cert} -out "
            "cert.pem -nodes"
        ) from error
    try:
        key, own, others = pkcs12.load_key_and_certificates(
            Path(cert).read_bytes(), password.encode() if password else None
        )
    except (OSError, ValueError) as error:
        raise click.UsageError(
            f"{named}: no PFX file that {prefix}pwd opens, and no PEM file ({error})."
        ) from error
    if key is None or own is None:
        raise click.UsageError(f"{named}: it has to hold a certificate and its private key.")
    secret = secrets.token_hex()
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(secret.encode()),
    )
    chain = [one.public_bytes(serialization.Encoding.PEM) for one in (own, *others)]
    try:
        return _loaded_from_memory(pem + b"".join(chain), secret)
    except OSError as error:
        raise click.UsageError(f"{named}: no usable certificate and key ({error}).") from error


def _loaded_from_memory(pem: bytes, secret: str) -> ssl.SSLContext:
    """Load a key and its chain; ``ssl`` reads files only, so one lives for a moment."""
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory(prefix="triggerfish-") as folder:
        file = Path(folder) / "chain.pem"
        file.write_bytes(pem)
        context.load_cert_chain(file, None, secret)
    return context
