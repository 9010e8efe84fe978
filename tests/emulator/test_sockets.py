"""What is sent to this machine is not held back for a network that is not there."""

from __future__ import annotations

import socket

import pytest

from triggerfish_storage.sockets import send_unpaced

pytestmark = pytest.mark.skipif(
    not hasattr(socket, "TCP_CONGESTION"), reason="this system does not let one choose"
)


def congestion_control(connection: socket.socket) -> bytes:
    return connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, 16).rstrip(b"\0")


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_connections_to_this_machine_alone_are_not_paced(address: str) -> None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.create_server((address, 0), family=family) as server:
        send_unpaced(server)

        with (
            socket.create_connection(server.getsockname()[:2]),
            server.accept()[0] as accepted,
        ):
            assert congestion_control(accepted) == b"reno"


def test_connections_from_elsewhere_send_as_the_system_wants() -> None:
    with socket.create_server(("", 0)) as server:
        before = congestion_control(server)

        send_unpaced(server)

        assert congestion_control(server) == before
