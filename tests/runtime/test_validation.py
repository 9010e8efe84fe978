"""Which functions can run, and with what in place of their settings."""

from __future__ import annotations

from typing import Any

import pytest

from triggerfish.model import Binding, Function
from triggerfish.validation import Validated, is_disabled, validate


def binding(kind: str, *, direction: str = "in", name: str = "item", **properties: Any) -> Binding:
    return Binding(name, kind, "out" if direction == "out" else "in", properties)


TRIGGER = binding("queueTrigger", name="msg", queueName="orders")


def function(name: str = "F", *bindings: Binding, disabled: bool = False) -> Function:
    return Function(name, bindings or (TRIGGER,), "/app", "function_app.py", disabled=disabled)


def check(
    *functions: Function, settings=None, prefix: str = "api", script="function_app.py", only=()
) -> Validated:
    return validate(
        functions, settings=settings or {}, route_prefix=prefix, script=script, only=only
    )


def error_of(*bindings: Binding, settings=None) -> str:
    validated = check(function("F", *bindings), settings=settings)
    assert validated.functions == ()
    [error] = validated.errors
    assert error.function == "F"
    return error.message


# --- settings ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "key"),
    [
        (binding("queueTrigger", queueName="%S%"), "queueName"),
        (binding("blobTrigger", path="%S%/{name}"), "path"),
        (binding("timerTrigger", schedule="0 */%N% * * * *"), "schedule"),
        (binding("queueTrigger", queueName="q-1", connection="%C%"), "connection"),
    ],
)
def test_settings_are_put_in_where_functions_are_indexed(written, key):
    settings = {"S": "orders", "N": "5", "C": "Shop", "Shop": "UseDevelopmentStorage=true"}

    [ready] = check(function("F", written), settings=settings).functions

    text = str(ready.trigger.properties[key])
    assert "%" not in text
    assert any(value in text for value in settings.values())


def test_settings_are_put_in_for_outputs_and_templates_stay():
    output = binding("blob", direction="out", name="out", path="%Env%/{rand-guid}")

    [ready] = check(function("F", TRIGGER, output), settings={"Env": "prod"}).functions

    assert ready.outputs[0].properties["path"] == "prod/{rand-guid}"


def test_settings_are_not_put_into_routes():
    http = binding("httpTrigger", route="%S%")

    [ready] = check(function("F", http), settings={"S": "x"}).functions

    assert ready.trigger.properties["route"] == "%S%"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("%Missing%", "queueName: '%Missing%' does not resolve to a value. Add the setting"),
        ("100%", "queueName: The '%' at position 3"),
    ],
)
def test_a_setting_that_has_no_value_puts_the_function_in_error(text, told):
    message = error_of(binding("queueTrigger", name="msg", queueName=text))

    assert message.startswith("function_app.py: binding 'msg': ")
    assert told in message


def test_an_error_of_a_v1_function_names_its_function_json():
    wrong = function("F", binding("queueTrigger", name="msg", queueName="A_b"))
    first = function("G", binding("httpTrigger", route="x"))
    again = function("H", binding("httpTrigger", route="X"))

    errors = check(wrong, first, again, script="").errors

    assert [error.message.partition(": ")[0] for error in errors] == [
        "F/function.json",
        "H/function.json",
    ]


# --- names, paths, schedules, connections -----------------------------------------------------


@pytest.mark.parametrize(
    "bindings",
    [
        [binding("queueTrigger", queueName="Orders-1")],
        [binding("blobTrigger", path="samples/{name}.{ext}")],
        [binding("blobTrigger", path="samples")],
        [binding("blobTrigger", path="samples/{n}", source="eventgrid")],
        [binding("timerTrigger", schedule="*/5 * * * *", runOnStartup=True)],
        [binding("timerTrigger", schedule="00:00:30")],
        [binding("httpTrigger", methods=["get", "POST"], authLevel="ANONYMOUS", route="a/{b:int}")],
        [binding("httpTrigger", methods=None)],
        [TRIGGER, binding("queue", direction="out", queueName="done-{name}")],
        [TRIGGER, binding("queue", direction="out", name="$return", queueName="DONE")],
        [TRIGGER, binding("blob", path="inbox/{name}")],
        [TRIGGER, binding("blob", path="{container}/a")],
        [TRIGGER, binding("blob", direction="out", path="out/a/b.txt")],
        [TRIGGER, binding("table", tableName="People", partitionKey="{name}", take=5)],
        [TRIGGER, binding("table", direction="out", tableName="T{name}")],
        [binding("QUEUETRIGGER", queueName="orders")],
        [binding("warmupTrigger")],
    ],
)
def test_a_good_declaration_can_run(bindings):
    validated = check(function("F", *bindings))

    assert validated.errors == ()
    assert [f.name for f in validated.functions] == ["F"]


