"""Decodes requests with regions, whose masks are pictures too."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

from partlens.server.engine.engine import Engine
from partlens.server.features.query_features import Question
from partlens.server.galleries.served import ServedGallery
from partlens.server.messages.decoding_regions import memory_of_masks
from partlens.server.query_images.query import Query
from partlens.server.requests.blame import blamed_on
from partlens.v1.part_search_service_pb2 import SearchRegionsRequest
from partlens.v1.region_pb2 import Region

Q = TypeVar("Q", bound=Question)
A = TypeVar("A")
T = TypeVar("T")


def drawn(request: SearchRegionsRequest) -> Iterator[Region]:
    """Every region of a search, with those of its marks."""
    yield from (region.region for region in request.regions)
    yield from (mark.region for mark in request.marks)


async def answered(
    gallery: ServedGallery,
    regions: Iterable[Region],
    decode: Callable[[Engine], Q],
    answer: Callable[[Engine, Q, Sequence[Query]], A],
) -> A:
    """The answer to a question, given the images of its sources; masks are decoded when there is
    memory for them.

    Raises:
        RequestError: see `decode`; or the masks need more memory than all pictures may take.
        ServerError: see QueryFeatures.answer.
    """
    masks = [region for region in regions if region.mask.WhichOneof("form") == "png"]
    if not masks:
        return await gallery.features.answer(decode, answer)

    async def with_memory(work: Callable[[Engine], T]) -> T:
        with blamed_on("regions"):
            return await gallery.decode(
                lambda engine: memory_of_masks(masks, engine.limits.image_pixels), work
            )

    return await gallery.features.answer(decode, answer, with_memory)
