"""The SDK's clients for one account: how they are opened and closed, and what they raise.

Requests are retried twice within two seconds, where the SDK's own defaults would keep a local
host waiting for a minute. An old service version is asked for, which every emulator knows.

https://learn.microsoft.com/azure/storage/common/storage-configure-connection-string
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp
from azure.core.credentials import AzureSasCredential
from azure.core.exceptions import AzureError, HttpResponseError
from azure.core.pipeline.transport import AioHttpTransport
from azure.storage.blob.aio import BlobServiceClient
from azure.storage.queue.aio import QueueServiceClient

from triggerfish.config.connections import (
    DEVELOPMENT_ACCOUNT,
    DEVELOPMENT_KEY,
    ConnectionString,
    Identity,
)
from triggerfish.storage.account import AccountError, Unavailable
from triggerfish.storage.failures import failure
from triggerfish_storage.tls import trusting

# What goes wrong is raised and told by who asked; else Python prints it, pages of it, to stderr.
logging.getLogger("azure").addHandler(logging.NullHandler())

SERVICE_VERSION: Final = "2021-02-12"  # the newest that every SDK this accepts can speak
_CONNECTIONS: Final = 100
# Servers close what is idle for 5 s (they say so); who closes first cannot lose a request.
_IDLE_SECONDS: Final = 4.0
_CONNECT_SECONDS: Final = 5
_ANSWER_SECONDS: Final = 60
# Waits of about 0.4 and 1.4 seconds.
_RETRY: Final = {
    "retry_total": 2,
    "initial_backoff": 0.4,
    "increment_base": 1,
    "random_jitter_range": 0.2,
}


@dataclass(frozen=True, slots=True)
class Clients:
    """An account's clients; None for a service that its connection does not name."""

    account: str
    setting: str
    blob_endpoint: str
    queue_service: QueueServiceClient | None
    blob_service: BlobServiceClient | None

    def queues(self) -> QueueServiceClient:
        """Return the client of the Queue service; raises ``AccountError`` without one."""
        return self._named(self.queue_service, "Queue")

    def blobs(self) -> BlobServiceClient:
        """Return the client of the Blob service; raises ``AccountError`` without one."""
        return self._named(self.blob_service, "Blob")

    def _named(self, client: Any, service: str) -> Any:
        if client is None:
            raise AccountError(
                f"{self.setting}: names no {service} service. Add {service}Endpoint to the "
                f"connection string, or set {self.setting}__{service.lower()}ServiceUri."
            )
        return client


@asynccontextmanager
async def open_clients(connection: ConnectionString | Identity) -> AsyncIterator[Clients]:
    """Open an account's clients over one pool of connections. Nothing is sent yet."""
    for name in ("azure", "azure.identity"):
        if logging.getLogger(name).level == logging.NOTSET:
            logging.getLogger(name).setLevel(logging.WARNING)
    first = connection.blob_endpoint or connection.queue_endpoint or connection.table_endpoint
    async with AsyncExitStack() as stack:
        credential = await _credential(connection, first, stack)
        session = await stack.enter_async_context(_session(connection, first))
        options = {
            "credential": credential,
            "transport": AioHttpTransport(session=session, session_owner=False),
            "api_version": SERVICE_VERSION,
            "connection_timeout": _CONNECT_SECONDS,
            "read_timeout": _ANSWER_SECONDS,
            **_RETRY,
        }
        queues = blobs = None
        if connection.queue_endpoint:
            queues = QueueServiceClient(connection.queue_endpoint, **options)
        if connection.blob_endpoint:
            blobs = BlobServiceClient(connection.blob_endpoint, **options)
        name = account_name(connection)
        yield Clients(name, connection.setting, connection.blob_endpoint, queues, blobs)


def account_name(connection: ConnectionString | Identity) -> str:
    """Return the account's name: what the connection says, or what its addresses do."""
    if isinstance(connection, ConnectionString) and connection.account_name:
        return connection.account_name
    first = connection.blob_endpoint or connection.queue_endpoint or connection.table_endpoint
    parts = urlsplit(first)
    return parts.path.strip("/").partition("/")[0] or (parts.hostname or "").partition(".")[0]


@contextmanager
def asking(account: str, subject: str) -> Iterator[None]:
    """Turn what the SDK raises inside the block into the port's errors."""
    try:
        yield
    except HttpResponseError as error:
        code = getattr(error, "error_code", None)
        text = str(getattr(code, "value", code) or error.reason or type(error).__name__)
        status, message = error.status_code or 0, error.message or text
        raise failure(account, subject, status, text, message) from error
    except AzureError as error:
        line = error.message.strip().partition("\n")[0]
        raise Unavailable(f"{subject} of storage account '{account}': {line}") from error


def _session(connection: ConnectionString | Identity, endpoint: str) -> aiohttp.ClientSession:
    shown = connection.certificate if isinstance(connection, ConnectionString) else ""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(
            limit=_CONNECTIONS,
            keepalive_timeout=_IDLE_SECONDS,
            ssl=trusting(shown) if shown else True,
        ),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        # Proxies lie between here and Azure, never between here and an emulator.
        trust_env=endpoint.startswith("https://"),
    )


async def _credential(
    connection: ConnectionString | Identity, endpoint: str, stack: AsyncExitStack
) -> Any:
    if isinstance(connection, Identity):
        if endpoint.startswith("http://"):
            # An emulator: nobody's identity counts there, but its published key does.
            is_known = account_name(connection) == DEVELOPMENT_ACCOUNT
            return _shared_key(DEVELOPMENT_ACCOUNT, DEVELOPMENT_KEY) if is_known else None
        return await stack.enter_async_context(_token_credential(connection))
    if connection.account_key:
        return _shared_key(connection.account_name, connection.account_key)
    return AzureSasCredential(connection.sas_token) if connection.sas_token else None


def _shared_key(name: str, key: str) -> dict[str, str]:
    return {"account_name": name, "account_key": key}


def _token_credential(identity: Identity) -> Any:
    try:
        from azure.identity import aio  # heavy, and asked for by few
    except ImportError as error:
        raise AccountError(
            f"{identity.setting}: an identity needs the package azure-identity. Run: "
            "pip install 'triggerfish[azure]'"
        ) from error
    client_id = identity.client_id or None
    if identity.client_secret:
        return aio.ClientSecretCredential(
            identity.tenant_id, identity.client_id, identity.client_secret
        )
    if identity.credential.lower() == "managedidentity":
        return aio.ManagedIdentityCredential(client_id=client_id)
    return aio.DefaultAzureCredential(managed_identity_client_id=client_id)
