"""host.json as a document, and a key of it as deep as it lies."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from triggerfish.config.host_json import parse_host_config
from triggerfish.config.host_options import HostConfig


def _parse(
    document: dict[str, Any] | None = None,
    settings: dict[str, str] | None = None,
    *,
    processors: int = 2,
) -> HostConfig:
    return parse_host_config(
        {"version": "2.0", **(document or {})}, settings or {}, processors=processors
    )


def _nested(key: str, value: object) -> dict[str, Any]:
    for name in reversed(key.split(".")):
        value = {name: value}
    assert isinstance(value, dict)
    return value


@pytest.fixture
def parse() -> Callable[..., HostConfig]:
    """Read a document, and settings that may override it."""
    return _parse


@pytest.fixture
def nested() -> Callable[[str, object], dict[str, Any]]:
    """Make the document that says one thing."""
    return _nested
