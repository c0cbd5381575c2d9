"""The scopes that a token can have, and the scopes that each method needs."""

from typing import Literal

Scope = Literal["search", "ingest", "admin"]
SCOPES: tuple[Scope, ...] = ("search", "ingest", "admin")

NEEDED: dict[str, frozenset[Scope]] = {
    "/partlens.v1.PartSearchService/SearchRegions": frozenset({"search"}),
    "/partlens.v1.PartSearchService/ExplainPair": frozenset({"search"}),
    "/partlens.v1.PartSearchService/DescribeQuery": frozenset({"search"}),
    "/partlens.v1.GalleryService/GetImage": frozenset({"search"}),
    "/partlens.v1.GalleryService/GetPicture": frozenset({"search"}),
    "/partlens.v1.GalleryService/GetFacets": frozenset({"search"}),
    "/partlens.v1.GalleryService/ListImages": frozenset({"search"}),
    "/partlens.v1.GalleryService/GetGallery": frozenset(SCOPES),
    "/partlens.v1.GalleryService/ListGalleries": frozenset(SCOPES),
    "/partlens.v1.GalleryService/SetGalleryAlias": frozenset({"admin"}),
    "/partlens.v1.GalleryService/DeleteGalleryAlias": frozenset({"admin"}),
    "/partlens.v1.GalleryService/UpsertImages": frozenset({"ingest"}),
    "/partlens.v1.GalleryService/UpsertImage": frozenset({"ingest"}),
    "/partlens.v1.GalleryService/UpdateImages": frozenset({"ingest"}),
    "/partlens.v1.GalleryService/DeleteImages": frozenset({"admin"}),
    "/partlens.v1.StandingQueryService/CreateStandingQuery": frozenset({"search"}),
    "/partlens.v1.StandingQueryService/ListStandingQueries": frozenset({"search"}),
    "/partlens.v1.StandingQueryService/UpdateStandingQuery": frozenset({"search"}),
    "/partlens.v1.StandingQueryService/DeleteStandingQuery": frozenset({"search"}),
    "/partlens.v1.StandingQueryService/WatchMatches": frozenset({"search"}),
    "/partlens.v1.ReportService/ReportSearch": frozenset({"search"}),
    "/partlens.v1.ReportService/ReportPair": frozenset({"search"}),
}
"""Method -> the scopes that allow it, any one of them; a method that is not listed is closed to
everyone."""
