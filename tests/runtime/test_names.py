"""The naming rules of the storage services."""

import pytest

from triggerfish.names import (
    blob_name_problem,
    container_name_problem,
    queue_name_problem,
    table_name_problem,
)


@pytest.mark.parametrize("name", ["abc", "a-b", "0a1", "a" * 63, "x-1-y"])
def test_queues_and_containers_have_dashed_names(name: str) -> None:
    assert queue_name_problem(name) is None
    assert container_name_problem(name) is None


@pytest.mark.parametrize(
    "name",
    [
        "",
        "ab",
        "a" * 64,
        "Abc",
        "a_b",
        "-ab",
        "ab-",
        "a--b",
        "a.b",
        "äbc",
        "abc\n",
        "٣٣٣",
        "{ab}",
    ],
)
def test_other_names_are_refused_with_the_rule(name: str) -> None:
    assert "queue name must have 3 to 63" in str(queue_name_problem(name))
    assert "container name must have 3 to 63" in str(container_name_problem(name))


@pytest.mark.parametrize("name", ["$root", "$web", "$logs"])
def test_only_a_container_may_be_one_of_the_service(name: str) -> None:
    assert container_name_problem(name) is None
    assert queue_name_problem(name) is not None


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("a", None),
        ("A/b c%#+é.txt", None),
        ("x" * 1024, None),
        ("", "1 to 1024 characters"),
        ("x" * 1025, "1 to 1024 characters"),
        ("a.", "must not end"),
        ("a/", "must not end"),
        ("a\\b", "backslash"),
    ],
)
def test_a_blob_name_is_almost_any_text(name: str, problem: str | None) -> None:
    found = blob_name_problem(name)

    assert found is None if problem is None else problem in str(found)


@pytest.mark.parametrize(
    ("name", "valid"),
    [
        ("abc", True),
        ("A1b", True),
        ("ab", False),
        ("1ab", False),
        ("a-b", False),
        ("a" * 64, False),
    ],
)
def test_a_table_name_has_letters_and_digits(name: str, valid: bool) -> None:
    assert (table_name_problem(name) is None) == valid
