"""Containers and the account around them, through the official client."""

import pytest


async def test_containers_list_by_prefix_across_pages_with_metadata(sdk):
    for name in ("aa-1", "aa-2", "aa-3", "bbb"):
        await sdk.create_container(name, metadata={"Name": name})

    pages = sdk.list_containers(name_starts_with="aa", include_metadata=True, results_per_page=2)

    found = [(each.name, each.metadata) async for each in pages]
    assert found == [(name, {"Name": name}) for name in ("aa-1", "aa-2", "aa-3")]


async def test_a_container_has_properties_metadata_and_a_lease(container, refusal):
    await container.set_container_metadata({"Key": "v"})
    lease = await container.acquire_lease(15)

    properties = await container.get_container_properties()
    assert properties.metadata == {"Key": "v"}
    assert (properties.lease.state, properties.lease.duration) == ("leased", "fixed")
    assert await refusal(container.delete_container()) == "412 LeaseIdMissing"

    await lease.break_lease(0)
    assert (await container.get_container_properties()).lease.state == "broken"
    await container.delete_container()


async def test_service_properties_are_kept_and_the_account_describes_itself(sdk):
    from azure.storage.blob import CorsRule

    await sdk.set_service_properties(cors=[CorsRule(["*"], ["GET"], max_age_in_seconds=5)])

    [rule] = (await sdk.get_service_properties())["cors"]
    assert (rule.allowed_origins, rule.max_age_in_seconds) == ("*", 5)
    account = await sdk.get_account_information()
    assert (account["sku_name"], account["account_kind"]) == ("Standard_RAGRS", "StorageV2")


async def test_the_root_container_needs_no_name(sdk, raw):
    root = await sdk.create_container("$root")
    await root.upload_blob("robots.txt", b"hello")

    answer = await raw("GET", "/robots.txt")

    assert (answer.status, answer.body) == (200, b"hello")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("HEAD", "/data/?action=getAccessControl"),  # how clients find out
        ("HEAD", "/data/folder?action=getStatus"),
        ("GET", "/data?resource=filesystem&recursive=true"),
        ("PUT", "/data/folder?resource=directory"),
        ("PATCH", "/data/a?action=append&position=0"),
    ],
)
@pytest.mark.usefixtures("data")
async def test_who_asks_for_folders_that_are_real_learns_that_none_are(raw, method, path):
    answer = await raw(method, path, b"" if method in ("PUT", "PATCH") else None)

    missing = await raw("HEAD", "/missing/?action=getAccessControl")
    assert (answer.status, answer.code) == (400, "HierarchicalNamespaceNotEnabled")
    assert (missing.status, missing.code) == (404, "ContainerNotFound")
