"""Dates, GUIDs and numbers in .NET notation."""

import re
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triggerfish.dotnet_text import format_date, format_guid, number_text, scalar_text

WHEN = datetime(2024, 3, 5, 14, 8, 9, 123400, tzinfo=UTC)
GUID = UUID("01234567-89ab-cdef-0123-456789abcdef")


@pytest.mark.parametrize(
    ("format_text", "text"),
    [
        ("d", "03/05/2024"),
        ("D", "Tuesday, 05 March 2024"),
        ("f", "Tuesday, 05 March 2024 14:08"),
        ("F", "Tuesday, 05 March 2024 14:08:09"),
        ("g", "03/05/2024 14:08"),
        ("G", "03/05/2024 14:08:09"),
        ("m", "March 05"),
        ("M", "March 05"),
        ("o", "2024-03-05T14:08:09.1234000Z"),
        ("O", "2024-03-05T14:08:09.1234000Z"),
        ("r", "Tue, 05 Mar 2024 14:08:09 GMT"),
        ("R", "Tue, 05 Mar 2024 14:08:09 GMT"),
        ("s", "2024-03-05T14:08:09"),
        ("t", "14:08"),
        ("T", "14:08:09"),
        ("u", "2024-03-05 14:08:09Z"),
        ("U", "Tuesday, 05 March 2024 14:08:09"),
        ("y", "2024 March"),
        ("Y", "2024 March"),
        ("", "2024-03-05T14-08-09Z"),
        (" ", "2024-03-05T14-08-09Z"),
        ("%y yy yyy yyyy yyyyy", "24 24 2024 2024 02024"),
        ("%M MM MMM MMMM MMMMM", "3 03 Mar March March"),
        ("%d dd ddd dddd", "5 05 Tue Tuesday"),
        ("%H HH h hh HHH", "14 14 2 02 14"),
        ("m mm s ss", "8 08 9 09"),
        ("f ff fff ffff fffffff", "1 12 123 1234 1234000"),
        ("F.FFFFFFF", "1.1234"),
        ("t tt ttt", "P PM PM"),
        ("K KK", "Z ZZ"),
        ("z zz zzz", "+0 +00 +00:00"),
        ("HH:mm/dd", "14:08/05"),
        ("'day' d", "day 5"),
        ("''yyyy", "2024"),
        ('"day" d', "day 5"),
        (r"'it\'s' yyyy", "it's 2024"),
        (r"\d\a\y d", "day 5"),
        ("%h", "2"),
        ("YYYY", "YYYY"),
        ("yyyy|é", "2024|é"),
    ],
)
def test_a_date_is_written_in_a_format(format_text: str, text: str) -> None:
    assert format_date(WHEN, format_text) == text


@pytest.mark.parametrize(
    "format_text", ["a", "x", "-", "'open", '"open', "yyyy\\", "yyyy%", "%%d", "ffffffff"]
)
def test_a_format_that_dotnet_refuses_is_an_error(format_text: str) -> None:
    with pytest.raises(ValueError, match="format"):
        format_date(WHEN, format_text)


def test_a_fraction_of_nothing_takes_its_dot_along() -> None:
    whole = WHEN.replace(microsecond=0)

    assert format_date(whole, "ss.FFF") == "09"
    assert format_date(whole, "ss.fff") == "09.000"


def test_the_seventh_digit_is_given_apart() -> None:
    assert format_date(WHEN, "fffffff", hundred_nanoseconds=7) == "1234007"


@pytest.mark.parametrize(
    ("hour", "text"), [(0, "12 AM"), (11, "11 AM"), (12, "12 PM"), (23, "11 PM")]
)
def test_the_hours_of_half_a_day_go_from_12_to_11(hour: int, text: str) -> None:
    assert format_date(WHEN.replace(hour=hour), "h tt") == text


@pytest.mark.parametrize(
    ("format_text", "text"),
    [
        ("", "01234567-89ab-cdef-0123-456789abcdef"),
        ("D", "01234567-89ab-cdef-0123-456789abcdef"),
        ("n", "0123456789abcdef0123456789abcdef"),
        ("B", "{01234567-89ab-cdef-0123-456789abcdef}"),
        ("p", "(01234567-89ab-cdef-0123-456789abcdef)"),
        ("X", "{0x01234567,0x89ab,0xcdef,{0x01,0x23,0x45,0x67,0x89,0xab,0xcd,0xef}}"),
    ],
)
def test_a_guid_is_written_in_a_format(format_text: str, text: str) -> None:
    assert format_guid(GUID, format_text) == text


@pytest.mark.parametrize("format_text", ["Q", "DD", "-"])
def test_other_guid_formats_are_errors(format_text: str) -> None:
    with pytest.raises(ValueError, match="is no GUID format"):
        format_guid(GUID, format_text)


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (5, "5"),
        (10**30, "1" + "0" * 30),
        (1.0, "1"),
        (1.5, "1.5"),
        (123.45, "123.45"),
        (-0.5, "-0.5"),
        (100.0, "100"),
        (0.0, "0"),
        (-0.0, "-0"),
        (0.0001, "0.0001"),
        (0.00001, "1E-05"),
        (1e14, "100000000000000"),
        (1e15, "1E+15"),
        (1.5e300, "1.5E+300"),
        (-1.25e-7, "-1.25E-07"),
        (float("inf"), "Infinity"),
        (float("-inf"), "-Infinity"),
        (float("nan"), "NaN"),
    ],
)
def test_a_number_has_its_shortest_invariant_text(number: float, text: str) -> None:
    assert number_text(number) == text


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_the_text_of_a_number_reads_as_the_number(number: float) -> None:
    assert float(number_text(number)) == number


@given(st.datetimes())
def test_the_round_trip_format_reads_as_the_same_instant(instant: datetime) -> None:
    text = format_date(instant, "o")

    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}Z", text)
    assert datetime.fromisoformat(text) == instant.replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "text"), [(None, ""), (True, "True"), (False, "False"), (1.0, "1"), ("x", "x")]
)
def test_a_scalar_of_json_has_a_text(value: object, text: str) -> None:
    assert scalar_text(value) == text
