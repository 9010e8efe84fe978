"""Captures between literals, compared with the regular expressions they stand for."""

import re

from hypothesis import given
from hypothesis import strategies as st

from triggerfish.captures import capture_spans

LETTERS = st.text(alphabet="ab.", max_size=3)


@given(
    text=st.text(alphabet="ab.", max_size=12),
    first=LETTERS,
    rest=st.lists(LETTERS, min_size=1, max_size=4),
    shortest=st.integers(0, 2),
)
def test_captures_are_those_of_a_greedy_regular_expression(
    text: str, first: str, rest: list[str], shortest: int
) -> None:
    literals = [first, *rest]
    expression = f"(.{{{shortest},}})".join(map(re.escape, literals))
    expected = re.fullmatch(expression, text)

    spans = capture_spans(text, literals, shortest=shortest)

    assert spans == ([expected.span(i + 1) for i in range(len(rest))] if expected else None)
