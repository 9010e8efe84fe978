"""Does a function fit its bindings? Every rule of spec host-and-worker.md, section 10."""

from __future__ import annotations

import functools
import sys
import types
import typing

import azure.functions as func
import pytest

from triggerfish.worker.converters import Binding
from triggerfish.worker.signature import SignatureError, check

QUEUE_IN = Binding("msg", "queueTrigger", "in")
QUEUE_OUT = Binding("out", "queue", "out")
BLOB_OUT = Binding("out", "blob", "out")
HTTP_IN = Binding("req", "httpTrigger", "in")
HTTP_RETURN = Binding("$return", "http", "out")
QUEUE_RETURN = Binding("$return", "queue", "out")
MANY = typing.List  # noqa: UP006 - users write it so


def declare(annotation: object, name: str = "p") -> types.FunctionType:
    """A function with one parameter of this annotation."""

    def function(**_: object) -> None: ...

    namespace: dict[str, object] = {"annotation": annotation}
    exec(f"def function({name}: annotation): ...", namespace)
    return namespace["function"]


def returning(annotation: object) -> types.FunctionType:
    namespace: dict[str, object] = {"annotation": annotation}
    exec("def function(msg) -> annotation: ...", namespace)
    return namespace["function"]


def refusal(function: object, *bindings: Binding) -> str:
    with pytest.raises(SignatureError) as caught:
        check("F", function, bindings)
    return str(caught.value)


class Reader:
    def read(self) -> bytes:
        return b""


ACCEPTED = [
    ("httpTrigger", "in", func.HttpRequest),
    ("httpTrigger", "in", str),
    ("http", "out", func.Out[func.HttpResponse]),
    ("http", "out", func.Out[str]),
    ("queueTrigger", "in", func.QueueMessage),
    ("queueTrigger", "in", str),
    ("queueTrigger", "in", bytes),
    ("QUEUETRIGGER", "in", func.QueueMessage),
    ("queue", "out", func.Out[str]),
    ("queue", "out", func.Out[bytes]),
    ("queue", "out", func.Out[func.QueueMessage]),
    ("queue", "out", func.Out[MANY[str]]),
    ("queue", "out", func.Out[MANY[bytes]]),
    ("queue", "out", func.Out[MANY[func.QueueMessage]]),
    ("queue", "out", func.Out[typing.Iterable[str]]),
    ("blobTrigger", "in", func.InputStream),
    ("blobTrigger", "in", str),
    ("blobTrigger", "in", bytes),
    ("blob", "in", func.InputStream),
    ("blob", "out", func.Out[str]),
    ("blob", "out", func.Out[bytes]),
    ("blob", "out", func.Out[bytearray]),
    ("blob", "out", func.Out[func.InputStream]),
    ("blob", "out", func.Out[Reader]),
    ("timerTrigger", "in", func.TimerRequest),
    ("timerTrigger", "in", str),
    ("table", "in", str),
    ("table", "in", bytes),
    ("table", "out", func.Out[str]),
    ("table", "out", func.Out[bytearray]),
]


@pytest.mark.parametrize(("kind", "direction", "annotation"), ACCEPTED)
def test_the_documented_annotations_are_accepted(kind, direction, annotation):
    signature = check("F", declare(annotation), [Binding("p", kind, direction)])

    assert len(signature.inputs) + len(signature.outputs) == 1


MISMATCHES = [
    ("queueTrigger", "in", int),
    ("queueTrigger", "in", func.HttpRequest),
    ("httpTrigger", "in", func.QueueMessage),
    ("timerTrigger", "in", dict),
    ("blobTrigger", "in", dict),
    ("table", "in", dict),
    ("queue", "out", func.Out[int]),
    ("queue", "out", func.Out[dict]),
    ("blob", "out", func.Out[dict]),
    ("http", "out", func.Out[bytes]),
    ("table", "out", func.Out[dict]),
    ("queueTrigger", "in", MANY[str]),
    ("queueTrigger", "in", list[str]),
    ("blob", "out", func.Out[MANY[str]]),
]


@pytest.mark.parametrize(("kind", "direction", "annotation"), MISMATCHES)
def test_an_annotation_that_does_not_fit_its_binding_is_refused(kind, direction, annotation):
    message = refusal(declare(annotation), Binding("p", kind, direction))

    assert message.startswith("cannot load the F function: type of p binding in function.json")
    assert f'"{kind}" does not match its Python annotation' in message


def test_the_data_type_is_named_where_one_is_given():
    message = refusal(declare(int), Binding("p", "queueTrigger", "in", "binary"))

    assert 'binding type "queueTrigger" and dataType "binary"' in message


def test_inout_bindings_are_refused():
    assert '"inout" bindings are not supported' in refusal(
        declare(str), Binding("p", "blob", "inout")
    )


def test_a_return_binding_must_go_out():
    assert '"$return" binding must have direction set to "out"' in refusal(
        returning(str), QUEUE_IN, Binding("$return", "queue", "in")
    )


def test_a_context_parameter_needs_no_binding():
    def function(msg, context: func.Context): ...

    assert check("F", function, [QUEUE_IN]).wants_context


def test_a_context_of_another_class_is_refused():
    def function(msg, context: str): ...

    assert 'the "context" parameter is expected to be of type' in refusal(function, QUEUE_IN)


def test_a_context_of_another_name_is_told_its_name():
    def function(msg, ctx: func.Context): ...

    told = refusal(function, QUEUE_IN)

    assert "declared in Python but not in function.json: {'ctx'}. " in told
    assert told.endswith('The parameter for azure.functions.Context must be named "context"')


