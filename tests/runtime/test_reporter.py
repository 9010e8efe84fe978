"""What the terminal is told of a load."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from triggerfish.config.app_config import load_app_config
from triggerfish.config.start_options import StartOptions
from triggerfish.console import Console
from triggerfish.http.routes import Routes
from triggerfish.log_filter import LogFilter
from triggerfish.model import TriggerfishError
from triggerfish.reporter import Reporter
from triggerfish_storage.testing import ManualClock


@pytest.fixture
def said(tmp_path: Path) -> Callable[..., str]:
    """What stands on the terminal once the reporter was told something."""

    def tell(what: Callable[[Reporter], None], *, environ: Any = None, **settings: Any) -> str:
        config = load_app_config(StartOptions(tmp_path), environ or {})
        stream = io.StringIO()
        with Console(stream, log_filter=LogFilter(), clock=ManualClock()) as console:
            what(Reporter(console, config, **settings))
        return stream.getvalue()

    return tell


@pytest.mark.parametrize(
    ("settings", "serving", "expected"),
    [
        ({}, False, "The host waits for the fix: save the file"),
        ({}, True, "The last state that loaded keeps running."),
        ({"reloads": False}, False, "start the host anew, or POST http://host/admin/host/restart."),
    ],
)
def test_a_failed_load_is_followed_by_what_helps(
    said: Callable[..., str], settings: dict[str, bool], serving: bool, expected: str
) -> None:
    def fail(reporter: Reporter) -> None:
        reporter.failed(TriggerfishError("no"), serving=serving)

    assert expected in said(fail, address="http://host", **settings)


def test_an_app_without_functions_is_told_where_they_belong(said: Callable[..., str]) -> None:
    served: Any = SimpleNamespace(config=None, errors=(), functions=(), routes=Routes())

    def load(reporter: Reporter) -> None:
        served.config = reporter.config.host
        reporter.loaded(served, again=False)

    shown = said(load, environ={"PYTHON_SCRIPT_FILE_NAME": "main.py"})

    assert "No job functions found. Declare them in main.py" in shown
