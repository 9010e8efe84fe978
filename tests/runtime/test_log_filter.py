"""Which log lines reach the console."""

from __future__ import annotations

import pytest

from triggerfish.log_filter import LogFilter, is_system
from triggerfish.model import LogLevel

DEBUG, INFORMATION, WARNING, ERROR = (
    LogLevel.DEBUG,
    LogLevel.INFORMATION,
    LogLevel.WARNING,
    LogLevel.ERROR,
)


@pytest.mark.parametrize(
    ("category", "system"),
    [
        ("Function.F", False),
        ("Function.my-function_1", False),
        ("Function.F.User", False),
        ("Host.Function.Console", False),
        ("my.module", False),
        ("Triggerfish", False),
        ("Functions", False),
        ("", False),
        ("Function.F.Other", True),
        ("Function.", True),
        ("Host.Startup", True),
        ("Host.Function.Other", True),
        ("Worker.LanguageWorkerChannel.python", True),
        ("Microsoft.Azure.WebJobs.Hosting", True),
        ("microsoft.azure.webjobs.hosting", True),
    ],
)
def test_a_category_is_the_users_or_the_hosts(category, system):
    assert is_system(category) is system


@pytest.mark.parametrize(
    ("settings", "category", "shown", "hidden"),
    [
        ({}, "Function.F", INFORMATION, DEBUG),
        ({}, "Function.F.User", INFORMATION, DEBUG),
        ({}, "Host.Function.Console", INFORMATION, DEBUG),
        ({}, "Host.Startup", WARNING, INFORMATION),
        ({"verbose": True}, "Host.Startup", INFORMATION, DEBUG),
        ({"verbose": True}, "Function.F", INFORMATION, DEBUG),
        ({"user_level": DEBUG}, "Function.F.User", DEBUG, LogLevel.TRACE),
        ({"user_level": DEBUG}, "Host.Startup", WARNING, INFORMATION),
        ({"levels": {"default": ERROR}}, "Host.Startup", ERROR, WARNING),
        ({"levels": {"default": ERROR}}, "Function.F", ERROR, WARNING),
        ({"levels": {"default": DEBUG}}, "Host.Startup", DEBUG, LogLevel.TRACE),
        ({"levels": {"Default": WARNING}, "verbose": True}, "Host.Startup", WARNING, INFORMATION),
        ({"levels": {"default": ERROR}, "user_level": DEBUG}, "Function.F", DEBUG, LogLevel.TRACE),
        ({"levels": {"Function": ERROR}}, "Function.F", ERROR, WARNING),
        ({"levels": {"Function": ERROR, "Function.F": DEBUG}}, "Function.F", DEBUG, LogLevel.TRACE),
        ({"levels": {"Function.F": DEBUG, "Function": ERROR}}, "Function.G", ERROR, WARNING),
        ({"levels": {"FUNCTION.F": DEBUG}}, "Function.F.User", DEBUG, LogLevel.TRACE),
        ({"levels": {"Host": INFORMATION}}, "Host.Startup", INFORMATION, DEBUG),
    ],
)
def test_a_level_is_the_lowest_that_is_shown(settings, category, shown, hidden):
    log_filter = LogFilter(**settings)

    for _ in range(2):  # the second time from memory
        assert log_filter.shows(shown, category, "text")
        assert not log_filter.shows(hidden, category, "text")


def test_none_silences_even_critical_lines():
    log_filter = LogFilter(levels={"Function.F": LogLevel.NONE})

    assert not log_filter.shows(LogLevel.CRITICAL, "Function.F", "text")
    assert log_filter.shows(LogLevel.CRITICAL, "Function.G", "text")


@pytest.mark.parametrize(
    "message",
    [
        "Worker process started and initialized.",
        "Host lock lease acquired by instance ID '0123'.",
    ],
)
def test_lines_that_tools_wait_for_are_always_shown(message):
    log_filter = LogFilter(levels={"default": LogLevel.NONE})

    assert log_filter.shows(INFORMATION, "Host.Startup", message)
    assert not log_filter.shows(INFORMATION, "Host.Startup", f"Not quite: {message}")
