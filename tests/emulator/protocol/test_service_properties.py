"""Service properties: the documents that clients send, and those that make no sense."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from triggerfish_storage.errors import StorageError
from triggerfish_storage.protocol import properties

if TYPE_CHECKING:
    from conftest import Raw

KEPT = "<RetentionPolicy><Enabled>true</Enabled><Days>5</Days></RetentionPolicy>"


def body(inside: str) -> bytes:
    return f"<StorageServiceProperties>{inside}</StorageServiceProperties>".encode()


def logging(retention: str) -> str:
    flags = "<Delete>true</Delete><Read>true</Read><Write>true</Write>"
    return f"<Logging><Version>1.0</Version>{flags}{retention}</Logging>"


def cors(methods: str) -> str:
    return (
        f"<Cors><CorsRule><AllowedOrigins>*</AllowedOrigins><AllowedMethods>{methods}"
        "</AllowedMethods><MaxAgeInSeconds>60</MaxAgeInSeconds></CorsRule></Cors>"
    )


def test_properties_read_back_and_the_rest_has_defaults() -> None:
    rule = (
        "<CorsRule><AllowedOrigins>*</AllowedOrigins><AllowedMethods>GET</AllowedMethods>"
        "<MaxAgeInSeconds>60</MaxAgeInSeconds><ExposedHeaders>a&amp;b</ExposedHeaders>"
        "<AllowedHeaders /></CorsRule>"
    )
    found = properties.read_properties(body(f"<Cors>{rule}</Cors>"), "queue")

    whole = properties.write_properties(found, "queue")

    assert rule in whole.decode()
    assert properties.read_properties(whole, "queue")["Cors"] == found["Cors"]
    assert b"<Logging><Version>1.0</Version>" in whole
    assert b"StaticWebsite" not in whole
    assert b"StaticWebsite" in properties.write_properties({}, "blob")


def test_flags_may_be_as_python_writes_them() -> None:
    flags = "<Enabled>true</Enabled><IncludeAPIs>false</IncludeAPIs>"
    sent = f"{logging(KEPT)}<HourMetrics>{flags}{KEPT}</HourMetrics>"
    of_python = sent.replace(">true<", ">True<").replace(">false<", ">False<")

    found = properties.read_properties(body(of_python), "queue")

    assert found == properties.read_properties(body(sent), "queue")


@pytest.mark.parametrize(
    ("inside", "code"),
    [
        ("<Nonsense />", "UnsupportedXmlNode"),
        ("<StaticWebsite />", "UnsupportedXmlNode"),
        ("<Cors><CorsRule /></Cors>", "MissingRequiredXmlNode"),
        ("<Cors>" + "<CorsRule />" * 6 + "</Cors>", "InvalidXmlDocument"),
        (cors("GET,TRACE"), "InvalidXmlNodeValue"),
        (cors(""), "InvalidXmlNodeValue"),
        (logging(KEPT.replace("<Days>5</Days>", "")), "InvalidXmlDocument"),
        (logging(KEPT.replace("true", "yes")), "InvalidXmlNodeValue"),
        (logging(KEPT.replace("5", "366")), "InvalidXmlDocument"),
        (logging(""), "MissingRequiredXmlNode"),
        (logging(KEPT).replace("<Version>1.0</Version>", ""), "MissingRequiredXmlNode"),
        (logging(KEPT).replace("<Read>true", "<Read>yes"), "InvalidXmlNodeValue"),
        (logging(KEPT).replace("<Write>true</Write>", ""), "MissingRequiredXmlNode"),
        ("<HourMetrics><Version>1.0</Version></HourMetrics>", "MissingRequiredXmlNode"),
        ("<MinuteMetrics><Enabled>on</Enabled></MinuteMetrics>", "InvalidXmlNodeValue"),
        (
            "<HourMetrics><Enabled>true</Enabled><IncludeAPIs>1</IncludeAPIs></HourMetrics>",
            "InvalidXmlNodeValue",
        ),
    ],
)
def test_properties_that_make_no_sense_are_refused(inside: str, code: str) -> None:
    with pytest.raises(StorageError, match=f"400 {code}"):
        properties.read_properties(body(inside), "queue")


def test_the_default_version_is_a_date_or_none() -> None:
    for text in ("2024-08-04", ""):
        inside = f"<DefaultServiceVersion>{text}</DefaultServiceVersion>"
        assert properties.read_properties(body(inside), "blob")
    with pytest.raises(StorageError, match="400 InvalidXmlNodeValue"):
        properties.read_properties(body("<DefaultServiceVersion>1</DefaultServiceVersion>"), "blob")


async def test_who_sets_properties_sets_one_at_least(queue: Raw) -> None:
    target = "/?restype=service&comp=properties"

    nothing = await queue.request("PUT", target, body=body(""))
    one = await queue.request("PUT", target, body=body("<Cors />"))

    assert (nothing.status, nothing.code, one.status) == (400, "InvalidXmlDocument", 202)
