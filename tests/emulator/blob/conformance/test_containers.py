"""Containers exist once, and list what they hold in order."""


async def test_a_container_exists_once(blobs, refusal):
    await blobs.create_container("data")

    assert await refusal(blobs.create_container("data")) == "409 ContainerAlreadyExists"


async def test_a_deleted_container_is_gone_with_all_it_held_and_its_name_is_free(blobs, refusal):
    await blobs.create_container("data")
    await blobs.put("data", "a", b"x")

    await blobs.delete_container("data")

    assert await refusal(blobs.get("data", "a")) == "404 ContainerNotFound"
    await blobs.create_container("data")
    assert (await blobs.list("data")).names == []


async def test_listing_is_in_code_point_order_across_pages(blobs):
    names = ["Z", "a", "a b", "a/b", "a0", "aa", "b", "é", "漢", "\uffee", "😀"]
    await blobs.create_container("data")
    for name in reversed(names):
        await blobs.put("data", name, b"")

    assert (await blobs.list("data")).names == names
    assert (await blobs.list("data", prefix="a")).names == ["a", "a b", "a/b", "a0", "aa"]
    assert (await blobs.list("data", prefix="no")).names == []


async def test_a_delimiter_folds_what_lies_under_a_common_prefix(blobs):
    await blobs.create_container("data")
    for name in ["a", "d/1", "d/2", "d/e/1", "d/e/2", "dd", "f/1", "g", "h/1"]:
        await blobs.put("data", name, b"")

    top = await blobs.list("data", delimiter="/")
    inner = await blobs.list("data", prefix="d/", delimiter="/")

    assert (top.names, top.prefixes) == (["a", "dd", "g"], ["d/", "f/", "h/"])
    assert (inner.names, inner.prefixes) == (["d/1", "d/2"], ["d/e/"])
