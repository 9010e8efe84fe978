"""Mistakes are told with the file, the key and what is valid."""

from __future__ import annotations

import pytest

from triggerfish.config.errors import ConfigError
from triggerfish.config.host_json import load_host_config, parse_host_config


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
def test_an_invalid_value_names_file_key_and_what_is_valid(key, value, expected, parse, nested):
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
def test_an_incomplete_retry_policy_names_the_missing_key(policy, key, parse):
    with pytest.raises(ConfigError, match=rf"^host\.json: {key}: missing; .+ Correct it"):
        parse({"retry": policy})


@pytest.mark.parametrize("key", ["extensions", "extensions.queues", "logging.console", "retry"])
@pytest.mark.parametrize("value", ["text", 5, True, [16]])
def test_another_value_in_place_of_an_object_is_named(key, value, parse, nested):
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
def test_other_languages_are_refused(key, parse):
    with pytest.raises(ConfigError, match=rf"^host\.json: {key}: is not supported\. Only Python"):
        parse({key: {"description": {"defaultExecutablePath": "server"}}})
