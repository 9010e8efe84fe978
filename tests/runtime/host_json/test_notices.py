"""What has no effect is named once, and all that has one is documented."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from triggerfish.config.host_settings import HOST_SETTINGS
from triggerfish.config.reference import render_reference
from triggerfish.model import LogLevel

REPOSITORY = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("telemetryMode", "OpenTelemetry"),
        ("concurrency.dynamicConcurrencyEnabled", True),
        ("logging.fileLoggingMode", "always"),
        ("extensions.http.dynamicThrottlesEnabled", True),
        ("extensions.durableTask", {"hubName": "h"}),
        ("extensions.serviceBus", {}),
        ("id", "abc"),
        ("singleton.lockPeriod", "00:00:20"),
        ("singleton.lockAcquisitionTimeout", "00:00:09"),
        ("singleton.lockAcquisitionPollingInterval", "00:00:01"),
        ("queues", {"batchSize": 1}),
        ("http", {"routePrefix": "x"}),
    ],
)
def test_what_has_no_effect_is_named_once_at_information(key, value, parse, nested):
    [line] = parse(nested(key, value)).notices

    assert line.level == LogLevel.INFORMATION
    assert line.message.startswith(f"host.json: {key} has no effect: ")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("telemetryMode", "applicationinsights"),
        ("concurrency.dynamicConcurrencyEnabled", False),
        ("logging.fileLoggingMode", "debugOnly"),
        ("logging.applicationInsights", {"samplingSettings": {"isEnabled": True}}),
        ("healthMonitor", {"enabled": True}),
        ("aggregator.batchSize", 1000),
        ("extensions.tables", {}),
        ("managedDependency.enabled", True),
    ],
)
def test_a_default_and_what_is_ignored_leave_no_line(key, value, parse, nested):
    shouted = parse(nested(key, value))

    assert [line for line in shouted.notices if "telemetryMode" not in line.message] == []


def test_the_reference_pages_are_what_the_tables_say():
    for name, text in render_reference().items():
        page = REPOSITORY / "docs" / "reference" / name
        assert page.read_text(encoding="utf-8") == text, (
            "run: python -m triggerfish.config.reference docs/reference"
        )


def test_every_key_is_declared_once_and_its_default_is_valid():
    keys = [row.key.lower() for row in HOST_SETTINGS]

    assert len(keys) == len(set(keys))
    for row in HOST_SETTINGS:
        if isinstance(row.default, str | int | bool):
            assert row.kind.read(json.loads(json.dumps(row.default))) == row.default
