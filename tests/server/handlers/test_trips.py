"""How often a call goes to a thread and back: every trip waits for a free thread."""

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import pytest
from tests.server.conftest import DEADLINE, Running, picture

from partlens.v1 import image_pb2 as image_pb
from partlens.v1 import part_search_service_pb2 as pb
from partlens.v1 import region_pb2 as region_pb

T = TypeVar("T")
BOX = region_pb.Region(box=region_pb.Box(x=0, y=0, width=30, height=30))
NEW = image_pb.QueryImage(data=picture(99))
STORED = image_pb.QueryImage(gallery_id="p001")
Trips = Counter[str]


@pytest.fixture
async def trips(monkeypatch: pytest.MonkeyPatch) -> Trips:
    """Work that was given to threads of the server, which runs in this process, by their name."""
    counted, submit = Trips(), ThreadPoolExecutor.submit

    def noting(pool: ThreadPoolExecutor, work: Callable[..., T], *args: object) -> "Future[T]":
        def noted() -> T:
            counted[threading.current_thread().name.rpartition("_")[0]] += 1
            return work(*args)

        return submit(pool, noted)

    monkeypatch.setattr(ThreadPoolExecutor, "submit", noting)
    return counted


def taken(trips: Trips) -> dict[str, int]:
    """The trips of the call that just ended, for its own work."""
    found = {
        name: trips[name]
        for name in trips
        if name.startswith("partlens-") and name not in ("partlens-audit", "partlens-standing")
    }
    trips.clear()
    return found


async def search(running: Running, *images: image_pb.QueryImage) -> pb.SearchRegionsResponse:
    request = pb.SearchRegionsRequest(images=images, regions=[pb.QueryRegion(region=BOX)])
    found: pb.SearchRegionsResponse = await running.search.SearchRegions(request, timeout=DEADLINE)
    assert found.hits
    return found


async def test_a_search_takes_one_trip_and_one_more_where_an_image_is_not_of_the_gallery(
    filled: Running, trips: Trips
) -> None:
    trips.clear()
    stored = await search(filled, STORED)
    assert taken(trips) == {"partlens-work": 1}
    new = await search(filled, NEW)
    assert taken(trips) == {
        "partlens-work": 2,
        "partlens-look": 1,
        "partlens-decode": 1,
        "partlens-model": 1,
    }
    await search(filled, NEW)
    assert taken(trips) == {"partlens-work": 2}
    earlier = [image_pb.QueryImage(query_id=answer.queries[0].query_id) for answer in (stored, new)]
    await search(filled, *earlier, STORED)
    assert taken(trips) == {"partlens-work": 2}


async def test_an_explanation_and_a_description_take_one_trip(
    filled: Running, trips: Trips
) -> None:
    trips.clear()
    pair = pb.ExplainPairRequest(query=STORED, retrieved=image_pb.QueryImage(gallery_id="p002"))
    assert (await filled.search.ExplainPair(pair, timeout=DEADLINE)).similarity
    assert taken(trips) == {"partlens-work": 1}
    await filled.search.DescribeQuery(pb.DescribeQueryRequest(image=STORED), timeout=DEADLINE)
    assert taken(trips) == {"partlens-work": 1}
