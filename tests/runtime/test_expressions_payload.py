"""What a JSON payload adds to the binding data, and where such data goes."""

from datetime import UTC, datetime

import pytest

from triggerfish.expressions import BindingData, Template
from triggerfish.lenient_json import MAX_DEPTH
from triggerfish.payload import payload_properties


@pytest.mark.parametrize(
    ("body", "properties"),
    [
        ('{"id": 5, "name": "ann"}', {"id": "5", "name": "ann"}),
        ('{"a": {"b": 1}, "list": [1]}', {"a": {"b": 1}}),
        ('{"flag": true, "off": false, "none": null}', {"flag": "True", "off": "False"}),
        ('{"price": 1.50}', {"price": "1.5"}),
        ('{"one": 1.0, "big": 1e21, "small": 0.00001}',
         {"one": "1", "big": "1E+21", "small": "1E-05"}),
        ("{'x': 'single'}", {"x": "single"}),
        ("{x: 1, /* c */ y: 2,}", {"x": "1", "y": "2"}),
        ('[{"x": 1}]', {}),
        ('{"x": 1', {}),
        ("{oops}", {}),
        (' {"x": 1} ', {"x": "1"}),
        ('{"QueueTrigger": "z"}', {"QueueTrigger": "z"}),
        ('"text"', {}),
        ("plain", {}),
        ("", {}),
        ("{}", {}),
        ('{"d": "2024-03-05T07:08:09Z"}', {"d": "03/05/2024 07:08:09"}),
        ('{"d": "2024-03-05T07:08:09.1234567"}', {"d": "03/05/2024 07:08:09"}),
        ('{"d": "2024-03-05T01:08:09+02:00"}', {"d": "03/04/2024 23:08:09"}),
        ('{"o": {"d": "2024-03-05T07:08:09Z"}}', {"o": {"d": "03/05/2024 07:08:09"}}),
        ('{"d": "2024-13-05T07:08:09Z"}', {"d": "2024-13-05T07:08:09Z"}),
        ('{"d": "0001-01-01T00:00:00+02:00"}', {"d": "0001-01-01T00:00:00+02:00"}),
        ('{"d": "2024-03-05", "e": "at 2024-03-05T07:08:09Z"}',
         {"d": "2024-03-05", "e": "at 2024-03-05T07:08:09Z"}),
        ('{"a":' * (MAX_DEPTH + 1) + "1" + "}" * (MAX_DEPTH + 1), {}),
    ],
)  # fmt: skip
def test_properties_of_an_object_become_binding_data(
    body: str, properties: dict[str, object]
) -> None:
    assert payload_properties(body) == properties


@pytest.mark.parametrize(
    ("layers", "template", "text"),
    [
        ([{"queueTrigger": "a1"}], "out/{queueTrigger}.txt", "out/a1.txt"),
        ([payload_properties('{"file": "f.csv", "to": {"dir": "d"}}')],
         "in/{to.dir}/{file}", "in/d/f.csv"),
        ([payload_properties('{"Id": "x"}'), {"Id": "message"}], "{id}", "x"),
        ([payload_properties("plain"), {"Id": "message"}], "{id}", "message"),
        ([{"name": "a/b", "ext": "txt"}], "out/{name}-copy.{ext}", "out/a/b-copy.txt"),
        ([{"id": "7"}], "items/{id}.json", "items/7.json"),
        ([{}], "reports/{DateTime:yyyy-MM-dd}.txt", "reports/2024-03-05.txt"),
    ],
)  # fmt: skip
def test_a_whole_path_is_filled_in(
    layers: list[dict[str, object]], template: str, text: str
) -> None:
    now = datetime(2024, 3, 5, tzinfo=UTC)

    assert Template.parse(template).render(BindingData(*layers), function="F", now=now) == text
