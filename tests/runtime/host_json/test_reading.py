"""host.json: what it may say, and how it may be written."""

from __future__ import annotations

from datetime import timedelta

import pytest

from triggerfish.config.host_json import load_host_config
from triggerfish.model import LogLevel, RetryPolicy


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


def test_keys_are_read_in_any_letter_case_and_scalars_as_texts(parse):
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


def test_null_is_as_if_the_key_were_not_there(parse):
    config = parse({"functionTimeout": None, "extensions": {"queues": None}, "retry": None})

    assert config.function_timeout == timedelta(minutes=30)
    assert config.queues.batch_size == 16


def test_unknown_keys_are_ignored_without_a_word(parse):
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
def test_a_valid_value_is_honoured(key, value, read, parse, nested):
    assert read(parse(nested(key, value)))


def test_a_retry_policy_is_for_all_functions(parse):
    policy = {"strategy": "fixedDelay", "maxRetryCount": 3, "delayInterval": "00:00:02"}

    assert parse({"retry": policy}).retry == RetryPolicy(
        "fixedDelay", 3, delay=timedelta(seconds=2)
    )
    assert parse().retry is None