def test_types_get_the_spelling_of_the_registry():
    [ready] = check(function("F", binding("QUEUETRIGGER", queueName="orders"))).functions

    assert ready.trigger.type == "queueTrigger"


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (binding("queueTrigger"), "queueName: is required"),
        (binding("queueTrigger", queueName="  "), "queueName '  ': is required"),
        (binding("queueTrigger", queueName=5), "queueName '5': is required"),
        (binding("queueTrigger", queueName="ab"), "queueName 'ab': a queue name must have 3 to 63"),
        (
            binding("queueTrigger", queueName="in-{name}"),
            "queueName 'in-{name}': a queue name must",
        ),
        (binding("queueTrigger", queueName="a--b"), "single dashes"),
        (
            binding("queueTrigger", queueName="orders", connection=["A"]),
            "connection '['A']': must be",
        ),
        (binding("blobTrigger"), "path: is required"),
        (binding("blobTrigger", path="in/{a.b}"), "path 'in/{a.b}': capture expressions cannot"),
        (binding("blobTrigger", path="{c}/x"), "path '{c}/x': container paths cannot contain"),
        (binding("blobTrigger", path="/x"), "must have the form container/blob"),
        (binding("blobTrigger", path="in/{a"), "missing closing bracket"),
        (binding("blobTrigger", path="samples/x", source="Logs"), "source 'Logs': must be Logs"),
        (binding("timerTrigger"), "schedule: is required"),
        (
            binding("timerTrigger", schedule="60 * * * * *"),
            "schedule: The schedule expression '60 *",
        ),
        (binding("timerTrigger", schedule="@daily"), "'@daily' is not a valid cron expression"),
        (binding("httpTrigger", authLevel="user"), "authLevel 'user': must be anonymous"),
        (binding("httpTrigger", route=["a"]), "route '['a']': must be a text"),
        (binding("httpTrigger", methods=[5]), "methods '[5]': must be a list"),
        (binding("httpTrigger", methods=["fetch it"]), "methods '['fetch it']': must be a list"),
        (
            binding("kafkaTrigger"),
            "'kafkaTrigger' are not registered. This host has no bindings of Apache Kafka;",
        ),
        (binding("kafkTrigger"), "'kafkTrigger' are not registered. Check the spelling"),
    ],
)
def test_a_trigger_that_cannot_run_says_what_is_wrong(wrong, told):
    assert told in error_of(wrong)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (binding("queue", direction="out"), "queueName: is required"),
        (binding("queue", direction="out", queueName="a_b"), "queueName 'a_b': a queue name must"),
        (binding("queue", direction="out", queueName="{a"), "queueName: Invalid template '{a'"),
        (binding("blob", path="container"), "path 'container': it must have the form container"),
        (binding("blob", path="A/b"), "path 'A/b': a container name must"),
        (binding("blob", path="Out/{name}"), "path 'Out/{name}': a container name must"),
        (binding("blob", direction="out", path="abc/x."), "a blob name must not end in '.'"),
        (binding("blob", direction="out", path="abc/{}"), "path: Invalid template 'abc/{}'"),
        (binding("table", tableName="1st"), "tableName '1st': a table name must"),
        (binding("table", tableName="People", filter="{a b}"), "filter: Invalid template"),
        (binding("blob", direction="in", name="$return", path="abc/d"), "direction of 'out'"),
    ],
)
def test_an_input_or_output_that_cannot_be_bound_says_what_is_wrong(wrong, told):
    assert told in error_of(TRIGGER, wrong)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({}, "Storage account connection string 'AzureWebJobsShop' does not exist"),
        ({"Shop": "nonsense"}, "Shop: malformed connection string"),
    ],
)
def test_a_connection_that_is_missing_or_malformed_puts_the_function_in_error(settings, told):
    trigger = binding("queueTrigger", queueName="orders", connection="Shop")

    assert told in error_of(trigger, settings=settings)


