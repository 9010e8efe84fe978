"""Names as paths: whatever a blob is called, its file is safe on every usual file system."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triggerfish_storage.transfer.names import file_stem, path_apart, plain_path, resource_of
from triggerfish_storage.transfer.path_set import path_set


@pytest.mark.parametrize("name", ["a.csv", "2024/05/report.csv", "ünï ☃.txt", ".hidden", "50%"])
def test_a_usual_name_is_its_path(name: str) -> None:
    assert plain_path(name) == name


@pytest.mark.parametrize(
    "name",
    [
        *("../../etc/passwd", "/etc/passwd", "a//b", "a/", "a/./b", ".", "..\\x", "C:\\x", "c:x"),
        *("con", "a/NUL.txt", "COM1", "lpt9.log", "trailing.", "trailing /x", " lead"),
        *("a*b", "q?", "a|b", "<x>", 'quo"te', "x\u0085y", "e\u0301", "~", "~/x"),
        *("x" * 201, "ü" * 101, "/".join(["x" * 100] * 5), ".gitkeep", "a/.DS_Store"),
    ],
)
def test_an_awkward_name_is_kept_apart(name: str) -> None:
    assert plain_path(name) is None


@given(st.text(min_size=1))
def test_the_path_of_any_name_stays_within_its_folder(name: str) -> None:
    path = plain_path(name) or path_apart(name)

    segments = path.split("/")
    assert ".." not in segments
    assert "" not in segments
    assert "\\" not in path
    assert ":" not in path
    assert "\0" not in path


@given(st.text(), st.text())
def test_different_blobs_kept_apart_have_different_paths(one: str, other: str) -> None:
    assert (path_apart(one) == path_apart(other)) == (one == other)
    assert path_apart(one, "2024-05-01T12:00:00.0000000Z") != path_apart(one)


@pytest.mark.parametrize("resource", ["con", "nul", "com1", "uploads", "$root", "People"])
def test_the_file_of_a_resource_leads_back_to_its_name(resource: str) -> None:
    assert resource_of(file_stem(resource)) == resource


def test_paths_that_differ_in_case_or_are_file_and_folder_cannot_both_be_claimed() -> None:
    paths = ("a", "A", "a/b", "x/y/z", "x/y", "X/Y/q", "x/y/z/deeper", "straße", "STRASSE")

    with path_set() as taken:
        claimed = [taken.claim(path) for path in paths]

    assert claimed == [True, False, False, True, False, True, False, True, False]
