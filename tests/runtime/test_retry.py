"""Retry policies and their delays (host-and-worker.md, section 17)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from azure.functions.decorators.retry_policy import RetryPolicy as Declared
from hypothesis import given
from hypothesis import strategies as st

from triggerfish.model import RetryPolicy, TriggerfishError
from triggerfish.retry import delay_before, parse_retry_policy

SECOND = timedelta(seconds=1)
FIXED = {"strategy": "fixedDelay", "maxRetryCount": 3, "delayInterval": "00:00:10"}
EXPONENTIAL = {
    "strategy": "exponentialBackoff",
    "maxRetryCount": 5,
    "minimumInterval": "00:00:04",
    "maximumInterval": "00:15:00",
}


def test_a_fixed_delay_is_the_same_before_every_retry() -> None:
    policy = RetryPolicy("fixedDelay", 3, delay=10 * SECOND)

    assert [delay_before(retry, policy) for retry in (1, 2, 3)] == [10 * SECOND] * 3


@pytest.mark.parametrize(
    ("chance", "seconds"),
    [
        (0.0, [4, 4 + 0.8 * 4, 4 + 0.8 * 8, 4 + 0.8 * 16]),
        (0.5, [4, 4 + 1.0 * 4, 4 + 1.0 * 8, 4 + 1.0 * 16]),
    ],
)
def test_an_exponential_delay_doubles_what_it_adds(chance: float, seconds: list[float]) -> None:
    policy = RetryPolicy("exponentialBackoff", -1, minimum=4 * SECOND, maximum=900 * SECOND)

    delays = [delay_before(retry, policy, lambda: chance) for retry in (1, 2, 3, 4)]

    assert [delay.total_seconds() for delay in delays] == pytest.approx(seconds)


@given(st.integers(1, 10**9), st.floats(0, 1, exclude_max=True), st.integers(0, 1000))
def test_an_exponential_delay_stays_within_its_bounds(
    retry: int, chance: float, extra: int
) -> None:
    minimum, maximum = 3 * SECOND, (3 + extra) * SECOND
    policy = RetryPolicy("exponentialBackoff", -1, minimum=minimum, maximum=maximum)

    assert minimum <= delay_before(retry, policy, lambda: chance) <= maximum


def test_policies_of_json_files_are_read() -> None:
    assert parse_retry_policy(FIXED) == RetryPolicy("fixedDelay", 3, delay=10 * SECOND)
    assert parse_retry_policy(EXPONENTIAL) == RetryPolicy(
        "exponentialBackoff", 5, minimum=4 * SECOND, maximum=900 * SECOND
    )


def test_a_policy_of_the_decorator_is_read() -> None:
    declared = Declared("fixed_delay", "-1", delay_interval="00:00:10").get_dict_repr()

    assert parse_retry_policy(declared) == RetryPolicy("fixedDelay", -1, delay=10 * SECOND)


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (None, "retry: expected an object"),
        ([], "retry: expected an object"),
        ({**FIXED, "strategy": "sometimes"}, r"retry\.strategy: .*not 'sometimes'"),
        ({"maxRetryCount": 1}, r"retry\.strategy: missing"),
        ({**FIXED, "maxRetryCount": -2}, r"retry\.maxRetryCount: .*not -2"),
        ({**FIXED, "maxRetryCount": "many"}, r"retry\.maxRetryCount: .*not 'many'"),
        ({**FIXED, "maxRetryCount": 1.5}, r"retry\.maxRetryCount: .*not 1\.5"),
        ({**FIXED, "maxRetryCount": True}, r"retry\.maxRetryCount: .*not True"),
        ({"strategy": "fixedDelay"}, r"retry\.maxRetryCount: missing"),
        ({**FIXED, "delayInterval": None}, r"retry\.delayInterval: missing"),
        ({**FIXED, "delayInterval": "10 s"}, r"retry\.delayInterval: .*hh:mm:ss, not '10 s'"),
        ({**FIXED, "delayInterval": 10}, r"retry\.delayInterval: .*not 10"),
        ({**FIXED, "delayInterval": "-00:00:10"}, r"retry\.delayInterval: "),
        ({**EXPONENTIAL, "minimumInterval": ""}, r"retry\.minimumInterval: "),
        ({**EXPONENTIAL, "maximumInterval": "x"}, r"retry\.maximumInterval: "),
        ({**EXPONENTIAL, "maximumInterval": "00:00:01"}, r"retry\.minimumInterval: .*at most"),
    ],
)
def test_what_is_wrong_with_a_policy_is_named_by_its_key(raw: object, message: str) -> None:
    with pytest.raises(TriggerfishError, match=message):
        parse_retry_policy(raw)
