"""host.json: what it may say, how the environment overrides it, and what mistakes are told."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from triggerfish.config.errors import ConfigError
from triggerfish.config.host_json import load_host_config, parse_host_config
from triggerfish.config.host_options import BlobOptions, HostConfig
from triggerfish.config.host_settings import HOST_SETTINGS
from triggerfish.config.reference import render_reference
from triggerfish.model import LogLevel, RetryPolicy

REPOSITORY = Path(__file__).parents[2]
PREFIX = "AzureFunctionsJobHost__"


def parse(
    document: dict[str, Any] | None = None,
    settings: dict[str, str] | None = None,
    *,
    processors: int = 2,
) -> HostConfig:
    return parse_host_config(
        {"version": "2.0", **(document or {})}, settings or {}, processors=processors
    )


def nested(key: str, value: object) -> dict[str, Any]:
    for name in reversed(key.split(".")):
        value = {name: value}
    assert isinstance(value, dict)
    return value


# --- reading ----------------------------------------------------------------------------------


@pytest.mark.parametrize("text", [None, "{}", '{"version": "2.0"}', "{'Version': '2.0',}"])
def test_a_missing_or_empty_file_is_that_of_a_new_app(tmp_path, text):
    if text is not None:
        (tmp_path / "host.json").write_text(text)

    config = load_host_config(tmp_path, {})

    assert config.http.route_prefix == "api"
    assert config.function_timeout == timedelta(minutes=30)
    assert config.notices == ()


def test_comments_trailing_commas_and_a_byte_order_mark_do_no_harm(tmp_path):
    text = """\ufeff// of the shop
    {
      "version": "2.0", /* of the form */
      'extensions': {"queues": {"batchSize": 3,},},
    }"""
    (tmp_path / "host.json").write_text(text, encoding="utf-8")

    assert load_host_config(tmp_path, {}).queues.batch_size == 3


def test_keys_are_read_in_any_letter_case_and_scalars_as_texts():
    config = parse(
        {
            "FUNCTIONTIMEOUT": "00:00:05",
            "Extensions": {"Queues": {"BATCHSIZE": "7", "messageEncoding": "NONE"}},
            "logging": {"console": {"disableColors": "True"}},
        }
    )

    assert config.function_timeout == timedelta(seconds=5)
    assert (config.queues.batch_size, config.queues.message_encoding) == (7, "none")
    assert config.logging.disable_colours


def test_null_is_as_if_the_key_were_not_there():
    config = parse({"functionTimeout": None, "extensions": {"queues": None}, "retry": None})

    assert config.function_timeout == timedelta(minutes=30)
    assert config.queues.batch_size == 16


def test_unknown_keys_are_ignored_without_a_word():
    assert parse({"comment": [1, {"a": 2}]}).notices == ()


@pytest.mark.parametrize(
    ("key", "value", "read"),
    [
        ("functionTimeout", "-1", lambda c: c.function_timeout is None),
        ("functionTimeout", -1, lambda c: c.function_timeout is None),
        ("functionTimeout", "1.00:00:00", lambda c: c.function_timeout == timedelta(days=1)),
        ("functionTimeout", "24:00:00", lambda c: c.function_timeout == timedelta(days=24)),
        ("functionTimeout", 2, lambda c: c.function_timeout == timedelta(days=2)),
        ("functions", ["a", "B"], lambda c: c.functions == ("a", "B")),
        ("functions", [], lambda c: c.functions == ()),
        ("watchFiles", ["x.txt"], lambda c: c.watch_files == ("x.txt",)),
        ("watchDirectories", ["lib"], lambda c: c.watch_directories == ("lib",)),
        (
            "metadataProviderTimeout",
            "00:01:00",
            lambda c: c.metadata_provider_timeout.seconds == 60,
        ),
        ("extensions.http.routePrefix", "", lambda c: c.http.route_prefix == ""),
        ("extensions.http.routePrefix", "/v1/{t}/", lambda c: c.http.route_prefix == "v1/{t}"),
        ("extensions.http.maxConcurrentRequests", 4, lambda c: c.http.max_concurrent_requests == 4),
        ("extensions.http.maxConcurrentRequests", -1, lambda c: not c.http.max_concurrent_requests),
        (
            "extensions.http.customHeaders",
            {"X-A": "b"},
            lambda c: c.http.custom_headers["X-A"] == "b",
        ),
        (
            "extensions.queues.visibilityTimeout",
            "00:00:30",
            lambda c: c.queues.visibility_timeout.seconds == 30,
        ),
        ("extensions.queues.maxDequeueCount", 1, lambda c: c.queues.max_dequeue_count == 1),
        ("extensions.blobs.poisonBlobThreshold", 2, lambda c: c.blobs.poison_blob_threshold == 2),
        ("extensionBundle.id", "Bundle", lambda c: c.extension_bundle_id == "Bundle"),
        (
            "singleton.listenerLockRecoveryPollingInterval",
            "-1",
            lambda c: c.singleton.listener_lock_recovery_interval is None,
        ),
        (
            "logging.logLevel",
            {"Function.F": "debug"},
            lambda c: c.logging.levels == {"Function.F": LogLevel.DEBUG},
        ),
    ],
)
def test_a_valid_value_is_honoured(key, value, read):
    assert read(parse(nested(key, value)))


def test_a_retry_policy_is_for_all_functions():
    policy = {"strategy": "fixedDelay", "maxRetryCount": 3, "delayInterval": "00:00:02"}

    assert parse({"retry": policy}).retry == RetryPolicy(
        "fixedDelay", 3, delay=timedelta(seconds=2)
    )
    assert parse().retry is None


# --- how many at once -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("batch_size", "given", "processors", "threshold"),
    [
        (None, None, 1, 8),
        (None, None, 8, 64),
        (1, None, 8, 0),
        (1, 0, 8, 0),
        (5, None, 4, 8),
        (32, None, 2, 32),
        (32, 0, 2, 0),
        (8, 24, 3, 24),
    ],
)
def test_the_new_batch_threshold_follows_the_batch_size(batch_size, given, processors, threshold):
    queues = {"batchSize": batch_size, "newBatchThreshold": given}

    options = parse({"extensions": {"queues": queues}}, processors=processors).queues

    assert (options.batch_size, options.new_batch_threshold) == (batch_size or 16, threshold)


@pytest.mark.parametrize(
    ("parallelism", "batch_size", "threshold"),
    [
        (1, 1, 0),
        (2, 2, 0),
        (3, 2, 1),
        (8, 5, 3),
        (16, 9, 7),
        (62, 32, 30),
        (63, 32, 31),
        (64, 32, 32),
        (100, 32, 68),
    ],
)
def test_blobs_in_work_are_shared_out_as_documented(parallelism, batch_size, threshold):
    options = BlobOptions(max_degree_of_parallelism=parallelism, poison_blob_threshold=5)

    assert (options.batch_size, options.new_batch_threshold) == (batch_size, threshold)


def test_blobs_in_work_follow_the_processors():
    assert parse(processors=4).blobs.max_degree_of_parallelism == 32


@pytest.mark.parametrize(
    ("written", "used"),
    [(None, 2.0), ("00:01:00", 2.0), ("00:00:59", 59.0), ("00:00:00.1", 0.1), ("00:05:00", 300.0)],
)
def test_a_polling_interval_of_a_minute_is_two_seconds_here(written, used):
    config = parse(nested("extensions.queues.maxPollingInterval", written))

    assert config.queues.max_polling_interval.total_seconds() == used


# --- environment ------------------------------------------------------------------------------


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
def test_the_environment_wins_over_the_file(variable, value, read):
    document = {
        "extensions": {"queues": {"batchSize": 5}},
        "functions": ["a"],
        "retry": {"strategy": "fixedDelay", "maxRetryCount": 3, "delayInterval": "00:00:02"},
    }

    assert read(parse(document, {PREFIX + variable: value}))


def test_a_mistake_in_the_environment_names_the_variable():
    variable = f"{PREFIX}extensions__queues__batchSize"

    with pytest.raises(ConfigError) as caught:
        parse(None, {variable: "50"})

    assert str(caught.value) == (
        f"environment: {variable}: '50' is not valid; expected an integer from 1 to 32. "
        "Change it, or remove it for the default, which is 16."
    )


# --- mistakes ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("functionTimeout", "00:00:00.5", "at least 00:00:01, or -1 for no limit"),
        ("functionTimeout", "soon", "timespan hh:mm:ss"),
        ("functionTimeout", "25:61:00", "timespan hh:mm:ss"),
        ("functionTimeout", True, "timespan hh:mm:ss"),
        ("functionTimeout", ["00:00:05"], "timespan hh:mm:ss"),
        ("functions", "a", "a list of function names"),
        ("functions", [1], "a list of function names"),
        ("functions", {"a": 1}, "a list of function names"),
        ("watchFiles", 1, "a list of file names"),
        ("watchDirectories", {"x": "y"}, "a list of folder names"),
        ("metadataProviderTimeout", "0", "at least 00:00:01"),
        ("retry.strategy", "often", "fixedDelay or exponentialBackoff"),
        ("retry.maxRetryCount", -2, "an integer of at least -1"),
        ("extensions.queues.batchSize", 0, "an integer from 1 to 32"),
        ("extensions.queues.batchSize", 33, "an integer from 1 to 32"),
        ("extensions.queues.batchSize", 1.5, "an integer from 1 to 32"),
        ("extensions.queues.batchSize", True, "an integer from 1 to 32"),
        ("extensions.queues.batchSize", "many", "an integer from 1 to 32"),
        ("extensions.queues.batchSize", {"a": 1}, "an integer from 1 to 32"),
        ("extensions.queues.batchSize", "9" * 5000, "an integer from 1 to 32"),
        ("extensions.queues.newBatchThreshold", -1, "an integer of at least 0"),
        ("extensions.queues.maxPollingInterval", "00:00:00.09", "at least 00:00:00.1"),
        ("extensions.queues.maxPollingInterval", 2000, "a bare number would be read as days"),
        ("extensions.queues.visibilityTimeout", "-00:00:01", "at least 00:00:00"),
        ("extensions.queues.maxDequeueCount", 0, "an integer of at least 1"),
        ("extensions.queues.messageEncoding", "utf8", "base64 or none"),
        ("extensions.blobs.maxDegreeOfParallelism", 0, "an integer of at least 1"),
        ("extensions.blobs.poisonBlobThreshold", 0, "an integer of at least 1"),
        ("extensions.http.routePrefix", ["api"], "a text"),
        ("extensions.http.maxOutstandingRequests", -2, "an integer of at least -1"),
        ("extensions.http.customHeaders", "X: y", "an object of headers"),
        ("extensions.http.customHeaders.X", ["y"], "a text"),
        ("singleton.listenerLockPeriod", "00:01:01", "from 00:00:15 to 00:01:00"),
        ("singleton.listenerLockRecoveryPollingInterval", "00:00:14", "at least 00:00:15"),
        ("logging.logLevel", "Debug", "an object of categories"),
        ("logging.logLevel.default", "Loud", "Trace, Debug, Information"),
        ("logging.console.disableColors", "no", "true or false"),
    ],
)
def test_an_invalid_value_names_file_key_and_what_is_valid(key, value, expected):
    with pytest.raises(ConfigError) as caught:
        parse(nested(key, value))

    message = str(caught.value)
    assert message.startswith(f"host.json: {key}: ")
    assert expected in message
    assert "Change it, or remove it" in message
    assert len(message) < 500


@pytest.mark.parametrize(
    ("policy", "key"),
    [
        ({"strategy": "fixedDelay"}, "retry.maxRetryCount"),
        ({"maxRetryCount": 1}, "retry.strategy"),
        ({"strategy": "fixedDelay", "maxRetryCount": 1}, "retry.delayInterval"),
    ],
)
def test_an_incomplete_retry_policy_names_the_missing_key(policy, key):
    with pytest.raises(ConfigError, match=rf"^host\.json: {key}: missing; .+ Correct it"):
        parse({"retry": policy})


@pytest.mark.parametrize("key", ["extensions", "extensions.queues", "logging.console", "retry"])
@pytest.mark.parametrize("value", ["text", 5, True, [16]])
def test_another_value_in_place_of_an_object_is_named(key, value):
    with pytest.raises(ConfigError, match=rf"^host\.json: {key}: .* an object is expected\. Write"):
        parse(nested(key, value))


@pytest.mark.parametrize(
    ("version", "told"),
    [
        (None, "is missing"),
        ("1.0", "'1.0' is not valid"),
        (2, "'2' is not valid"),
        ("3.0", "right for runtime 3 too"),
        ("4", "right for runtime 4 too"),
        ({}, "not valid"),
    ],
)
def test_another_version_is_refused(version, told):
    with pytest.raises(
        ConfigError, match=r'^host\.json: version: .*Write "version": "2\.0"'
    ) as caught:
        parse_host_config({"version": version, "functions": []}, {}, processors=1)

    assert told in str(caught.value)


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "utf-16-be", "utf-32-be"]
)
def test_a_byte_order_mark_tells_the_encoding(tmp_path, encoding):
    mark = "\ufeff" if encoding.endswith("-be") else ""
    text = f'{mark}{{"version": "2.0", "watchFiles": ["ä.txt"]}}'
    (tmp_path / "host.json").write_bytes(text.encode(encoding))

    assert load_host_config(tmp_path, {}).watch_files == ("ä.txt",)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b'{"version": "2.0"', "line 1, column 18"),
        (b'{\n  "version": 2.0 x\n}', "line 2, column 18"),
        (b"", "the document is empty"),
        (b"[]", "holds no JSON object"),
        (b'"2.0"', "holds no JSON object"),
        (b'{"version": "2.0", "a": "\xff"}', "is not UTF-8"),
        (b"\xff\xfe{", "is not UTF-8"),
        (b"[" * 100_000, "nested deeper"),
    ],
)
def test_a_malformed_file_is_told_by_its_place(tmp_path, content, told):
    (tmp_path / "host.json").write_bytes(content)

    with pytest.raises(ConfigError) as caught:
        load_host_config(tmp_path, {})

    assert str(caught.value).startswith("host.json: ")
    assert told in str(caught.value)
    assert caught.value.remedy in str(caught.value)


def test_a_folder_called_host_json_is_told(tmp_path):
    (tmp_path / "host.json").mkdir()

    with pytest.raises(ConfigError, match=r"^host\.json: cannot be read"):
        load_host_config(tmp_path, {})


@pytest.mark.parametrize("key", ["customHandler", "httpWorker"])
def test_other_languages_are_refused(key):
    with pytest.raises(ConfigError, match=rf"^host\.json: {key}: is not supported\. Only Python"):
        parse({key: {"description": {"defaultExecutablePath": "server"}}})


# --- notices ----------------------------------------------------------------------------------


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
def test_what_has_no_effect_is_named_once_at_information(key, value):
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
def test_a_default_and_what_is_ignored_leave_no_line(key, value):
    shouted = parse(nested(key, value))

    assert [line for line in shouted.notices if "telemetryMode" not in line.message] == []


# --- documentation ----------------------------------------------------------------------------


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
