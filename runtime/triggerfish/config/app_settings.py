"""The settings of an app that the host itself reads, one row each.

They come from the environment and local.settings.json together. What only worker processes
read is in the table for its documentation. Behaviour: spec host-and-worker.md, 3 and 4.3.
https://learn.microsoft.com/azure/azure-functions/functions-app-settings
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from triggerfish.config.errors import SETTINGS, ConfigError
from triggerfish.config.host_id import LONGEST
from triggerfish.config.kinds import Flag, Integer, Level, Text
from triggerfish.config.notes import remark
from triggerfish.config.settings_table import Setting, notices, read
from triggerfish.config.tree import tree
from triggerfish.interpreter import SETTING as INTERPRETER
from triggerfish.model import LogLevel, LogLine

RUNTIME: Final = "FUNCTIONS_WORKER_RUNTIME"
HOST_ID: Final = "AzureFunctionsWebHost__hostid"
_ARGUMENTS: Final = "languageWorkers__python__arguments"
_CI: Final = ("CI", "CONTINUOUS_INTEGRATION", "BUILD_NUMBER", "RUN_ID")


@dataclass(frozen=True, slots=True)
class Formed:
    """A text of a certain form: ``pattern`` is a regular expression for all of it."""

    expected: str
    pattern: str

    def read(self, raw: object) -> str:
        if not re.fullmatch(self.pattern, str(raw), re.ASCII):
            raise ValueError
        return str(raw)


_HOST_ID: Final = Formed(
    f"1 to {LONGEST} lower-case letters, digits and dashes", rf"[a-z0-9-]{{1,{LONGEST}}}"
)
_SCRIPT: Final = Formed(
    "the name of a Python file in the app folder", r"[a-zA-Z0-9_][a-zA-Z0-9_-]*\.py"
)

APP_SETTINGS: Final = (
    Setting("AzureWebJobsStorage", Text(), "", "The host's storage account and the default one."),
    Setting(RUNTIME, Text(), "", "Must be `python`.", default_text="`python`, with a remark"),
    Setting("FUNCTIONS_WORKER_PROCESS_COUNT", Integer(None, 10), 1, "Number of worker processes."),
    Setting("FUNCTIONS_USER_LOG_LEVEL", Level(), None, "Lowest level of user logs shown."),
    Setting(
        "FUNCTIONS_REQUEST_BODY_SIZE_LIMIT", Integer(0), 104_857_600, "Largest HTTP body, bytes."
    ),
    Setting("AzureWebJobsDisableHomepage", Flag(numbers=True), False, "Whether `/` answers 204."),
    Setting(HOST_ID, _HOST_ID, "", "Host id.", default_text="made of machine and app folder"),
    Setting("WEBSITE_TIME_ZONE", Text(), "", "Time zone of timers.", default_text="the machine's"),
    Setting("PYTHON_SCRIPT_FILE_NAME", _SCRIPT, "function_app.py", "Script file of the v2 model."),
    Setting(
        INTERPRETER,
        Text(),
        "",
        "Interpreter of the workers.",
        default_text="the active virtual environment, then `.venv` of the app, then our own",
    ),
    Setting(_ARGUMENTS, Text(), "", "Arguments of that interpreter, for debuggers."),
    Setting(
        "PYTHON_THREADPOOL_THREAD_COUNT",
        Integer(1),
        None,
        "Threads for functions that are not async.",
        "worker",
        default_text="processors + 4, at most 32",
    ),
    Setting(
        "PYTHON_ENABLE_DEBUG_LOGGING",
        Flag(numbers=True),
        False,
        "Root logger of the workers at DEBUG.",
        "worker",
    ),
    Setting(
        "PYTHON_ISOLATE_WORKER_DEPENDENCIES",
        Flag(numbers=True),
        False,
        "Packages of the app first.",
        "worker",
    ),
    Setting(
        "PYTHON_ENABLE_WORKER_EXTENSIONS",
        Flag(numbers=True),
        False,
        "worker extensions are not loaded.",
        "notice",
    ),
    Setting(
        "PYTHON_ENABLE_OPENTELEMETRY",
        Flag(numbers=True),
        False,
        "workers send no telemetry.",
        "notice",
    ),
    Setting("FUNCTIONS_EXTENSION_VERSION", Text(), "", "The runtime is always 4.", "ignore"),
    Setting("AzureWebJobsFeatureFlags", Text(), "", "Worker indexing is always on.", "ignore"),
)


@dataclass(frozen=True, slots=True)
class AppSettings:
    """The host's own settings, parsed; empty texts where nothing was set."""

    worker_processes: int
    user_log_level: LogLevel | None
    request_body_limit_bytes: int
    homepage: bool
    host_id: str
    time_zone: str
    script_file: str
    interpreter: str
    interpreter_arguments: tuple[str, ...]
    in_continuous_integration: bool
    notices: tuple[LogLine, ...]


def parse_app_settings(settings: Mapping[str, str]) -> AppSettings:
    """Return the host's own settings. Raises ``ConfigError``."""
    root = tree({name.replace(":", "__"): value for name, value in settings.items() if value})
    values = read(APP_SETTINGS, root, file=SETTINGS)
    _check_runtime(values[RUNTIME])
    return AppSettings(
        worker_processes=max(1, values["FUNCTIONS_WORKER_PROCESS_COUNT"]),
        user_log_level=values["FUNCTIONS_USER_LOG_LEVEL"],
        request_body_limit_bytes=values["FUNCTIONS_REQUEST_BODY_SIZE_LIMIT"],
        homepage=not values["AzureWebJobsDisableHomepage"],
        host_id=values[HOST_ID],
        time_zone=values["WEBSITE_TIME_ZONE"],
        script_file=values["PYTHON_SCRIPT_FILE_NAME"],
        interpreter=values[INTERPRETER],
        interpreter_arguments=_words(values[_ARGUMENTS]),
        in_continuous_integration=any(settings.get(name) for name in _CI),
        notices=(*notices(APP_SETTINGS, root, file=SETTINGS), *_runtime_notes(values[RUNTIME])),
    )


def _check_runtime(runtime: str) -> None:
    if runtime.lower() in ("", "python"):
        return
    raise ConfigError(
        f"'{runtime}' is not supported",
        file=SETTINGS,
        key=RUNTIME,
        remedy=f'Only Python apps run here: add "{RUNTIME}": "python" to Values in '
        "local.settings.json, or set it in the environment.",
    )


def _runtime_notes(runtime: str) -> list[LogLine]:
    # The real tool refuses. An app from a repository seldom brings local.settings.json along,
    # and there is nothing else that it could mean here (docs/design/differences.md).
    if runtime:
        return []
    return [remark(f"{RUNTIME} is not set: the app is taken for Python. Azure asks for it.")]


def _words(text: str) -> tuple[str, ...]:
    try:
        return tuple(shlex.split(text))
    except ValueError as error:
        raise ConfigError(
            f"cannot be split into arguments ({error})",
            file=SETTINGS,
            key=_ARGUMENTS,
            remedy="Close every quote.",
        ) from error
