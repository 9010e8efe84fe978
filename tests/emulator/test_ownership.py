"""One process owns a data folder, and the next one is told which."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from triggerfish_storage import ownership
from triggerfish_storage.ownership import LOCK_FILE, FolderOwned, Owner, own, read_owner


def test_an_owner_says_who_it_is_and_where_it_serves(tmp_path: Path) -> None:
    with own(tmp_path, started="2024-05-01T12:00:00+00:00") as owned:
        owned.serves("127.0.0.1", {"blob": 10000, "queue": 10001})

        with pytest.raises(FolderOwned) as caught, own(tmp_path, started="later"):
            pass

    assert caught.value.owner == Owner(
        os.getpid(),
        "2024-05-01T12:00:00+00:00",
        "127.0.0.1",
        {"blob": 10000, "queue": 10001},
    )
    message = str(caught.value)
    assert message.startswith(f"{tmp_path}: in use by process {os.getpid()}")
    assert "blob 10000, queue 10001 on 127.0.0.1" in message
    assert "--data" in message


def test_a_file_system_without_locks_is_not_taken_for_an_owner(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(ownership, "_lock", refuse)

    with pytest.raises(OSError, match="No locks available"), own(tmp_path, started="now"):
        pass


def test_a_folder_is_free_again_after_its_owner(tmp_path: Path) -> None:
    with own(tmp_path / "new", started="first"):
        pass

    assert read_owner(tmp_path / "new") is None
    with own(tmp_path / "new", started="second") as owned:
        assert owned.owner.started == "second"
        assert read_owner(tmp_path / "new") == owned.owner


def test_an_owner_says_what_its_services_show_until_it_says_otherwise(tmp_path: Path) -> None:
    with own(tmp_path, started="now") as owned:
        owned.serves("127.0.0.1", {"blob": 10000}, certificate="ab12")
        owned.serves("127.0.0.1", {"blob": 10000, "host": 7071})

        found = read_owner(tmp_path)

    assert found == owned.owner
    assert (found.certificate, found.scheme) == ("ab12", "https")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": "x"}', '{"pid": 1}'])
def test_a_file_that_a_crash_left_means_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / LOCK_FILE).write_text(text)

    assert read_owner(tmp_path) is None
    with own(tmp_path, started="now") as owned:
        assert owned.owner.pid == os.getpid()


def test_who_crashed_owns_nothing_whatever_its_file_says(tmp_path: Path) -> None:
    with own(tmp_path, started="now") as owned:
        owned.serves("127.0.0.1", {"blob": 10000})
        text = (tmp_path / LOCK_FILE).read_text()
    (tmp_path / LOCK_FILE).write_text(text)

    assert read_owner(tmp_path) is None


def test_who_only_looks_for_the_owner_keeps_nobody_from_owning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / LOCK_FILE).touch()
    with (tmp_path / LOCK_FILE).open() as looking:
        ownership._lock(looking)
        monkeypatch.setattr(ownership.time, "sleep", lambda _: ownership._unlock(looking))

        with own(tmp_path, started="now") as owned:
            assert owned.owner.pid == os.getpid()


def test_an_owner_that_does_not_say_who_it_is_still_owns(tmp_path: Path) -> None:
    with own(tmp_path, started="now"):
        (tmp_path / LOCK_FILE).write_text("")

        with (
            pytest.raises(FolderOwned, match="in use by another process"),
            own(tmp_path, started="x"),
        ):
            pass
