"""local.settings.json: settings of one machine, which the environment wins over."""

from __future__ import annotations

import pytest

from triggerfish.config.errors import ConfigError
from triggerfish.config.local_settings import load_local_settings, parse_local_settings
from triggerfish.model import LogLevel


def parse(document, environ=None):
    return parse_local_settings({"IsEncrypted": False, **document}, environ or {})


def messages(settings, level):
    return [line.message for line in settings.notes if line.level == level]


def test_values_become_texts():
    values = {"a": "x", "b": 5, "c": 1.5, "d": True, "e": False, "f": "", "g": "ä€"}

    assert parse({"Values": values}).values == {
        "a": "x",
        "b": "5",
        "c": "1.5",
        "d": "true",
        "e": "false",
        "f": "",
        "g": "ä€",
    }


def test_connection_strings_are_settings_of_their_own():
    strings = {"Db": "one", "Other": {"ConnectionString": "two", "ProviderName": "p"}}

    assert parse({"ConnectionStrings": strings}).values == {
        "ConnectionStrings:Db": "one",
        "ConnectionStrings:Other": "two",
    }


def test_the_environment_wins_with_one_yellow_line():
    settings = parse({"Values": {"A": "file", "B": "file"}}, {"A": "environment", "B": ""})

    assert settings.values == {"B": "file"}
    assert messages(settings, LogLevel.WARNING) == [
        "Skipping 'A' from local settings as it's already defined in current environment variables."
    ]


@pytest.mark.parametrize(("name", "value"), [("A", None), ("", "x")])
def test_a_setting_without_name_or_value_is_skipped_with_a_yellow_line(name, value):
    settings = parse({"Values": {name: value, "B": "kept"}})

    assert settings.values == {"B": "kept"}
    [message] = messages(settings, LogLevel.WARNING)
    assert "local.settings.json" in message
    assert "skipped" in message


def test_where_to_listen_and_who_may_call_are_read():
    host = {
        "LocalHttpPort": "8080",
        "LocalHttpAddress": "0.0.0.0",
        "CORS": "*",
        "CORSCredentials": False,
    }

    settings = parse({"host": host})

    assert (settings.port, settings.address) == (8080, "0.0.0.0")
    assert (settings.cors, settings.cors_credentials) == ("*", False)


def test_nothing_given_is_nothing_set():
    settings = parse({})

    assert settings.values == {}
    assert (settings.port, settings.address, settings.cors, settings.cors_credentials) == (
        None,
    ) * 4


@pytest.mark.parametrize("name", ["IsEncrypted", "isencrypted"])
def test_encrypted_values_are_refused(name):
    with pytest.raises(ConfigError, match=r"^local\.settings\.json: IsEncrypted: is true.* Write"):
        parse_local_settings({name: True, "Values": {"A": "CfDJ8"}}, {})


def test_a_file_that_does_not_say_counts_as_encrypted():
    with pytest.raises(ConfigError, match="IsEncrypted: is missing, which means true"):
        parse_local_settings({"Values": {"A": "x"}}, {})


def test_a_file_without_values_need_not_say():
    assert parse_local_settings({"Host": {"LocalHttpPort": 1}}, {}).port == 1


@pytest.mark.parametrize(
    ("document", "key"),
    [
        ({"Values": {"A": {"b": "c"}}}, "Values.A"),
        ({"Values": {"A": ["b"]}}, "Values.A"),
        ({"Values": ["A"]}, "Values"),
        ({"Values": "A"}, "Values"),
        ({"Values": {"A=B": "c"}}, "Values.A=B"),
        ({"Values": {"A": "b\0c"}}, "Values.A"),
        ({"ConnectionStrings": 5}, "ConnectionStrings"),
        ({"ConnectionStrings": {"A": ["b"]}}, "ConnectionStrings.A"),
        (
            {"ConnectionStrings": {"A": {"ConnectionString": {}}}},
            "ConnectionStrings.A.ConnectionString",
        ),
        ({"Host": 7071}, "Host"),
        ({"Host": {"LocalHttpPort": 65536}}, "Host.LocalHttpPort"),
        ({"Host": {"LocalHttpPort": "web"}}, "Host.LocalHttpPort"),
        ({"Host": {"CORSCredentials": "perhaps"}}, "Host.CORSCredentials"),
        ({"Host": {"CORS": ["http://a"]}}, "Host.CORS"),
    ],
)
def test_a_value_that_cannot_be_used_names_file_key_and_remedy(document, key):
    with pytest.raises(ConfigError) as caught:
        parse(document)

    assert str(caught.value).startswith(f"local.settings.json: {key}: ")
    assert str(caught.value).endswith(caught.value.remedy)
    assert caught.value.remedy


@pytest.mark.parametrize(
    "document",
    [{"IsEncrypted": "maybe", "Values": {"A": "b"}}, {"IsEncrypted": [], "Values": {"A": "b"}}],
)
def test_is_encrypted_must_be_true_or_false(document):
    with pytest.raises(ConfigError, match=r"^local\.settings\.json: IsEncrypted: .*true or false"):
        parse_local_settings(document, {})


def test_a_missing_file_is_told_and_sets_nothing(tmp_path):
    settings = load_local_settings(tmp_path, {})

    assert settings.values == {}
    [line] = settings.notes
    assert "There is no local.settings.json" in line.message


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b'{"Values": ', "line 1, column"),
        (b"[]", "holds no JSON object"),
        (b"\xfe", "is not UTF-8"),
    ],
)
def test_a_malformed_file_is_told_and_counts_as_empty(tmp_path, content, told):
    (tmp_path / "local.settings.json").write_bytes(content)

    settings = load_local_settings(tmp_path, {})

    assert settings.values == {}
    [line] = settings.notes
    assert line.level == LogLevel.WARNING
    assert line.message.startswith("local.settings.json: ")
    assert told in line.message
    assert line.message.endswith("It is taken as empty.")


def test_the_file_is_read_leniently(tmp_path):
    (tmp_path / "local.settings.json").write_text(
        "\ufeff// mine\n{'IsEncrypted': false, 'Values': {'A': 'b',},}", encoding="utf-8"
    )

    assert load_local_settings(tmp_path, {}).values == {"A": "b"}


def test_secrets_are_not_shown():
    assert "hunter2" not in repr(parse({"Values": {"A": "hunter2"}}))
