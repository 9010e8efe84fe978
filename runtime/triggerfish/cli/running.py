"""Finds the running host and its folders for commands that ask it for something.

The data folder's owner file says where the host and its storage account answer; a URL given
on the command line goes before it. Never starts or stops anything.
"""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import quote, urlsplit

import click

from triggerfish.config.app_folder import DATA_FOLDER, find_app_folder
from triggerfish.history.entries import FILE_NAME
from triggerfish.model import TriggerfishError
from triggerfish_storage.addresses import reachable
from triggerfish_storage.ownership import Owner, read_owner

HOST_PORT: Final = "host"  # its name among the owner's ports
_ANSWER_SECONDS: Final = 300.0  # an HTTP function may take its time
_REMEDY: Final = "Start it with 'triggerfish start', or name a running one with --host URL."

Command = TypeVar("Command", bound=Callable[..., Any])


class NotRunning(TriggerfishError):  # noqa: N818 - a state, and the message says what to do
    """No host runs where the command looked for one."""


class HostRefused(TriggerfishError):  # noqa: N818 - what it did
    """The host answered, but not with what was asked for."""


@dataclass(frozen=True, slots=True)
class Place:
    """What the location options of a command name; see ``place_options``."""

    app: Path | None
    data: Path | None
    host: str

    def data_folder(self) -> Path:
        """Return the data folder. Raises ``TriggerfishError`` where no app is there."""
        if self.data is not None:
            return self.data
        return find_app_folder(self.app, named_by="--app FOLDER") / DATA_FOLDER

    def history_file(self) -> Path:
        """Return the ledger's file. Raises ``TriggerfishError`` where no app is there."""
        return self.data_folder() / FILE_NAME

    def owner(self) -> Owner | None:
        """Return who has the data folder open, None where nobody says so."""
        return read_owner(self.data_folder())

    def running_host(self) -> RunningHost:
        """Return the host that runs here, or the one given. Raises ``NotRunning``."""
        if self.host:
            return RunningHost(self.host)
        owner = self.owner()
        port = owner.ports.get(HOST_PORT) if owner is not None else None
        if owner is None or port is None:
            raise NotRunning(f"{self.data_folder()}: no host runs on this data folder. {_REMEDY}")
        return RunningHost(f"http://{reachable(owner.address)}:{port}")


def place_options(data_option: str = "--data") -> Callable[[Command], Command]:
    """Add ``--app`` and ``--data``, which say whose history and storage are meant."""
    app = click.option(
        "--app",
        type=click.Path(path_type=Path, file_okay=False),
        metavar="FOLDER",
        help="The function app.  [default: the one you are in]",
    )
    data = click.option(
        data_option,
        "data",
        type=click.Path(path_type=Path, file_okay=False),
        metavar="FOLDER",
        envvar="TRIGGERFISH_DATA",
        show_envvar=True,
        help="Its data folder.  [default: .triggerfish in the app]",
    )
    return lambda command: app(data(command))


host_option: Final = click.option(
    "--host",
    default="",
    metavar="URL",
    envvar="TRIGGERFISH_HOST",
    show_envvar=True,
    help="The running host.  [default: the one that has the data folder open]",
)


@dataclass(frozen=True, slots=True)
class RunningHost:
    """A host's admin API, asked one thing at a time."""

    url: str

    def function(self, name: str) -> dict[str, Any]:
        """Return the description of a function that can run.

        Raises ``HostRefused`` for one that is unknown or in error.
        """
        path = f"/admin/functions/{quote(name, safe='')}"
        status, body = self._ask("GET", f"{path}/status")
        errors = self._document(status, body).get("errors") if status == 200 else None
        if errors:
            raise HostRefused(f"'{name}' cannot run: {'; '.join(errors)}")
        status, body = self._ask("GET", path)
        if status == 404:
            raise HostRefused(self._why_unknown(name))
        found: dict[str, Any] = self._document(status, body)
        return found

    def _why_unknown(self, name: str) -> str:
        """Tell why the host knows no function ``name``: it may have none, as it cannot load."""
        host = self._document(*self._ask("GET", "/admin/host/status"))
        state, errors = host["state"], "; ".join(host.get("errors") or ())
        if state != "Running":
            return f"'{name}' cannot run, for the host does not ({state}). {errors}".rstrip()
        known = ", ".join(one["name"] for one in self.functions()) or "none"
        edit = f" What was saved last does not load: {errors}" if errors else ""
        return f"There is no function '{name}'. The app's functions: {known}.{edit}"

    def functions(self) -> list[dict[str, Any]]:
        """Return the descriptions of all functions (http-trigger.md, 10.1)."""
        found: list[dict[str, Any]] = self._document(*self._ask("GET", "/admin/functions"))
        return found

    def run(self, name: str, text: str) -> None:
        """Run a function now with ``text`` as its input; return when the host took it up."""
        status, body = self._ask(
            "POST", f"/admin/functions/{quote(name, safe='')}", {"input": text}
        )
        if status >= 300:
            raise self._refusal(status, body)

    def replay(self, ids: list[str], *, dry: bool) -> list[dict[str, Any]]:
        """Deliver again; return one document for each id (http-trigger.md, 10)."""
        wanted = {"ids": ids, "dry": dry}
        answers: list[dict[str, Any]] = self._document(
            *self._ask("POST", "/admin/triggerfish/replay", wanted)
        )
        return answers

    def call(self, method: str, url: str, body: bytes | None) -> tuple[int, bytes]:
        """Send a request to one of the host's own URLs; return status and body."""
        parts = urlsplit(url)
        target = f"{parts.path}?{parts.query}" if parts.query else parts.path
        return self._send(method, target, body, {})

    def ping(self) -> None:
        """Return if the host answers. Raises ``NotRunning``."""
        self._ask("GET", "/admin/host/ping")

    def _document(self, status: int, body: bytes) -> Any:
        if status >= 300:
            raise self._refusal(status, body)
        try:
            return json.loads(body)
        except ValueError as error:
            raise HostRefused(
                f"{self.url} did not answer as a triggerfish host. Is it one? "
                "Name another with --host URL."
            ) from error

    def _refusal(self, status: int, body: bytes) -> HostRefused:
        said = body.decode(errors="replace").strip()
        return HostRefused(f"{self.url} answered {status}{f': {said}' if said else ''}.")

    def _ask(self, method: str, path: str, document: object = None) -> tuple[int, bytes]:
        if document is None:
            return self._send(method, path, None, {})
        headers = {"Content-Type": "application/json"}
        return self._send(method, path, json.dumps(document).encode(), headers)

    def _send(
        self, method: str, target: str, body: bytes | None, headers: dict[str, str]
    ) -> tuple[int, bytes]:
        # http.client: aiohttp takes a quarter of a second to import, and this is one request.
        connection = self._connection()
        try:
            connection.request(method, target, body, headers)
            response = connection.getresponse()
            return response.status, response.read()
        except (OSError, UnicodeError, http.client.HTTPException) as error:
            raise NotRunning(f"No host answers at {self.url} ({error}). {_REMEDY}") from error
        finally:
            connection.close()

    def _connection(self) -> http.client.HTTPConnection:
        try:
            parts = urlsplit(self.url if "://" in self.url else f"http://{self.url}")
            secure = parts.scheme == "https"
            kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
            return kind(parts.hostname or "", parts.port, timeout=_ANSWER_SECONDS)
        except (ValueError, http.client.InvalidURL) as error:
            raise NotRunning(
                f"--host {self.url}: {error}. Write it as http://NAME:PORT."
            ) from error
