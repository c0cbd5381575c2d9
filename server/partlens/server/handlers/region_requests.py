"""Decodes requests with regions, whose masks are pictures too."""

from collections.abc import Callable, Iterable
from typing import TypeVar

from partlens.server.engine.engine import Engine
from partlens.server.features.blame import blamed_on
from partlens.server.host import Host
from partlens.server.messages.decoding_regions import memory_of_masks
from partlens.v1.region_pb2 import Region

Q = TypeVar("Q")


async def decoded(host: Host, regions: Iterable[Region], decode: Callable[[Engine], Q]) -> Q:
    """What `decode` makes of a request, when there is memory for the masks of its regions.

    Raises:
        RequestError: see `decode`; or the masks need more memory than all pictures may take.
    """
    given = list(regions)
    with blamed_on("regions"):
        return await host.decode(
            lambda engine: memory_of_masks(given, engine.limits.image_pixels), decode
        )
