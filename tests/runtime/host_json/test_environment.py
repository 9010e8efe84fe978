"""The environment overrides the file."""

from __future__ import annotations

import pytest

from triggerfish.config.errors import ConfigError

PREFIX = "AzureFunctionsJobHost__"


@pytest.mark.parametrize(
    ("variable", "value", "read"),
    [
        ("extensions__queues__batchSize", "1", lambda c: c.queues.batch_size == 1),
        ("EXTENSIONS__QUEUES__BATCHSIZE", "1", lambda c: c.queues.batch_size == 1),
        ("extensions:queues:batchSize", "1", lambda c: c.queues.batch_size == 1),
        ("extensions__http__routePrefix", "", lambda c: c.http.route_prefix == ""),
        ("logging__logLevel__default", "Debug", lambda c: c.logging.levels == {"default": 1}),
        ("logging__logLevel__Function.F", "None", lambda c: c.logging.levels == {"Function.F": 6}),
        ("functions__1", "b", lambda c: c.functions == ("a", "b")),
        ("functions__0", "b", lambda c: c.functions == ("b",)),
        ("retry__maxRetryCount", "9", lambda c: c.retry.max_retry_count == 9),
    ],
)
def test_the_environment_wins_over_the_file(variable, value, read, parse):
    document = {
        "extensions": {"queues": {"batchSize": 5}},
        "functions": ["a"],
        "retry": {"strategy": "fixedDelay", "maxRetryCount": 3, "delayInterval": "00:00:02"},
    }

    assert read(parse(document, {PREFIX + variable: value}))


def test_a_mistake_in_the_environment_names_the_variable(parse):
    variable = f"{PREFIX}extensions__queues__batchSize"

    with pytest.raises(ConfigError) as caught:
        parse(None, {variable: "50"})

    assert str(caught.value) == (
        f"environment: {variable}: '50' is not valid; expected an integer from 1 to 32. "
        "Change it, or remove it for the default, which is 16."
    )
