"""Path patterns of blob triggers: the vectors of the specification."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triggerfish.path_pattern import PathPattern, PathPatternError


@pytest.mark.parametrize(
    ("pattern", "path", "captured"),
    [
        ("samples/{name}", "samples/a.txt", {"name": "a.txt"}),
        ("samples/{name}", "samples/2024/01/a.txt", {"name": "2024/01/a.txt"}),
        ("samples/{name}.txt", "samples/a.txt", {"name": "a"}),
        ("samples/{name}.txt", "samples/a.txt.bak", None),
        ("samples/{name}.txt", "samples/a.TXT", None),
        ("samples/{name}.txt", "samples/.txt", {"name": ""}),
        ("samples/{blobname}.{blobextension}", "samples/original-Blob1.txt",
         {"blobname": "original-Blob1", "blobextension": "txt"}),
        ("samples/{a}.{b}", "samples/archive.tar.gz", {"a": "archive.tar", "b": "gz"}),
        ("samples/{a}.{b}", "samples/noext", None),
        ("samples/{name}-{date}.csv", "samples/eu-west-2024.csv",
         {"name": "eu-west", "date": "2024"}),
        ("samples/original-{name}", "samples/original-x/y", {"name": "x/y"}),
        ("samples/{dir}/{file}", "samples/a/b/c.txt", {"dir": "a/b", "file": "c.txt"}),
        ("samples/{dir}/{file}", "samples/c.txt", None),
        ("samples/2024/{name}", "samples/2024/x", {"name": "x"}),
        ("samples/{{20140101}}-{name}", "samples/{20140101}-soundfile.mp3",
         {"name": "soundfile.mp3"}),
        ("samples/{x}/{x}", "samples/a/b", {"x": "b"}),
        ("samples/fixed.txt", "samples/fixed.txt", {}),
        ("samples/fixed.txt", "samples/Fixed.txt", None),
        ("samples/{{x}}", "samples/{x}", {}),
        ("samples", "samples/any/thing", {}),
        ("samples", "other/any", None),
        ("Samples/{n}", "samples/a", {"n": "a"}),
        ("samples/{n}", "other/a", None),
        ("samples/{a}{b}", "samples/xyz", {"a": "xyz", "b": ""}),
        ("samples/a{n}a", "samples/a", None),
        ("samples/a{n}a", "samples/aa", {"n": ""}),
        ("samples/x-{a}-{b}", "samples/x-y", None),
        ("samples/{n}", "samples/a\nb", None),
        ("samples/{DateTime}", "samples/a", {"DateTime": "a"}),
        ("$root/{n}", "$root/a", {"n": "a"}),
    ],
)  # fmt: skip
def test_a_pattern_matches_and_captures(
    pattern: str, path: str, captured: dict[str, str] | None
) -> None:
    container, _, blob = path.partition("/")

    assert PathPattern.parse(pattern).match(container, blob) == captured


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("", "must have the form container/blob"),
        ("/", "must have the form container/blob"),
        ("/x", "must have the form container/blob"),
        ("x/", "must have the form container/blob"),
        ("samples\\{n}", "must have the form container/blob"),
        ("samples\\x/{n}", "must have the form container/blob"),
        ("sam{x}/{n}", "container paths cannot contain {resolve} tokens"),
        ("sam}/{n}", "container paths cannot contain {resolve} tokens"),
        ("samples/{a.b}", "capture expressions cannot contain dot operators"),
        ("samples/{a:yyyy}", "capture expressions cannot contain dot operators"),
        ("samples/{rand-guid}", "the parameter name 'rand-guid' is invalid"),
        ("samples/{1a}", "the parameter name '1a' is invalid"),
        ("samples/{}", "the parameter name at position 1 is empty"),
        ("samples/{a", "missing closing bracket"),
        ("Samples", "a container name must have"),
        ("sa", "a container name must have"),
        ("sa--mples/{n}", "a container name must have"),
        ("samples/fixed.", "must not end in"),
        ("samples/" + "x" * 1025, "1 to 1024 characters"),
    ],
)
def test_a_path_that_cannot_be_is_refused(pattern: str, message: str) -> None:
    with pytest.raises(PathPatternError, match=re.escape(message)) as caught:
        PathPattern.parse(pattern)

    assert f"path '{pattern}'" in str(caught.value)


def test_the_container_to_watch_is_the_one_the_service_knows() -> None:
    assert PathPattern.parse("Samples/{n}").container_name == "samples"
    assert PathPattern.parse("samples").container_name == "samples"


@given(st.data())
def test_captures_are_those_of_a_greedy_regular_expression(data: st.DataObject) -> None:
    letters = st.text(alphabet="ab.", max_size=3)
    literals = data.draw(st.lists(letters, min_size=2, max_size=5))
    blob = data.draw(st.text(alphabet="ab.", min_size=1, max_size=12))
    names = [f"n{index}" for index in range(len(literals) - 1)]
    pattern = "c-1/" + literals[0]
    pattern += "".join(f"{{{n}}}{t}" for n, t in zip(names, literals[1:], strict=True))
    expected = re.fullmatch("(.*)".join(map(re.escape, literals)), blob)

    found = PathPattern.parse(pattern).match("c-1", blob)

    assert found == (dict(zip(names, expected.groups(), strict=True)) if expected else None)


def test_many_captures_do_not_make_matching_slow() -> None:
    pattern = PathPattern.parse("samples/" + "-".join(f"{{p{i}}}" for i in range(30)) + ".csv")

    assert pattern.match("samples", "-" * 1024) is None
