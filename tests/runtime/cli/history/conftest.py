"""A history of four deliveries that have names, and the command that looks at it."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner, Result

from triggerfish.cli.main import triggerfish
from triggerfish.history.batch import Limits
from triggerfish.history.entries import End, Written
from triggerfish.history.ledger import Ledger, open_ledger
from triggerfish.model import Delivery, Failure, FailureKind, LogLevel, LogLine

if TYPE_CHECKING:
    from conftest import NewDelivery

NOW = datetime.now(UTC)
BROKEN = Failure(FailureKind.USER, "ValueError", "no such customer", "Traceback:\n  line 3")
IDS = {
    "fine": "aaaaaaaa-0000-4000-8000-000000000000",
    "broken": "bbbbbbbb-0000-4000-8000-000000000000",
    "bytes": "cccccccc-0000-4000-8000-000000000000",
    "running": "dddddddd-0000-4000-8000-000000000000",
}


Happen = Callable[..., None]
Run = Callable[..., Result]
Listed = Callable[..., list[str]]


@pytest.fixture
def delivery(delivery: NewDelivery) -> NewDelivery:
    """Make a delivery that has a name in ``IDS``."""

    def made(name: str, **changes: object) -> Delivery:
        own = {
            "payload": b'{"name": "Zo\xc3\xab"}',
            "metadata": {"id": f"message-{name}"},
            "at": NOW,
        }
        return delivery(IDS[name], **(own | changes))

    return made


def _happen(ledger: Ledger, kept: Delivery, **ended: Any) -> None:
    ledger.began(kept)
    ledger.logged(LogLine(LogLevel.WARNING, "mine", "low on stock", kept.id))
    ledger.ended(kept.id, End(**({"failure": None, "duration_seconds": 0.25} | ended)))


@pytest.fixture
async def data(tmp_path: Path, delivery: NewDelivery) -> Path:
    """A data folder whose history holds the deliveries of ``IDS``, in that order."""
    async with open_ledger(tmp_path, report=print, limits=Limits()) as ledger:
        blob = Written("label", "labels/1.txt", b"Zoe")
        message = Written("next", "parcels", base64.b64encode("Zoë 🐟".encode()))
        _happen(ledger, delivery("fine", at=NOW - timedelta(hours=3)), outputs=(blob, message))
        _happen(ledger, delivery("broken"), failure=BROKEN, tries=3)
        ledger.poisoned(IDS["broken"], "Message has reached MaxDequeueCount of 5.")
        _happen(ledger, delivery("bytes", function="Bill", payload=bytes(range(256)) * 4))
        ledger.began(delivery("running"))
    return tmp_path


def _run(*arguments: str) -> Result:
    return CliRunner().invoke(triggerfish, ["history", *arguments])


def _listed(data: Path, *arguments: str) -> list[str]:
    result = _run(*arguments, "--json", "--data", str(data))
    assert result.exit_code == 0, result.output
    return [one["id"] for one in json.loads(result.stdout)]


@pytest.fixture
def now() -> datetime:
    """When the deliveries happened, but for the one that is three hours older."""
    return NOW


@pytest.fixture
def ids() -> Mapping[str, str]:
    """The ids of the deliveries by name."""
    return IDS


@pytest.fixture
def happen() -> Happen:
    """Tell a ledger of a delivery from its beginning to its end."""
    return _happen


@pytest.fixture
def run() -> Run:
    """Run the command."""
    return _run


@pytest.fixture
def listed() -> Listed:
    """Return the ids that the command lists for a data folder."""
    return _listed
