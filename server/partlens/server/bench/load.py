"""Many concurrent callers, each with one call at a time, and their latencies."""

import asyncio
import itertools
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import cast

import grpc
import numpy as np
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from partlens.client.channel import open_aio_channel, route
from partlens.v1 import gallery_service_pb2 as gallery_pb
from partlens.v1 import image_pb2 as image_pb
from partlens.v1 import part_search_service_pb2 as search_pb
from partlens.v1 import region_pb2 as region_pb
from partlens.v1.gallery_service_pb2_grpc import GalleryServiceStub
from partlens.v1.part_search_service_pb2_grpc import PartSearchServiceStub

_PICTURES = 50
_DEADLINE = 60.0


@dataclass(frozen=True)
class LoadResult:
    """Result of a load test.

    Attributes:
        clients: number of clients, each with one call at a time.
        calls: number of successful calls.
        calls_per_second: rate of successful calls.
        p50_ms, p99_ms: latency of successful calls, in milliseconds.
        refused: number of calls that failed with RESOURCE_EXHAUSTED.
        errors: status of every other failure -> count.
    """

    clients: int
    calls: int
    calls_per_second: float
    p50_ms: float
    p99_ms: float
    refused: int
    errors: dict[str, int]


@dataclass
class _Tally:
    seconds: list[float] = field(default_factory=list)
    refused: int = 0
    errors: dict[str, int] = field(default_factory=dict)


async def measure(
    address: str, *, clients: int, seconds: float, searches_per_picture: int
) -> LoadResult:
    """Run searches against a server for `seconds`.

    Each caller sends a picture that the server has not seen, searches by one region of it, then by
    others, as someone dragging a box would. Pictures are thumbnails of the gallery.

    Args:
        searches_per_picture: searches per picture; all but the first use its query id.
    """
    async with open_aio_channel(route(address)) as channel:
        pictures = fresh(await _thumbnails(channel))
        tally, begun = _Tally(), time.perf_counter()
        end = begun + seconds
        callers = (
            _caller(address, pictures, end, searches_per_picture, tally) for _ in range(clients)
        )
        await asyncio.gather(*callers)
        spent = time.perf_counter() - begun
    milliseconds = 1e3 * np.array(tally.seconds or [float("nan")])
    p50, p99 = (float(value) for value in np.percentile(milliseconds, [50, 99]))
    calls = len(tally.seconds)
    return LoadResult(clients, calls, calls / spent, p50, p99, tally.refused, tally.errors)


async def _caller(
    address: str, pictures: Iterator[bytes], end: float, searches: int, tally: _Tally
) -> None:
    # Each client has its own connection, as separate programs would.
    own = (("grpc.use_local_subchannel_pool", 1),)
    async with open_aio_channel(route(address), more=own) as channel:
        stub = PartSearchServiceStub(channel)
        while time.perf_counter() < end:
            image = image_pb.QueryImage(data=next(pictures))
            for i in range(searches):
                answer = await _search(stub, image, i, end, tally)
                if answer is None:
                    break
                image = image_pb.QueryImage(query_id=answer.queries[0].query_id)


async def _search(
    stub: PartSearchServiceStub, image: image_pb.QueryImage, i: int, end: float, tally: _Tally
) -> search_pb.SearchRegionsResponse | None:
    """One search; a refused search is retried after the time that the server gives."""
    box = region_pb.Box(x=5 + 5 * (i % 4), y=5 + 9 * (i % 5), width=30, height=40)
    region = search_pb.QueryRegion(region=region_pb.Region(box=box))
    request = search_pb.SearchRegionsRequest(images=[image], regions=[region])
    while time.perf_counter() < end:
        begun = time.perf_counter()
        try:
            answer: search_pb.SearchRegionsResponse = await stub.SearchRegions(
                request, timeout=_DEADLINE
            )
        except grpc.aio.AioRpcError as error:
            retry = _retry_seconds(error)
            if retry is None:
                name = error.code().name
                tally.errors[name] = tally.errors.get(name, 0) + 1
                return None
            tally.refused += 1
            await asyncio.sleep(retry)
            continue
        tally.seconds.append(time.perf_counter() - begun)
        return answer
    return None


def _retry_seconds(error: grpc.aio.AioRpcError) -> float | None:
    if error.code() is not grpc.StatusCode.RESOURCE_EXHAUSTED:
        return None
    status = rpc_status.from_call(cast("grpc.Call", error))
    retry = error_details_pb2.RetryInfo()
    for detail in status.details if status else ():
        if detail.Unpack(retry):
            return float(retry.retry_delay.ToMilliseconds()) / 1e3
    return None


async def _thumbnails(channel: grpc.aio.Channel) -> Sequence[bytes]:
    stub = GalleryServiceStub(channel)
    listed = await stub.ListImages(
        gallery_pb.ListImagesRequest(page_size=_PICTURES), timeout=_DEADLINE
    )
    found = [
        await stub.GetImage(gallery_pb.GetImageRequest(id=image.id), timeout=_DEADLINE)
        for image in listed.images
    ]
    return [answer.thumbnail for answer in found]


def fresh(pictures: Sequence[bytes]) -> Iterator[bytes]:
    """The pictures repeated endlessly, each time with different bytes after the image's end."""
    for i in itertools.count():
        yield pictures[i % len(pictures)] + i.to_bytes(8, "big")
