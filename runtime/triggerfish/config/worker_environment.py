"""What functions see of the settings: all of them, and where the embedded account really is.

Clients in user code take ``UseDevelopmentStorage=true`` for the well-known ports. Where the
account is on others, or served over HTTPS, they are given the whole connection string instead;
the host takes both for the same account.
"""

from __future__ import annotations

from collections.abc import Mapping

from triggerfish.config.start_options import StartOptions
from triggerfish_storage.addresses import reachable
from triggerfish_storage.connection_string import (
    DEVELOPMENT,
    PORTS,
    development_connection_string,
)


def worker_environment(settings: Mapping[str, str], options: StartOptions) -> Mapping[str, str]:
    """Return the environment of the workers.

    A port of 0 is not known before the account is served, and the workers start earlier: then
    nothing is replaced.
    """
    ports = {
        "blob": options.blob_port,
        "queue": options.queue_port,
        "table": options.table_port,
    }
    if 0 in ports.values() or (ports == PORTS and options.tls is None):
        return settings
    whole = development_connection_string(
        {service: ports[service] for service in PORTS},
        host=reachable(options.storage_address),
        protocol="http" if options.tls is None else "https",
    )
    return {
        name: whole if value.strip("; ").lower() == DEVELOPMENT.lower() else value
        for name, value in settings.items()
    }
