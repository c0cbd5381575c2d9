"""Pictures are sent when they are given, without anyone having to look at the answers."""

import gc
import itertools
import warnings
from collections.abc import AsyncIterator, Iterator
from weakref import WeakSet

import pytest
from served import Served, picture

from partlens.client import AsyncClient, Client, Upload

IDS = [f"sent{i}" for i in range(40)]
UPLOADS = [Upload(id, picture(1)) for id in IDS]
# The server refuses it; those after it are added all the same.
REFUSED = Upload("refused", b"GIF89a")


class Endless:
    """Pictures without end; knows how many there were, and which are still in memory."""

    def __init__(self) -> None:
        self.given, self.kept = 0, WeakSet[Upload]()

    def __iter__(self) -> Iterator[Upload]:
        for number in itertools.count():
            upload = Upload(IDS[number % len(IDS)], picture(2))
            self.given += 1
            self.kept.add(upload)
            yield upload


async def test_images_are_sent_though_nobody_reads_an_answer(served: Served) -> None:
    with Client(served.target) as client:
        client.upsert_images(iter([REFUSED, *UPLOADS]))
        assert client.delete_images([*IDS, "refused"]) == len(IDS)
    async with AsyncClient(served.target) as other:
        await other.upsert_images(iter([REFUSED, *UPLOADS]))
        assert await other.delete_images([*IDS, "refused"]) == len(IDS)


async def test_images_before_one_that_cannot_be_sent_are_added(served: Served) -> None:
    def broken() -> Iterator[Upload]:
        yield from UPLOADS
        raise OSError("no such picture")

    async def theirs() -> AsyncIterator[Upload]:
        for one in broken():
            yield one

    with Client(served.target) as client:
        with pytest.raises(OSError, match="no such picture"):
            client.upsert_images(broken())
        assert client.delete_images(IDS) == len(IDS)
    async with AsyncClient(served.target) as other:
        with pytest.raises(OSError, match="no such picture"):
            await other.upsert_images(theirs())
        assert await other.delete_images(IDS) == len(IDS)


async def test_a_stream_that_nobody_reads_warns(served: Served) -> None:
    with Client(served.target) as client, pytest.warns(RuntimeWarning, match="no image was sent"):
        client.upsert_stream(UPLOADS)
        gc.collect()
    async with AsyncClient(served.target) as other:
        with pytest.warns(RuntimeWarning, match="no image was sent"):
            other.upsert_stream(UPLOADS)
            gc.collect()
        # One that is read does not.
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            assert [one.id async for one in other.upsert_stream(UPLOADS)] == IDS
            gc.collect()
        assert not [one for one in seen if "upsert_stream" in str(one.message)]
        assert await other.delete_images(IDS) == len(IDS)


async def test_a_stream_keeps_no_picture_of_an_endless_source(served: Served) -> None:
    ours, theirs, read, few = Endless(), Endless(), 200, 5
    with Client(served.target) as client:
        for answer in itertools.islice(client.upsert_stream(ours), read):
            assert answer.committed and len(ours.kept) <= few
    async with AsyncClient(served.target) as other:
        answers = other.upsert_stream(theirs)
        for _ in range(read):
            assert (await anext(answers)).committed and len(theirs.kept) <= few
    assert min(ours.given, theirs.given) >= read
    with Client(served.target) as client:
        client.delete_images(IDS)
