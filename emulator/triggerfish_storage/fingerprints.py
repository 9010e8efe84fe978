"""Which certificate a server shows, so that programs of the same user can tell it again.

A context does not say what it was loaded with: only a handshake shows it, here one in memory.
"""

from __future__ import annotations

import hashlib
import ssl
from contextlib import suppress
from typing import Final

_FLIGHTS: Final = 4  # of a handshake in TLS 1.2, which has more of them than later ones


def fingerprint(server: ssl.SSLContext) -> str:
    """Return the SHA-256 of the certificate that ``server`` shows, in hexadecimal digits.

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
    return hashlib.sha256(client.getpeercert(binary_form=True) or b"").hexdigest()
