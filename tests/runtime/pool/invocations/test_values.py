"""Values go to a function and back."""

from __future__ import annotations

import json

import pytest

from triggerfish.model import Datum, HttpRequestData, HttpResponseData

pytestmark = pytest.mark.asyncio(loop_scope="module")

APP = """
    import json

    from more import blueprint

    app.register_functions(blueprint)

    @queue
    @app.queue_output(arg_name="$return", queue_name="out", connection="")
    def echo_bytes(msg: func.QueueMessage) -> bytes:
        return msg.get_body()

    @queue
    @app.queue_output(arg_name="first", queue_name="one", connection="")
    @app.blob_output(arg_name="second", path="c/b", connection="")
    def two_outputs(msg: str, first: func.Out[str], second: func.Out[bytes]):
        first.set("a" + msg)
        second.set(b"b")

    @app.route(route="items/{id}")
    def greets(req: func.HttpRequest) -> func.HttpResponse:
        body = {"name": req.params["name"], "id": req.route_params["id"], "sent": req.get_json()}
        return func.HttpResponse(
            json.dumps(body), status_code=201, mimetype="application/json", headers={"x-a": "b"}
        )
"""

MORE = """
    import azure.functions as func

    blueprint = func.Blueprint()

    @blueprint.function_name("from-a-blueprint")
    @blueprint.queue_trigger(arg_name="msg", queue_name="q", connection="")
    @blueprint.queue_output(arg_name="$return", queue_name="out", connection="")
    def anything(msg: str) -> str:
        return "blueprint " + msg
"""


@pytest.mark.parametrize("text", ["", "x", "ü\x00\n", "\ud800", "x" * 3_000_000])
async def test_text_goes_there_and_back(app, text):
    result = await app.run("echo", text)

    assert result.outputs == {"$return": Datum("string", text)}


@pytest.mark.parametrize("body", [b"", b"\xff\x00\n", bytes(range(256)) * 20_000])
async def test_bytes_go_there_and_back(app, body):
    result = await app.run("echo_bytes", body)

    assert result.outputs == {"$return": Datum("bytes", body)}


async def test_every_output_has_its_name(app):
    result = await app.run("two_outputs", "!")

    assert result.outputs == {"first": Datum("string", "a!"), "second": Datum("bytes", b"b")}


async def test_an_http_request_becomes_a_response(app):
    request = HttpRequestData(
        method="POST",
        url="http://localhost/api/items/5?name=ann",
        headers={"content-type": "application/json"},
        params={"name": "ann"},
        route_params={"id": "5"},
        body=b'{"a": 1}',
    )

    result = await app.run("greets", Datum("http", request), parameter="req", metadata={})

    response = result.outputs["$return"].value
    assert isinstance(response, HttpResponseData)
    assert response.status == 201
    assert dict(response.headers) == {"x-a": "b", "content-type": "application/json"}
    assert json.loads(response.body) == {"name": "ann", "id": "5", "sent": {"a": 1}}


async def test_functions_of_a_blueprint_run_under_their_given_name(app):
    result = await app.run("from-a-blueprint", "x")

    assert result.outputs["$return"].value == "blueprint x"
