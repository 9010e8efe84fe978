"""What an app folder holds: the programming model, and the functions of function.json files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from triggerfish.discovery import AppLayout, discover
from triggerfish.model import Binding, LogLevel, RetryPolicy

TRIGGER = {"name": "msg", "type": "queueTrigger", "direction": "in", "queueName": "orders"}
OUTPUT = {"name": "out", "type": "queue", "direction": "out", "queueName": "done"}


@pytest.fixture
def app(tmp_path):
    def write(name: str, document: object, *files: str) -> Path:
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        text = document if isinstance(document, str) else json.dumps(document)
        (folder / "function.json").write_text(text, encoding="utf-8")
        for file in files or ("__init__.py",):
            (folder / file).touch()
        return tmp_path

    return write


def found(folder: Path, settings: dict[str, str] | None = None) -> AppLayout:
    return discover(folder, script="function_app.py", settings=settings or {})


def error_of(folder: Path) -> str:
    layout = found(folder)
    assert layout.functions == ()
    [error] = layout.errors
    return error.message


# --- which model ------------------------------------------------------------------------------


def test_an_app_with_the_script_file_is_v2(tmp_path):
    (tmp_path / "function_app.py").touch()

    layout = found(tmp_path)

    assert (layout.model, layout.script, layout.notes) == ("v2", "function_app.py", ())


def test_the_script_file_may_have_another_name(tmp_path):
    (tmp_path / "my-app_2.py").touch()

    assert discover(tmp_path, script="my-app_2.py", settings={}).model == "v2"
    assert found(tmp_path).model == "v1"


def test_of_a_mixed_app_only_v2_functions_count_and_a_warning_says_so(app):
    folder = app("F", {"bindings": [TRIGGER]})
    (folder / "function_app.py").touch()

    layout = found(folder)

    assert (layout.model, layout.functions, layout.errors) == ("v2", (), ())
    [line] = layout.notes
    assert line.level == LogLevel.WARNING
    assert "function.json of F may not be indexed" in line.message


def test_an_app_without_functions_is_a_v1_app_without_functions(tmp_path):
    assert found(tmp_path) == AppLayout("v1", "", (), (), ())


# --- v1 functions -----------------------------------------------------------------------------


def test_a_function_is_what_its_file_declares(app):
    retry = {"strategy": "fixedDelay", "maxRetryCount": 2, "delayInterval": "00:00:01"}
    document = {
        "scriptFile": "main.py",
        "entryPoint": "customentry",
        "retry": retry,
        "configurationSource": "attributes",
        "bindings": [{**TRIGGER, "dataType": "binary", "connection": "Shop", "extra": 5}, OUTPUT],
    }

    [function] = found(app("process", document, "main.py", "other.py")).functions

    assert function.name == "process"
    assert (function.script_file, function.entry_point) == ("main.py", "customentry")
    assert Path(function.directory).name == "process"
    assert function.retry is not None
    assert function.retry.max_retry_count == 2
    properties = {"queueName": "orders", "dataType": "binary", "connection": "Shop", "extra": 5}
    assert function.bindings == (
        Binding("msg", "queueTrigger", "in", properties),
        Binding("out", "queue", "out", {"queueName": "done"}),
    )


def test_keys_and_types_are_read_in_any_letter_case_and_get_their_spelling(app):
    trigger = {"NAME": "msg", "TYPE": "QUEUETRIGGER", "Direction": "In", "queuename": "orders"}

    [function] = found(app("F", {"Bindings": [trigger], "ENTRYPOINT": "run"})).functions

    assert function.bindings == (Binding("msg", "queueTrigger", "in", {"queueName": "orders"}),)
    assert function.entry_point == "run"


def test_files_are_read_leniently(app):
    trigger = "{'name': 'm', 'type': 'queueTrigger', 'queueName': 'q-1',}"
    text = f"\ufeff// a queue\n{{'bindings': [{trigger},],}}"

    assert [f.name for f in found(app("F", text)).functions] == ["F"]


def test_functions_are_sorted_without_regard_to_case(app):
    for name in ("beta", "Alpha", "a-b", "Gamma"):
        folder = app(name, {"bindings": [TRIGGER]})

    assert [f.name for f in found(folder).functions] == ["a-b", "Alpha", "beta", "Gamma"]


def test_only_folders_right_below_the_app_are_functions(app):
    folder = app("F", {"bindings": [TRIGGER]})
    (folder / "lib" / "deep").mkdir(parents=True)
    (folder / "lib" / "deep" / "function.json").write_text("{}")
    (folder / "function.json").write_text("{}")

    assert [f.name for f in found(folder).functions] == ["F"]


@pytest.mark.parametrize(
    ("files", "given", "script"),
    [
        (["__init__.py"], None, "__init__.py"),
        (["only.py"], None, "only.py"),
        (["a.py", "run.py"], None, "run.py"),
        (["a.py", "RUN.py"], None, "RUN.py"),
        (["a.py", "__init__.py"], None, "__init__.py"),
        (["a.py", "index.js"], None, "index.js"),
        (["a.py", "__init__.py"], "a.py", "a.py"),
        (["a.py"], "../F/a.py", "../F/a.py"),
        (["a.py", "__init__.py"], "", "__init__.py"),
    ],
)
def test_the_script_file_is_the_one_given_or_the_primary_one(app, files, given, script):
    document = {"bindings": [TRIGGER], **({} if given is None else {"scriptFile": given})}

    [function] = found(app("F", document, *files)).functions

    assert function.script_file == script


def test_a_function_in_error_leaves_the_others_alone(app):
    app("Bad", {"bindings": []})
    folder = app("Good", {"bindings": [TRIGGER]})

    layout = found(folder)

    assert [f.name for f in layout.functions] == ["Good"]
    assert [e.function for e in layout.errors] == ["Bad"]


# --- mistakes ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["1st", "_f", "with.dot", "with space", "Host", "host", "x" * 129, "é"]
)
def test_a_folder_name_that_is_no_function_name_is_told(app, name):
    message = error_of(app(name, {"bindings": [TRIGGER]}))

    assert message.startswith(f"'{name}' is not a valid function name")


def declared(*bindings: object) -> dict[str, Any]:
    return {"bindings": list(bindings)}


@pytest.mark.parametrize(
    ("document", "told"),
    [
        ("{", "unable to parse it as JSON, at line 1, column 2"),
        ("", "unable to parse it as JSON"),
        ("[]", "holds no JSON object"),
        ({}, "At least one binding must be declared."),
        (declared(), "At least one binding must be declared."),
        ({"bindings": {}}, "bindings: must be a list of objects"),
        ({"bindings": "x"}, "bindings: must be a list of objects"),
        (declared("x"), "every binding must be an object"),
        (declared({"name": "a"}), "binding 'a': type is missing"),
        (declared({"name": "a", "type": 5}), "binding 'a': type is missing"),
        (declared({**TRIGGER, "name": "my_item"}), "The binding name my_item is invalid"),
        (declared({**TRIGGER, "name": ""}), "The binding name  is invalid"),
        (declared({**TRIGGER, "name": None}), "The binding name  is invalid"),
        (declared({**TRIGGER, "name": "1a"}), "The binding name 1a is invalid"),
        (declared(TRIGGER, {**OUTPUT, "name": "msg"}), "Multiple bindings with name 'msg'"),
        (declared(OUTPUT), "No trigger binding specified"),
        (declared(TRIGGER, {**TRIGGER, "name": "b"}), "Multiple trigger bindings defined (msg, b)"),
        (
            declared({**TRIGGER, "name": "$return"}),
            "$return bindings must specify a direction of 'out'",
        ),
        (
            declared({**TRIGGER, "type": "kafkaTrigger"}),
            "type(s) 'kafkaTrigger' are not registered",
        ),
        (declared(TRIGGER, {**OUTPUT, "direction": "inout"}), '"inout" bindings are not supported'),
        (declared(TRIGGER, {**OUTPUT, "direction": "up"}), "direction 'up' must be in or out"),
        (declared(TRIGGER, {**OUTPUT, "direction": "in"}), "a queue binding has direction 'out'"),
        (declared({**TRIGGER, "direction": "out"}), "a queueTrigger binding has direction 'in'"),
        ({**declared(TRIGGER), "entryPoint": 5}, "entryPoint: must be the name"),
        ({**declared(TRIGGER), "scriptFile": "no.py"}, "the file 'no.py' does not exist"),
        ({**declared(TRIGGER), "scriptFile": ["a.py"]}, "invalid script file name configuration"),
        ({**declared(TRIGGER), "retry": {"strategy": "x"}}, "retry.strategy: expected fixedDelay"),
        ({**declared(TRIGGER), "retry": 5}, "retry: expected an object"),
    ],
)
def test_a_mistake_names_the_file_and_what_is_wrong(app, document, told):
    message = error_of(app("F", document))

    assert message.startswith("F/function.json: ")
    assert told in message
    assert message.endswith(".")


def test_an_output_of_a_type_that_nobody_knows_is_left_to_validation(app):
    [function] = found(app("F", declared(TRIGGER, {**OUTPUT, "type": "kweue"}))).functions

    assert [binding.type for binding in function.outputs] == ["kweue"]


def test_a_folder_without_a_script_that_can_be_told_is_in_error(app):
    message = error_of(app("F", {"bindings": [TRIGGER]}, "a.py", "b.py"))

    assert message.startswith("F/function.json: Unable to determine the primary function script.")


def test_a_folder_without_any_script_is_in_error(app):
    folder = app("F", {"bindings": [TRIGGER]})
    (folder / "F" / "__init__.py").unlink()

    assert "Unable to determine the primary function script" in error_of(folder)


# --- disabled ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "settings", "disabled"),
    [
        (True, {}, True),
        (False, {}, False),
        ("true", {}, True),
        ("IS_OFF", {"IS_OFF": "1"}, True),
        ("%IS_OFF%", {"IS_OFF": "True"}, True),
        ("IS_OFF", {"IS_OFF": "no"}, False),
        ("IS_OFF", {}, False),
        (None, {}, False),
    ],
)
def test_disabled_in_the_file_is_honoured_with_a_notice(app, value, settings, disabled):
    layout = found(app("F", {"bindings": [TRIGGER], "disabled": value}), settings)

    assert [f.disabled for f in layout.functions] == [disabled]
    assert [line.level for line in layout.notes] == [LogLevel.INFORMATION] * disabled


def test_retry_intervals_are_parsed(app):
    retry = {
        "strategy": "exponentialBackoff",
        "maxRetryCount": -1,
        "minimumInterval": "00:00:01",
        "maximumInterval": "00:01:00",
    }

    [function] = found(app("F", {"bindings": [TRIGGER], "retry": retry})).functions

    assert isinstance(function.retry, RetryPolicy)
    assert function.retry.maximum.total_seconds() == 60


def test_only_the_chosen_functions_are_looked_at(app):
    app("Bad", {"bindings": []})
    folder = app("Good", {"bindings": [TRIGGER]})

    layout = discover(folder, script="function_app.py", settings={}, only=("good", "other"))

    assert [f.name for f in layout.functions] == ["Good"]
    assert layout.errors == ()
