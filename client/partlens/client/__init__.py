"""Ask a partlens server from Python: typed, synchronous or asyncio, with numpy maps."""

from partlens.client.async_client import AsyncClient
from partlens.client.errors import (
    ClientError,
    DeadlineError,
    NotFoundError,
    RequestError,
    ServerError,
    UnavailableError,
)
from partlens.client.questions import (
    Box,
    Filter,
    GalleryImageId,
    Mask,
    Metadata,
    Point,
    Polygon,
    QueryId,
    QueryRegion,
    Upload,
)
from partlens.client.sync_client import Client

__all__ = [
    "AsyncClient",
    "Box",
    "Client",
    "ClientError",
    "DeadlineError",
    "Filter",
    "GalleryImageId",
    "Mask",
    "Metadata",
    "NotFoundError",
    "Point",
    "Polygon",
    "QueryId",
    "QueryRegion",
    "RequestError",
    "ServerError",
    "UnavailableError",
    "Upload",
]
