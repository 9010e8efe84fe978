"""HTTP trigger and HTTP output: what a request looks like to a function, and its response.

Pure translation between requests, events and responses; sockets are ``http.server``'s, and
cookies are brought into their form by the worker, where the response object lives.
Behaviour: spec http-trigger.md, sections 4 and 5; binding-expressions.md, 6.
https://learn.microsoft.com/azure/azure-functions/functions-bindings-http-webhook
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, Final

from triggerfish import lenient_json
from triggerfish.bindings.plan import BY_HAND, BindingFailure
from triggerfish.dotnet_text import scalar_text
from triggerfish.expressions import BindingData
from triggerfish.model import (
    NOTHING,
    RETURN,
    Datum,
    Delivery,
    HttpRequestData,
    HttpResponseData,
    TriggerEvent,
)
from triggerfish.payload import payload_properties

_KEY_PARAMETER: Final = "code"  # a function key, which no expression may show
_TEXT_TYPE: Final = ("content-type", "text/plain; charset=utf-8")
_JSON_STARTS: Final = frozenset("{['\"-.0123456789tfnNI/\ufeff")
_JSON_TYPE: Final = ("content-type", "application/json; charset=utf-8")


# --- requests ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class HttpTrigger:
    """An httpTrigger; ``method`` is that of runs by hand."""

    function: str
    parameter: str
    method: str = "POST"

    @property
    def completes_in(self) -> None:
        """Nothing is to be done once a request is answered."""
        return

    def event(self, request: HttpRequestData, *, absent: Iterable[str] = ()) -> TriggerEvent:
        """Return what a request gives its function.

        ``absent`` are the optional route parameters that the path leaves out: expressions
        may name them.
        """
        return self._event(request, tuple(absent), reason=BY_HAND)

    async def by_hand(self, text: str, *, now: datetime) -> TriggerEvent:
        request = HttpRequestData(
            method=self.method,
            url=f"http://localhost/admin/functions/{self.function}",
            headers={},
            params={},
            route_params={},
            body=text.encode(),
        )
        return self.event(request)

    def again(self, delivery: Delivery) -> TriggerEvent:
        record = delivery.metadata
        request = HttpRequestData(
            method=str(record["method"]),
            url=str(record["url"]),
            headers=record["headers"],
            params=record["params"],
            route_params=record["routeParams"],
            body=delivery.payload,
        )
        reason = f"Replay of '{delivery.id}'."
        absent = tuple(record["absent"])
        return self._event(request, absent, reason=reason, replay_of=delivery.id)

    def _event(
        self,
        request: HttpRequestData,
        absent: tuple[str, ...],
        *,
        reason: str,
        replay_of: str = "",
    ) -> TriggerEvent:
        return TriggerEvent(
            function=self.function,
            datum=Datum("http", request),
            metadata={},
            binding_data=_RequestData(self.parameter, request, absent),
            payload=request.body,
            source=request.url,
            reason=reason,
            record={
                "method": request.method,
                "url": request.url,
                "headers": request.headers,
                "params": request.params,
                "routeParams": request.route_params,
                "absent": absent,
            },
            trace_parent=request.headers.get("traceparent", ""),
            trace_state=request.headers.get("tracestate", ""),
            replay_of=replay_of,
        )


class _RequestData(Mapping[str, object]):
    """The binding data of a request, worked out where an expression asks: bodies are large."""

    def __init__(self, parameter: str, request: HttpRequestData, absent: tuple[str, ...]) -> None:
        self._parameter = parameter
        self._request = request
        self._absent = absent

    @cached_property
    def _data(self) -> BindingData:
        request = self._request
        return BindingData(
            request.route_params,
            dict.fromkeys(self._absent),
            {k: v for k, v in request.params.items() if k.lower() != _KEY_PARAMETER},
            _body_properties(request.body),
            {"Query": BindingData(request.params), "Headers": BindingData(request.headers)},
            {"$request": None, self._parameter: None},  # both render as nothing
        )

    def __getitem__(self, name: str) -> object:
        return self._data[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._data)

    def __len__(self) -> int:
        return len(self._data)


def _body_properties(body: bytes) -> dict[str, object]:
    try:
        return payload_properties(body.decode("utf-8-sig"))
    except UnicodeDecodeError:
        return {}


# --- responses --------------------------------------------------------------------------------


def response_value(http_output: str, outputs: Mapping[str, Datum]) -> Datum:
    """Return what answers the request: the http output's value, or else what was returned.

    ``http_output`` is the name of that binding, empty where the function has none. A value
    returned for another binding (a queue, say) is the body as it is.
    """
    value = outputs.get(http_output, NOTHING)
    if value.kind != "none" or http_output == RETURN:
        return value
    returned = outputs.get(RETURN, NOTHING)
    match returned.kind:
        case "string":
            return Datum("http", _response(returned.value))
        case "json":
            return Datum("http", _response(returned.value, content_type=_JSON_TYPE))
        case "bytes":
            text = lenient_json.compact(base64.b64encode(returned.value).decode("ascii"))
            return Datum("http", _response(text, content_type=_JSON_TYPE))
    return returned


def http_response(value: Datum) -> HttpResponseData:
    """Return the response that ``response_value`` stands for. Raises ``BindingFailure``."""
    match value.kind:
        case "none":
            return HttpResponseData(204, (), b"")
        case "http":
            return _checked(value.value)
        case "string":
            return _checked(_text_response(value.value))
    raise BindingFailure(
        f"An http output takes func.HttpResponse or str, not {value.kind}. "
        "Return func.HttpResponse(body, mimetype=...)."
    )


def _text_response(text: str) -> HttpResponseData:
    """A text is read as JSON first, which the real host writes again in its own way (5.3)."""
    start = text.lstrip()[:1]
    if start not in _JSON_STARTS:
        return _response(text if start else "")
    try:
        document = lenient_json.loads(text)
    except lenient_json.LenientJsonError:
        return _response(text)
    if isinstance(document, dict):
        members = {name.lower(): member for name, member in document.items()}
        if "body" in members:
            return _response_object(members)
    if isinstance(document, dict | list):
        return _response(lenient_json.indented(document))
    return _response(scalar_text(document))


def _response_object(members: Mapping[str, Any]) -> HttpResponseData:
    body = members["body"]
    text = lenient_json.compact(body) if isinstance(body, dict | list) else scalar_text(body)
    status = scalar_text(members.get("statuscode", members.get("status")))
    headers = members.get("headers")
    given = headers.items() if isinstance(headers, dict) else ()
    response = _response(text, status=int(status) if _STATUS.fullmatch(status) else 200)
    pairs = {"content-type": response.headers[0]}
    pairs |= {name.lower(): (name, scalar_text(value)) for name, value in given}
    return HttpResponseData(response.status, tuple(pairs.values()), response.body)


def _response(
    text: str, *, status: int = 200, content_type: tuple[str, str] = _TEXT_TYPE
) -> HttpResponseData:
    return HttpResponseData(status, (content_type,), text.encode("utf-8", "replace"))


_STATUS: Final = re.compile(r"\d{1,9}", re.ASCII)
_HEADER_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE: Final = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f]*")


def _checked(response: HttpResponseData) -> HttpResponseData:
    if not 200 <= response.status <= 999:
        raise BindingFailure(f"A response cannot have the status {response.status}.")
    for name, value in response.headers:
        if not _HEADER_NAME.fullmatch(name) or not _HEADER_VALUE.fullmatch(value):
            raise BindingFailure(f"A response cannot have the header {name!r}: {value!r}.")
    return response