def test_a_connection_means_nothing_where_no_account_is_needed():
    http = binding("httpTrigger", connection="Shop")

    assert check(function("F", http)).errors == ()


# --- functions among each other ---------------------------------------------------------------


def test_functions_are_sorted_by_name_whatever_their_letter_case():
    validated = check(function("b"), function("C"), function("a"))

    assert [f.name for f in validated.functions] == ["a", "b", "C"]


def test_a_function_in_error_leaves_the_others_alone():
    validated = check(function("bad", binding("queueTrigger", queueName="x")), function("good"))

    assert [f.name for f in validated.functions] == ["good"]
    assert [e.function for e in validated.errors] == ["bad"]


@pytest.mark.parametrize("second", ["F", "f"])
def test_a_name_belongs_to_one_function(second):
    validated = check(function("F"), function(second))

    assert len(validated.functions) == 1
    [error] = validated.errors
    assert "does not have a unique function name" in error.message


@pytest.mark.parametrize("name", ["_private", "1st", "host", "a.b"])
def test_a_name_that_no_function_can_have_is_told(name):
    [error] = check(function(name)).errors

    assert f"'{name}' is not a valid function name" in error.message


@pytest.mark.parametrize("only", [["a"], ["A"], ("a", "missing")])
def test_only_the_chosen_functions_are_looked_at(only):
    validated = check(function("a"), function("bad", binding("x")), only=only)

    assert [f.name for f in validated.functions] == ["a"]
    assert validated.errors == ()


def test_routes_that_conflict_put_the_later_function_in_error():
    first = function("a", binding("httpTrigger", route="items"))
    second = function("b", binding("httpTrigger", route="Items/"))

    validated = check(second, first)

    assert [f.name for f in validated.functions] == ["a"]
    [error] = validated.errors
    assert (error.function, "conflicts with the route of function 'a'" in error.message) == (
        "b",
        True,
    )


def test_routes_have_the_prefix():
    validated = check(function("a", binding("httpTrigger", route="items/{id}")), prefix="v1")

    assert validated.routes.route_of("a") == "v1/items/{id}"


# --- disabled ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "disabled"),
    [
        ({"AzureWebJobs.F.Disabled": "true"}, True),
        ({"AzureWebJobs.F.Disabled": "TRUE"}, True),
        ({"AzureWebJobs.F.Disabled": "1"}, True),
        ({"AzureWebJobs_F_Disabled": "1"}, True),
        ({"AZUREWEBJOBS_f_DISABLED": "true"}, True),
        ({"AzureWebJobs.F.Disabled": "yes"}, False),
        ({"AzureWebJobs.F.Disabled": "0"}, False),
        ({"AzureWebJobs.F.Disabled": ""}, False),
        ({"AzureWebJobs.G.Disabled": "true"}, False),
        ({}, False),
    ],
)
def test_a_setting_switches_a_function_off(settings, disabled):
    assert is_disabled("F", settings) is disabled
    [ready] = check(function("F"), settings=settings).functions
    assert ready.disabled is disabled


def test_a_disabled_function_has_no_route_and_is_still_validated():
    validated = check(
        function("a", binding("httpTrigger"), disabled=True),
        function("bad", binding("queueTrigger"), disabled=True),
    )

    assert [f.name for f in validated.functions] == ["a"]
    assert validated.routes.route_of("a") is None
    assert [e.function for e in validated.errors] == ["bad"]


def test_a_decorator_may_name_a_parameter_with_an_underscore():
    validated = check(function("F", binding("httpTrigger", name="my_req")))

    assert [ready.name for ready in validated.functions] == ["F"]
