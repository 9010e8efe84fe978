"""Writes the reference pages of the settings, so that the tables are all there is to maintain.

``python -m triggerfish.config.reference docs/reference`` writes them; a test fails where a
page is not what its table says.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from triggerfish.config.app_settings import APP_SETTINGS
from triggerfish.config.host_settings import HOST_SETTINGS
from triggerfish.config.kinds import Anything
from triggerfish.config.local_settings import LOCAL_KEYS
from triggerfish.config.settings_table import Setting, Treatment, default_text

_HEADINGS: Final[Mapping[Treatment, str]] = {
    "honour": "",
    "worker": "## Read by the worker processes",
    "notice": "## Accepted without effect\n\nA line at start (with `--verbose`) names them.",
    "ignore": "## Ignored",
    "refuse": "## Refused",
}
_GENERATED: Final = "<!-- Written by `python -m triggerfish.config.reference docs/reference`. -->"
_HOST_JSON: Final = """# host.json

Read as leniently as Azure reads it: comments, trailing commas and single quotes are fine, and
the letter case of keys does not matter. A missing file counts as `{"version": "2.0"}`.
A setting `AzureFunctionsJobHost__extensions__queues__batchSize` overrides the key
`extensions.queues.batchSize`, and so for every key. Lengths of time are written `hh:mm:ss` or
`d.hh:mm:ss`; a bare number is a number of days. What is not listed is ignored,
with a yellow line where it looks like a key misspelt.
"""
_APP_SETTINGS: Final = """# Settings

They come from the environment and from `Values` in `local.settings.json`; a name that the
environment has keeps its value. Functions see all of them as environment variables, with
`AZURE_FUNCTIONS_ENVIRONMENT=Development` and, unless they are set, `WEBSITE_HOSTNAME` and
`AzureWebJobsScriptRoot`. `AzureWebJobs.NAME.Disabled`, or `AzureWebJobs_NAME_Disabled`, switches
function NAME off with `true` or `1`; `AzureFunctionsJobHost__…` overrides
[host.json](host-json.md). A setting of any name may hold the account of a binding's `connection`.
"""
_LOCAL_KEYS: Final = "## Keys of local.settings.json beside Values and ConnectionStrings\n"


def render_reference() -> dict[str, str]:
    """Return the pages by file name."""
    local = f"{_LOCAL_KEYS}\n{_table(LOCAL_KEYS)}"
    return {
        "host-json.md": _page(_HOST_JSON, HOST_SETTINGS),
        "app-settings.md": f"{_page(_APP_SETTINGS, APP_SETTINGS)}\n{local}",
    }


def _page(opening: str, rows: Sequence[Setting]) -> str:
    parts = [_GENERATED, opening.rstrip()]
    for treatment, heading in _HEADINGS.items():
        chosen = [row for row in rows if row.treatment == treatment]
        if chosen:
            parts += [heading, _table(chosen).rstrip()]
    return "\n\n".join(part for part in parts if part) + "\n"


def _table(rows: Sequence[Setting]) -> str:
    lines = ["| Key | Default | Valid | Meaning |", "| --- | --- | --- | --- |"]
    for row in rows:
        valid = "" if isinstance(row.kind, Anything) else row.kind.expected
        cells = (f"`{row.key}`", default_text(row), valid, _sentence(row.help))
        lines.append(f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |")
    return "\n".join(lines) + "\n"


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


if __name__ == "__main__":
    for name, text in render_reference().items():
        (Path(sys.argv[1]) / name).write_text(text, encoding="utf-8")
