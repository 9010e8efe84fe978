"""Which edits load the app again, and how they are noticed (host-and-worker.md, 19.3)."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path, PurePath

import pytest

from triggerfish.watching import AppChange, Kind, WatchError, WatchRules, concerns_app, watch_app

RULES = WatchRules(files=("model.json",), directories=("Templates", ".flags"))

FILES = [
    ("host.json", True),
    ("function_app.py", True),
    ("orders/function.json", True),
    ("orders/__init__.py", True),
    ("a/b/c/deep.py", True),
    ("HOST.JSON", True),
    ("Module.PY", True),
    ("proxies.json", True),
    ("model.json", True),
    ("a/MODEL.json", True),
    ("templates/mail/hello.txt", True),
    ("templates/.cache/x", True),
    (".flags/on", True),
    ("app_offline.htm", True),
    ("a/app_offline.htm", False),
    ("local.settings.json", False),
    ("requirements.txt", False),
    ("data.csv", False),
    ("a/data.json", False),
    ("a/templates/hello.txt", False),
    ("module.pyc", False),
    ("module.py~", False),
    (".#module.py", False),
    (".module.py.swp", False),
    ("__pycache__/module.cpython-311.pyc", False),
    ("a/__pycache__/x.py", False),
    (".git/hooks/x.py", False),
    (".venv/lib/x.py", False),
    ("venv/lib/x.py", False),
    ("node_modules/gyp/x.py", False),
    (".triggerfish/storage.db", False),
    (".triggerfish/x.py", False),
    ("a/.vscode/x.py", False),
]


@pytest.mark.parametrize("kind", ["Created", "Changed", "Deleted", "Renamed"])
@pytest.mark.parametrize(("path", "expected"), FILES)
def test_an_edited_file_concerns_the_app_or_not(path: str, kind: Kind, expected: bool) -> None:
    assert concerns_app(PurePath(path), kind, is_folder=False, rules=RULES) == expected


@pytest.mark.parametrize(
    ("path", "kind", "expected"),
    [
        ("orders", "Created", True),
        ("orders", "Deleted", True),
        ("orders", "Renamed", True),
        ("orders", "Changed", False),
        ("orders/inner", "Created", False),
        ("templates/inner", "Created", True),
        (".flags", "Created", True),
        (".git", "Created", False),
        ("__pycache__", "Created", False),
        (".venv", "Deleted", False),
    ],
)
def test_a_folder_concerns_the_app_at_the_top_level_only(
    path: str, kind: Kind, expected: bool
) -> None:
    assert concerns_app(PurePath(path), kind, is_folder=True, rules=RULES) == expected


# --- real files -------------------------------------------------------------------------------


@pytest.fixture
def app(tmp_path: Path) -> Path:
    folder = tmp_path / "app"
    for name in ("pkg/inner", ".git", ".venv", "made_by_hand", "__pycache__"):
        (folder / name).mkdir(parents=True)
    (folder / "made_by_hand" / "pyvenv.cfg").touch()
    (folder / "function_app.py").write_text("1")
    (folder / "pkg" / "inner" / "deep.py").write_text("1")
    return folder


def watching(
    app: Path, rules: WatchRules | None = None
) -> AbstractAsyncContextManager[AsyncIterator[AppChange]]:
    return watch_app(app, lambda: rules or WatchRules(), quiet_seconds=0.02)


async def test_an_edited_module_is_told(app: Path) -> None:
    async with watching(app) as changes:
        (app / "pkg" / "inner" / "deep.py").write_text("2")

        change = await anext(changes)

    assert change == AppChange("Changed", "pkg/inner/deep.py", is_offline=False)


async def test_a_file_that_is_touched_is_told(app: Path) -> None:
    async with watching(app) as changes:
        os.utime(app / "function_app.py")

        change = await anext(changes)

    assert change == AppChange("Changed", "function_app.py", is_offline=False)


async def test_a_file_saved_by_renaming_is_told(app: Path) -> None:
    async with watching(app) as changes:
        draft = app / "function_app.py.tmp"
        draft.write_text("2")
        draft.replace(app / "function_app.py")

        change = await anext(changes)

    assert (change.kind, change.path) == ("Renamed", "function_app.py")


async def test_a_file_that_comes_from_outside_is_told(app: Path, tmp_path: Path) -> None:
    (tmp_path / "new.py").write_text("")

    async with watching(app) as changes:
        (tmp_path / "new.py").replace(app / "pkg" / "new.py")

        change = await anext(changes)

    assert (change.kind, change.path) == ("Created", "pkg/new.py")


async def test_many_changes_at_once_are_told_as_one(app: Path) -> None:
    async with watch_app(app, WatchRules, quiet_seconds=0.2) as changes:
        for number in range(200):
            (app / "pkg" / f"module_{number}.py").write_text("1")
        first = await anext(changes)
        (app / "last.py").write_text("1")
        second = await anext(changes)

    assert first.path == "pkg/module_0.py"
    assert second.path == "last.py"


async def test_what_does_not_concern_the_app_is_not_told(app: Path) -> None:
    async with watching(app) as changes:
        for path in (".git/x.py", ".venv/x.py", "made_by_hand/x.py", "__pycache__/x.py", "a.csv"):
            (app / path).write_text("1")
        (app / "pkg" / "data").mkdir()
        (app / "function_app.py").read_text()
        (app / "pkg" / "wanted.py").write_text("1")

        change = await anext(changes)

    assert change.path == "pkg/wanted.py"


async def test_a_new_folder_is_told_and_watched_from_then_on(app: Path) -> None:
    async with watching(app) as changes:
        (app / "orders").mkdir()
        created = await anext(changes)
        (app / "orders" / "function.json").write_text("{}")
        filled = await anext(changes)

    assert (created.kind, created.path) == ("Created", "orders")
    assert filled.path == "orders/function.json"


async def test_a_folder_that_is_removed_and_comes_back_is_still_watched(app: Path) -> None:
    async with watching(app) as changes:
        (app / "pkg").rename(app.parent / "elsewhere")
        gone = await anext(changes)
        (app.parent / "elsewhere").rename(app / "pkg")
        await anext(changes)
        (app / "pkg" / "inner" / "deep.py").write_text("3")
        async for change in changes:  # what came back with the folder may be told before
            if (change.kind, change.path) == ("Changed", "pkg/inner/deep.py"):
                break

    assert (gone.kind, gone.path) == ("Deleted", "pkg")


async def test_a_new_virtual_environment_is_not_watched(app: Path) -> None:
    async with watching(app) as changes:
        environment = app.parent / "env"
        environment.mkdir()
        (environment / "pyvenv.cfg").touch()
        environment.rename(app / "env")
        (app / "env" / "x.py").write_text("1")
        (app / "wanted.py").write_text("1")

        change = await anext(changes)

    assert change.path == "wanted.py"


async def test_the_offline_file_takes_the_app_offline_until_it_is_removed(app: Path) -> None:
    async with watching(app) as changes:
        (app / "app_offline.htm").write_text("later")
        offline = await anext(changes)
        (app / "app_offline.htm").unlink()
        online = await anext(changes)

    assert (offline.is_offline, online.is_offline) == (True, False)


async def test_folders_of_watch_directories_are_watched_whole(app: Path) -> None:
    (app / ".flags").mkdir()

    async with watching(app, WatchRules(directories=(".flags",))) as changes:
        (app / ".flags" / "on").touch()

        change = await anext(changes)

    assert change.path == ".flags/on"


async def test_changes_that_do_not_stop_are_told_all_the_same(
    app: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("triggerfish.watching._LONGEST_DELAY_SECONDS", 0.05)
    told = asyncio.Event()

    async def edit() -> None:
        while not told.is_set():
            (app / "function_app.py").write_text("1")
            await asyncio.sleep(0)

    async with (
        watch_app(app, WatchRules, quiet_seconds=10) as changes,
        asyncio.TaskGroup() as group,
    ):
        group.create_task(edit())
        change = await anext(changes)
        told.set()

    assert change.path == "function_app.py"


async def test_a_folder_that_cannot_be_watched_is_named(tmp_path: Path) -> None:
    with pytest.raises(WatchError, match=r"missing: its files cannot be watched.*--no-reload"):
        async with watching(tmp_path / "missing"):
            pass
