"""TLS between programs of one user: which certificate a server shows, and a client's trust in it.

Most certificates of emulators are signed by nobody, so what the system trusts says little.
"""

from __future__ import annotations

import ssl
from contextlib import suppress
from typing import Final

_FLIGHTS: Final = 4  # of a handshake in TLS 1.2, which has more of them than later ones


def shown_certificate(server: ssl.SSLContext) -> str:
    """Return the certificate that ``server`` shows, as PEM.

    A context does not say what it was loaded with: only a handshake shows it, here one in memory.
    Raises ssl.SSLError where it can shake hands with nobody.
    """
    anybody = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    anybody.check_hostname = False
    anybody.verify_mode = ssl.CERT_NONE  # it is only looked at
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = anybody.wrap_bio(to_client, to_server)
    shown = server.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(_FLIGHTS):
        for side in (client, shown):
            with suppress(ssl.SSLWantReadError):
                side.do_handshake()
    return ssl.DER_cert_to_PEM_cert(client.getpeercert(binary_form=True) or b"")


def trusting(certificate: str) -> ssl.SSLContext:
    """Return what a client takes this certificate (PEM) with, and no other, for any host."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # whoever signed it
    context.load_verify_locations(cadata=certificate)
    return context
