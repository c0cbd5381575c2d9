"""Call a partlens server from Python: typed, blocking or asyncio, with numpy maps."""

from partlens.client.answers import (
    ActivationMap,
    DescribeAnswer,
    GalleryAnswer,
    GalleryImage,
    Hit,
    Limits,
    Model,
    PairAnswer,
    PartialMap,
    Query,
    SearchAnswer,
    SimilarityTerms,
    UpsertAnswer,
)
from partlens.client.async_client import AsyncClient
from partlens.client.channel import Credentials
from partlens.client.errors import (
    AccessError,
    AddressError,
    ClientError,
    CredentialsError,
    DeadlineError,
    ExhaustedError,
    NotFoundError,
    RequestError,
    ServerError,
    StaleError,
    UnavailableError,
)
from partlens.client.questions import (
    GalleryImageId,
    MapKind,
    QueryId,
    QueryImage,
    QueryRegion,
    Score,
    Upload,
)
from partlens.client.standing import StandingMatch, StandingQuery
from partlens.client.sync_client import Client
from partlens.common.filters import Filter
from partlens.common.metadata import Metadata
from partlens.common.regions import Box, Mask, Point, Polygon, Region

__all__ = [
    "AccessError",
    "ActivationMap",
    "AddressError",
    "AsyncClient",
    "Box",
    "Client",
    "ClientError",
    "Credentials",
    "CredentialsError",
    "DeadlineError",
    "DescribeAnswer",
    "ExhaustedError",
    "Filter",
    "GalleryAnswer",
    "GalleryImage",
    "GalleryImageId",
    "Hit",
    "Limits",
    "MapKind",
    "Mask",
    "Metadata",
    "Model",
    "NotFoundError",
    "PairAnswer",
    "PartialMap",
    "Point",
    "Polygon",
    "Query",
    "QueryId",
    "QueryImage",
    "QueryRegion",
    "Region",
    "RequestError",
    "Score",
    "SearchAnswer",
    "ServerError",
    "SimilarityTerms",
    "StaleError",
    "StandingMatch",
    "StandingQuery",
    "UnavailableError",
    "Upload",
    "UpsertAnswer",
]
