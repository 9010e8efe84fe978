"""What the documentation refers to is there: files, headings, commands and options."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from triggerfish.cli.func import func
from triggerfish.cli.main import triggerfish
from triggerfish.http.admin import OPERATIONS

ROOT = Path(__file__).parent.parent.parent
PAGES = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted(ROOT.glob("samples/*/README.md")),
    *sorted(ROOT.glob("bench/*.md")),
]
PROGRAMS: dict[str, click.Command] = {"triggerfish": triggerfish, "triggerfish-func": func}
FILES = ("saved.jsonl", "a.csv")  # those that examples read
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)


def links(page: Path) -> list[str]:
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    return [target for target in LINK.findall(text) if "://" not in target]


def headings(page: Path) -> set[str]:
    """Return what a link may name behind ``#``, made as the usual renderers make it."""
    titles = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def command_lines(page: Path) -> Iterator[list[str]]:
    """Give the command lines of a page's examples: indented, and beginning with a program."""
    for line in page.read_text(encoding="utf-8").splitlines():
        if line.startswith("    "):
            # what stands behind && is a command of its own; an ellipsis stands for anything
            for part in re.split(r"&&|\||;", line):
                words = shlex.split(part.split(" > ")[0], comments=True)
                if words and words[0] in PROGRAMS:
                    yield words


EXAMPLES = [
    pytest.param(words, id=f"{page.relative_to(ROOT)}: {' '.join(words)}")
    for page in PAGES
    for words in command_lines(page)
]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    for target in links(page):
        file, _, heading = target.partition("#")
        found = (page.parent / file).resolve() if file else page

        assert found.exists(), target
        assert not heading or heading in headings(found), target


def test_every_endpoint_of_the_host_is_described() -> None:
    page = (ROOT / "docs" / "reference" / "endpoints.md").read_text(encoding="utf-8")

    for methods, template, _ in OPERATIONS:
        path = template.text.partition("{kind:")[0]
        assert f"/{path}" in page, path
        assert all(method in page for method in methods)


@pytest.mark.parametrize("folder", ["docs/guides", "docs/reference", "docs/design"])
def test_every_page_is_in_an_index(folder: str) -> None:
    indices = [ROOT / "docs" / "README.md", ROOT / "docs" / "design" / "README.md"]
    listed = {(index.parent / target).resolve() for index in indices for target in links(index)}

    assert set((ROOT / folder).glob("*.md")) <= listed


@pytest.mark.parametrize("words", EXAMPLES)
def test_every_example_is_a_command_that_takes_its_words(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for file in FILES:
        (tmp_path / file).touch()
    name, *arguments = words
    command = PROGRAMS[name]
    while isinstance(command, click.Group):
        context = command.make_context(name, list(arguments), resilient_parsing=True)
        # click keeps the name of the sub-command apart, under a name that is its own matter
        kept = vars(context).get("_protected_args", vars(context).get("protected_args", []))
        rest = [*kept, *context.args]
        if not rest and command.invoke_without_command:
            return
        assert rest, f"{name} needs a command"
        name, found, arguments = command.resolve_command(context, rest)
        assert found is not None, f"there is no command {name}"
        command = found

    command.make_context(name, list(arguments))


def test_the_examples_are_seen() -> None:
    assert len(EXAMPLES) > 20