def test_a_binding_may_be_called_context():
    def function(context: str): ...

    signature = check("F", function, [Binding("context", "orchestrationTrigger", "in")])

    assert not signature.wants_context
    assert signature.inputs[0].binding.name == "context"


def test_parameters_without_binding_are_named():
    def function(msg, b, a=1, *args, **kwargs): ...

    told = refusal(function, QUEUE_IN)

    assert "declared in Python but not in function.json: {'a', 'args', 'b', 'kwargs'}. " in told
    assert told.endswith("arg_name in decorators")


def test_bindings_without_parameter_are_named():
    def function(msg): ...

    told = refusal(function, QUEUE_IN, QUEUE_OUT, HTTP_RETURN)

    assert "declared in function.json but not in Python: {'out'}. " in told
    assert told.endswith("arg_name in decorators")


def test_out_takes_one_type():
    assert "has invalid Out annotation" in refusal(declare(func.Out), Binding("p", "queue", "out"))


@pytest.mark.parametrize("annotation", [typing.Optional[str], 7, typing.Union[str, bytes]])  # noqa: UP007, UP045
def test_an_annotation_that_is_no_type_is_refused(annotation):
    def function(p): ...

    function.__annotations__["p"] = annotation
    bindings = [Binding("p", "queueTrigger", "in")]
    if annotation == 7:  # get_type_hints refuses it first
        assert "cannot load the F function: " in refusal(function, *bindings)
    else:
        assert "has invalid non-type annotation" in refusal(function, *bindings)


def test_an_output_must_be_annotated_as_out():
    assert 'declared to have the "out" direction' in refusal(
        declare(str), Binding("p", "queue", "out")
    )


def test_an_input_must_not_be_annotated_as_out():
    assert 'declared to have the "in" direction' in refusal(
        declare(func.Out[str]), Binding("p", "blob", "in")
    )


def test_a_return_annotation_must_not_be_out():
    assert "return annotation should not be azure.functions.Out" in refusal(
        returning(func.Out[str]), QUEUE_IN, QUEUE_RETURN
    )


@pytest.mark.parametrize("annotation", [MANY[str], list[str], typing.Optional[str]])  # noqa: UP045
def test_a_return_annotation_must_be_a_class(annotation):
    assert "has invalid non-type return annotation" in refusal(
        returning(annotation), QUEUE_IN, QUEUE_RETURN
    )


@pytest.mark.parametrize(
    ("binding", "annotation"),
    [
        (HTTP_RETURN, bytes),
        (HTTP_RETURN, None),
        (HTTP_RETURN, dict),
        (QUEUE_RETURN, None),
        (QUEUE_RETURN, int),
        (Binding("$return", "blob", "out"), dict),
        (Binding("$return", "table", "out"), dict),
    ],
)
def test_a_return_annotation_must_fit_its_binding(binding, annotation):
    message = refusal(returning(annotation), QUEUE_IN, binding)

    assert f'does not match binding type "{binding.type}"' in message


@pytest.mark.parametrize(
    ("binding", "annotation"),
    [
        (HTTP_RETURN, func.HttpResponse),
        (HTTP_RETURN, str),
        (QUEUE_RETURN, str),
        (QUEUE_RETURN, bytes),
        (QUEUE_RETURN, func.QueueMessage),
        (Binding("$return", "blob", "out"), bytearray),
        (Binding("$return", "table", "out"), str),
    ],
)
def test_the_documented_return_annotations_are_accepted(binding, annotation):
    returns = check("F", returning(annotation), [QUEUE_IN, binding]).returns

    assert returns is not None
    assert returns.annotation is annotation


def test_without_a_return_binding_the_return_annotation_is_not_looked_at():
    assert check("F", returning(dict), [QUEUE_IN]).returns is None


def test_missing_annotations_are_always_accepted():
    def function(msg, out): ...

    signature = check("F", function, [QUEUE_IN, QUEUE_OUT, HTTP_RETURN])

    assert [p.annotation for p in (*signature.inputs, *signature.outputs)] == [None, None]


def test_annotations_may_be_texts():
    def function(msg: "func.QueueMessage", out: "func.Out[str]"): ...  # noqa: UP037

    signature = check("F", function, [QUEUE_IN, QUEUE_OUT])

    assert signature.inputs[0].annotation is func.QueueMessage


def test_an_annotation_that_names_nothing_is_an_error():
    def function(msg: Nowhere): ...  # noqa: F821

    assert "name 'Nowhere' is not defined" in refusal(function, QUEUE_IN)


def test_a_decorated_function_is_looked_at_through_its_decorator():
    def decorator(inner):
        @functools.wraps(inner)
        def outer(*args, **kwargs):
            return inner(*args, **kwargs)

        return outer

    @decorator
    def function(msg: func.QueueMessage): ...

    assert check("F", function, [QUEUE_IN]).inputs[0].annotation is func.QueueMessage


@pytest.mark.parametrize(
    ("module", "what"),
    [
        ("azurefunctions.extensions.bindings.blob.blobClient", "SDK bindings"),
        ("azurefunctions.extensions.http.fastapi", "HTTP streaming"),
        ("azure.storage.blob._blob_client", "Azure SDK"),
        ("starlette.requests", "HTTP streaming"),
    ],
)
def test_types_that_this_host_cannot_give_are_refused_by_name(module, what):
    kind = type("BlobClient", (), {"__module__": module})

    message = refusal(declare(kind), Binding("p", "blobTrigger", "in"))

    assert f"{module}.BlobClient" in message
    assert what in message
    assert "not supported" in message


@pytest.mark.skipif(sys.version_info < (3, 10), reason="a union is written so since 3.10")
def test_a_union_is_no_type():
    assert "invalid non-type annotation" in refusal(
        declare(func.InputStream | None), Binding("p", "blob", "in")
    )
