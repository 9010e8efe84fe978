"""Whatever stands in a configuration file: a value, or one error that is meant for the user."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from triggerfish.config.connections import find_connection, parse_connection
from triggerfish.config.errors import ConfigError
from triggerfish.config.files import parse_object
from triggerfish.config.host_json import parse_host_config
from triggerfish.config.host_settings import HOST_SETTINGS
from triggerfish.config.local_settings import parse_local_settings
from triggerfish.declarations import DeclarationError, read_function
from triggerfish.model import Binding, Function
from triggerfish.validation import validate

some = settings(max_examples=40, deadline=None)  # each file is small; many runs see the rest
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=12)
    | st.sampled_from(["00:00:20", "-1", "queue", "queueTrigger", "blobTrigger", "in", "%", "{a}"])
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=6,
)


def documents(*names: str) -> st.SearchStrategy[dict[str, object]]:
    return st.dictionaries(st.sampled_from(names) | st.text(max_size=8), values, max_size=6)


@some
@given(key=st.sampled_from([row.key for row in HOST_SETTINGS]), value=values, text=st.text())
def test_host_json(key, value, text):
    document: object = value
    for name in reversed(key.split(".")):
        document = {name: document}
    assert isinstance(document, dict)
    override = {f"AzureFunctionsJobHost__{text}".replace("\0", ""): "x"}

    with suppress(ConfigError):
        parse_host_config({"version": "2.0", **document}, override, processors=2)


@some
@given(document=documents("IsEncrypted", "Values", "ConnectionStrings", "Host"))
def test_local_settings(document):
    with suppress(ConfigError):
        parse_local_settings({"IsEncrypted": False, **document}, {})


@some
@given(
    document=documents("scriptFile", "entryPoint", "retry"),
    bindings=st.lists(
        documents("name", "type", "direction", "queueName", "path", "connection") | values,
        max_size=3,
    ),
)
def test_function_json(document, bindings):
    with suppress(DeclarationError):
        read_function("F", {"bindings": bindings, **document}, directory="/", script_file="a.py")


@some
@given(
    kind=st.sampled_from(
        ["httpTrigger", "queueTrigger", "blobTrigger", "timerTrigger", "warmupTrigger"]
    ),
    other=st.sampled_from(["queue", "blob", "table"]),
    properties=documents(
        "queueName", "path", "schedule", "connection", "route", "methods", "tableName"
    ),
)
def test_declarations_of_bindings(kind, other, properties):
    function = Function(
        "F",
        (Binding("a", kind, "in", properties), Binding("b", other, "out", properties)),
        str(Path()),
        "a.py",
    )

    validated = validate([function], settings={"A": "b"}, route_prefix="api")

    assert len(validated.functions) + len(validated.errors) == 1


@some
@given(
    text=st.text()
    | st.lists(
        st.tuples(
            st.sampled_from(
                [
                    "AccountName",
                    "AccountKey",
                    "BlobEndpoint",
                    "EndpointSuffix",
                    "SharedAccessSignature",
                    "DefaultEndpointsProtocol",
                    "UseDevelopmentStorage",
                ]
            ),
            st.text(max_size=8) | st.sampled_from(["http://h/a", "a2V5", "shop", "https", "true"]),
        )
    ).map(lambda fields: ";".join(f"{name}={value}" for name, value in fields)),
    name=st.text(max_size=8),
)
def test_connection_strings(text, name):
    with suppress(ConfigError):
        parse_connection("Shop", text)
    with suppress(ConfigError):
        find_connection(name, {name: text, f"{name}__serviceUri": text})


@some
@given(text=st.text())
def test_json_files(text):
    with suppress(ConfigError):
        assert isinstance(parse_object(text, name="host.json"), dict)
