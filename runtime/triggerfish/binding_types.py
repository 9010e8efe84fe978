"""The binding types that functions may declare, and what their properties are.

Pure. How a type is bound and what it does is in ``bindings``; this is what can be said of a
declaration before anything is opened. Behaviour: the first section of each trigger's spec,
and binding-expressions.md, 7.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class BindingType:
    """A registered type. ``resolved`` are the properties in which ``%settings%`` are replaced;
    the ``required`` ones must be texts that are not empty.
    """

    name: str
    directions: tuple[str, ...]
    required: tuple[str, ...] = ()
    resolved: tuple[str, ...] = ("connection",)
    other: tuple[str, ...] = ()

    @property
    def properties(self) -> tuple[str, ...]:
        """Every property with a meaning, spelled as in the documentation."""
        return ("dataType", *dict.fromkeys((*self.required, *self.resolved, *self.other)))


BINDING_TYPES: Final[Mapping[str, BindingType]] = {
    row.name.lower(): row
    for row in (
        BindingType("httpTrigger", ("in",), resolved=(), other=("route", "methods", "authLevel")),
        BindingType("http", ("out",), resolved=()),
        BindingType("queueTrigger", ("in",), ("queueName",), ("queueName", "connection")),
        BindingType("queue", ("out",), ("queueName",), ("queueName", "connection")),
        BindingType("blobTrigger", ("in",), ("path",), ("path", "connection"), ("source",)),
        BindingType("blob", ("in", "out"), ("path",), ("path", "connection")),
        BindingType(
            "timerTrigger", ("in",), ("schedule",), ("schedule",), ("runOnStartup", "useMonitor")
        ),
        BindingType(
            "table",
            ("in", "out"),
            ("tableName",),
            ("tableName", "partitionKey", "rowKey", "filter", "connection"),
            ("take",),
        ),
        BindingType("warmupTrigger", ("in",), resolved=()),
    )
}


# How the types of extensions begin that this host does not have, and whose they are.
_ELSEWHERE: Final[Mapping[str, str]] = {
    "activitytrigger": "Durable Functions",
    "dapr": "Dapr",
    "durableclient": "Durable Functions",
    "entitytrigger": "Durable Functions",
    "eventgrid": "Event Grid",
    "eventhub": "Event Hubs",
    "cosmosdb": "Azure Cosmos DB",
    "kafka": "Apache Kafka",
    "kusto": "Azure Data Explorer",
    "mcp": "Model Context Protocol",
    "mysql": "MySQL",
    "orchestrationclient": "Durable Functions",
    "orchestrationtrigger": "Durable Functions",
    "rabbitmq": "RabbitMQ",
    "redis": "Redis",
    "sendgrid": "SendGrid",
    "servicebus": "Service Bus",
    "signalr": "SignalR",
    "sql": "Azure SQL",
    "table": "Azure Tables",
    "twiliosms": "Twilio",
    "webpubsub": "Web PubSub",
}


def service_of(name: str) -> str:
    """Return whose a type is that this host does not have; empty where nobody knows the type."""
    known = (service for start, service in _ELSEWHERE.items() if name.lower().startswith(start))
    return next(known, "")


def binding_type(name: str) -> BindingType | None:
    """Return the type called ``name`` in any letter case, None where it is not registered."""
    return BINDING_TYPES.get(name.lower())
