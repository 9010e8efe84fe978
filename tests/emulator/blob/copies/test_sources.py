"""Copies from URLs: which sources are read, with whose rights, and what is told of them."""

import base64
from datetime import timedelta

import pytest
from azure.core import MatchConditions
from azure.storage.blob import AccountSasPermissions, ResourceTypes, generate_account_sas

from triggerfish_storage.blobs.crc64 import Crc64
from triggerfish_storage.protocol.accounts import DEFAULT_KEY

LARGE = bytes(range(256)) * 400


async def test_a_copy_from_a_signed_url_goes_over_http(container, source, signature, content):
    copy = container.get_blob_client("to")

    await copy.start_copy_from_url(f"{source.url}?{signature}")

    assert await content(copy) == LARGE
    properties = await copy.get_blob_properties()
    assert "sig=" not in properties.copy.source


async def test_who_has_only_a_signature_copies_only_what_the_source_url_allows(
    container, source, signature, signed_target, refusal, content
):
    unsigned = signed_target.start_copy_from_url(source.url)
    assert await refusal(unsigned) == "401 CannotVerifyCopySource"
    await signed_target.start_copy_from_url(f"{source.url}?{signature}")

    assert await content(container.get_blob_client("to")) == LARGE


async def test_the_checksums_of_a_source_are_checked(container, source, signature, raw):
    await container.get_blob_client("log").create_append_blob()
    crc64 = Crc64()
    crc64.update(LARGE)
    right = base64.b64encode(crc64.digest()).decode()
    wrong = base64.b64encode(bytes(8)).decode()

    answers = [
        await raw(
            *("PUT", "/data/log?comp=appendblock", b""),
            x_ms_copy_source=f"{source.url}?{signature}",
            x_ms_source_content_crc64=given,
        )
        for given in (right, wrong)
    ]

    assert [(each.status, each.code) for each in answers] == [(201, ""), (400, "Crc64Mismatch")]


async def test_what_a_source_answered_is_told_in_headers(container, raw, signature):
    source = f"{container.get_blob_client('missing').url}?{signature}"

    answer = await raw("PUT", "/data/to", x_ms_copy_source=source, x_ms_requires_sync="true")

    assert answer.code == "CannotVerifyCopySource"
    assert answer.headers["x-ms-copy-source-status-code"] == "404"
    assert answer.headers["x-ms-copy-source-error-code"] == "BlobNotFound"


async def test_a_source_that_is_not_there_cannot_be_verified(
    container, endpoint, unused_tcp_port, refusal
):
    copy = container.get_blob_client("to")

    missing = copy.start_copy_from_url(f"{endpoint}/data/missing")
    assert await refusal(missing) == "404 BlobNotFound"  # of one's own account this is known
    nobody = copy.start_copy_from_url(f"http://127.0.0.1:{unused_tcp_port}/data/missing")
    assert await refusal(nobody) == "404 CannotVerifyCopySource"
    other = copy.start_copy_from_url("ftp://127.0.0.1/data")
    assert await refusal(other) == "400 InvalidHeaderValue"


async def test_a_copy_may_depend_on_the_state_of_its_source(container, source, signature, refusal):
    signed = f"{source.url}?{signature}"
    copy = container.get_blob_client("to")

    outdated = copy.start_copy_from_url(
        source.url, source_etag='"0x1"', source_match_condition=MatchConditions.IfNotModified
    )
    assert await refusal(outdated) == "412 SourceConditionNotMet"
    tagged = copy.start_copy_from_url(source.url, source_if_tags_match_condition="\"t\"='2'")
    assert await refusal(tagged) == "412 ConditionNotMet"
    unverified = copy.upload_blob_from_url(
        signed, source_etag='"0x1"', source_match_condition=MatchConditions.IfNotModified
    )
    assert await refusal(unverified) == "412 CannotVerifyCopySource"
    untagged = copy.upload_blob_from_url(signed, headers={"x-ms-source-if-tags": "t='2'"})
    assert await refusal(untagged) == "412 CannotVerifyCopySource"
    await copy.upload_blob_from_url(signed, headers={"x-ms-source-if-tags": "t='1'"})


