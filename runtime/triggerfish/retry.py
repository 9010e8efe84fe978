"""When a failed run is tried again, and how a retry policy is read.

Pure: chance is passed in. Behaviour: spec host-and-worker.md, section 17.
https://learn.microsoft.com/azure/azure-functions/functions-bindings-error-pages
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Final, Literal

from triggerfish.model import RetryPolicy, TriggerfishError
from triggerfish.timespan import parse_timespan

UNLIMITED: Final = -1
_STRATEGIES: Final[Mapping[str, Literal["fixedDelay", "exponentialBackoff"]]] = {
    "fixeddelay": "fixedDelay",
    "exponentialbackoff": "exponentialBackoff",
}
_MOST_DOUBLINGS: Final = 64  # past any maximum; a float holds no more than 1023


def delay_before(
    retry: int, policy: RetryPolicy, draw: Callable[[], float] = random.random
) -> timedelta:
    """Return the wait before retry number ``retry``, counted from 1.

    ``draw`` gives a chance in [0, 1): waits differ so that what failed together does not
    come back together.
    """
    if policy.strategy == "fixedDelay":
        return policy.delay
    if retry <= 1:
        return policy.minimum
    factor = (0.8 + 0.4 * draw()) * 2 ** min(retry - 2, _MOST_DOUBLINGS)
    seconds = policy.minimum.total_seconds() * (1 + factor)
    return timedelta(seconds=min(seconds, policy.maximum.total_seconds()))


def parse_retry_policy(raw: object) -> RetryPolicy:
    """Return the policy that ``raw`` stands for. Raises ``TriggerfishError`` naming the key.

    ``raw`` is the ``retry`` object of function.json or host.json, or the settings of
    ``@app.retry``, whose names are in snake_case and whose values are texts.
    """
    if not isinstance(raw, Mapping):
        raise TriggerfishError("retry: expected an object with strategy and maxRetryCount")
    values = {str(key).replace("_", "").lower(): value for key, value in raw.items()}
    strategy = _strategy(values)
    count = _count(values)
    if strategy == "fixedDelay":
        return RetryPolicy(strategy, count, delay=_interval(values, "delayInterval"))
    minimum = _interval(values, "minimumInterval")
    maximum = _interval(values, "maximumInterval")
    if minimum > maximum:
        raise TriggerfishError("retry.minimumInterval: expected at most retry.maximumInterval")
    return RetryPolicy(strategy, count, minimum=minimum, maximum=maximum)


def _strategy(values: Mapping[str, object]) -> Literal["fixedDelay", "exponentialBackoff"]:
    given = values.get("strategy")
    strategy = _STRATEGIES.get(str(given).replace("_", "").lower())
    if strategy is None:
        raise _wrong("strategy", given, "fixedDelay or exponentialBackoff")
    return strategy


def _count(values: Mapping[str, object]) -> int:
    given = values.get("maxretrycount")
    try:
        count = int(str(given))
    except ValueError:
        count = UNLIMITED - 1
    if count < UNLIMITED:
        raise _wrong("maxRetryCount", given, "a whole number, or -1 for no limit")
    return count


def _interval(values: Mapping[str, object], key: str) -> timedelta:
    given = values.get(key.lower())
    try:
        interval = parse_timespan(given) if isinstance(given, str) else None
    except ValueError:
        interval = None
    if interval is None or interval < timedelta():
        raise _wrong(key, given, "a timespan hh:mm:ss")
    return interval


def _wrong(key: str, given: object, expected: str) -> TriggerfishError:
    if given is None:
        return TriggerfishError(f"retry.{key}: missing; expected {expected}")
    return TriggerfishError(f"retry.{key}: expected {expected}, not {given!r}")
