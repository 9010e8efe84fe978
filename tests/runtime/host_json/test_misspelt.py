"""A key that is almost one of host.json's is not ignored without a word."""

from __future__ import annotations

import pytest

from triggerfish.model import LogLevel


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("extensions.queues.batchsizes", "batchSize"),
        ("extensions.queue", "queues"),
        ("extensions.http.routePrefixes", "routePrefix"),
        ("logging.logLevels", "logLevel"),
        ("functionTimeouts", "functionTimeout"),
        ("Extensions.Queues.visibilityTimeOuts", "visibilityTimeout"),
    ],
)
def test_a_misspelt_key_is_told_with_what_may_be_meant(key, meant, parse, nested):
    [line] = [one for one in parse(nested(key, 1)).notices if one.level == LogLevel.WARNING]

    assert line.message == (f"host.json: {key} is not known and is ignored: {meant} may be meant.")


def test_a_misspelt_override_is_told_by_its_variable(parse):
    variable = "AzureFunctionsJobHost__extensions__queues__batchsiz"

    [line] = parse(settings={variable: "1"}).notices

    assert line.message.startswith(f"environment: {variable} is not known")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("$schema", "https://json.schemastore.org/host"),
        ("concurrency.snapshotPersistenceEnabled", True),
        ("extensions.queues.BATCHSIZE", 1),
        ("extensions.http.customHeaders.X-Frame", "DENY"),
        ("logging.logLevel.defaults", "Error"),
        ("logging.applicationInsights.logLevel", "Error"),
    ],
)
def test_a_key_like_no_other_and_names_of_the_users_own_are_left_alone(key, value, parse, nested):
    assert [
        one for one in parse(nested(key, value)).notices if one.level > LogLevel.INFORMATION
    ] == []