async def test_what_a_source_answers_to_its_condition_is_passed_on(
    container, source, signature, refusal
):
    unchanged = container.get_blob_client("to").upload_blob_from_url(
        f"{source.url}?{signature}",
        source_etag=(await source.get_blob_properties()).etag,
        source_match_condition=MatchConditions.IfModified,
    )

    assert await refusal(unchanged) == "304 CannotVerifyCopySource"


async def test_the_conditions_of_a_blob_put_from_a_url_are_its_own(source, signature, refusal):
    outdated = source.upload_blob_from_url(
        f"{source.url}?{signature}", etag='"0x1"', match_condition=MatchConditions.IfNotModified
    )

    assert await refusal(outdated) == "412 ConditionNotMet"


async def test_a_copy_from_a_url_takes_the_sources_tags_if_it_may_read_them(
    container, source, signature, clock, refusal
):
    permitted = generate_account_sas(
        "devstoreaccount1",
        DEFAULT_KEY,
        ResourceTypes(object=True),
        AccountSasPermissions(read=True, tag=True),
        expiry=clock.now() + timedelta(hours=1),
    )
    copy, put = container.get_blob_client("copy"), container.get_blob_client("put")

    url = f"{source.url}?{permitted}"
    await copy.start_copy_from_url(url, requires_sync=True, tags="COPY")
    await put.upload_blob_from_url(url, headers={"x-ms-copy-source-tag-option": "COPY"})
    assert await copy.get_blob_tags() == await put.get_blob_tags() == {"t": "1"}

    unread = copy.start_copy_from_url(f"{source.url}?{signature}", requires_sync=True, tags="COPY")
    assert await refusal(unread) == "403 CannotVerifyCopySource"


@pytest.mark.parametrize("sync", [{}, {"x_ms_requires_sync": "true"}])
@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (
            {"x_ms_copy_source_tag_option": "COPY", "x_ms_tags": "a=b"},
            "409 BothUserTagsAndSourceTagsCopyPresentException",
        ),
        ({"x_ms_copy_source_tag_option": "MOVE"}, "400 InvalidHeaderValue"),
    ],
)
async def test_a_copy_has_its_sources_tags_or_its_own(raw, source, sync, asked, expected):
    answer = await raw("PUT", "/data/to", x_ms_copy_source=source.url, **sync, **asked)

    assert f"{answer.status} {answer.code}" == expected


async def test_who_may_not_set_tags_copies_none(raw, source, clock):
    granted = generate_account_sas(
        "devstoreaccount1",
        DEFAULT_KEY,
        ResourceTypes(object=True),
        AccountSasPermissions(create=True, write=True),
        expiry=clock.now() + timedelta(hours=1),
    )

    answer = await raw(
        *("PUT", f"/data/to?{granted}"),
        signed=False,
        x_ms_copy_source=source.url,
        x_ms_copy_source_tag_option="COPY",
    )

    assert f"{answer.status} {answer.code}" == "403 AuthorizationPermissionMismatch"


async def test_only_copy_blob_takes_the_accounts_key_for_its_source_too(container, source, refusal):
    copy, log = container.get_blob_client("to"), container.get_blob_client("log")
    await log.create_append_blob()

    for unsigned in (
        copy.start_copy_from_url(source.url, requires_sync=True),
        copy.upload_blob_from_url(source.url),
        copy.stage_block_from_url("b1", source.url),
        log.append_block_from_url(source.url),
    ):
        assert await refusal(unsigned) == "401 CannotVerifyCopySource"
    assert (await copy.start_copy_from_url(source.url))["copy_status"] == "success"


async def test_a_source_at_the_address_that_the_client_knows_us_by_is_read_here(
    raw, source, signature
):
    published = f"http://published.invalid:5{source.url[source.url.index('/devstore') :]}"

    copied = await raw(
        *("PUT", "/data/to", b""),
        host="published.invalid:5",
        x_ms_copy_source=f"{published}?{signature}",
        x_ms_requires_sync="true",
    )

    assert copied.status == 202
    assert (await raw("GET", "/data/to")).body == LARGE
