"""Automatic retries by gRPC: reads, if the connection was lost before any response.

A write is sent once. If the connection is lost, the server may or may not have done it: a repeated
deletion could report fewer images than it deleted, and a standing query could be saved twice.
WatchMatches is not retried either, since a second watch would miss the matches in between.

gRPC does not retry a call once a partlens server has responded, even with an error. For those, the
caller decides by ClientError.retry_seconds.
"""

import json

from partlens.client.channel import Options

_SEARCH, _GALLERY, _STANDING, _REPORT = (
    f"partlens.v1.{name}Service" for name in ("PartSearch", "Gallery", "StandingQuery", "Report")
)
READS = (
    (_SEARCH, "SearchRegions"),
    (_SEARCH, "ExplainPair"),
    (_SEARCH, "DescribeQuery"),
    (_GALLERY, "GetImage"),
    (_GALLERY, "GetPicture"),
    (_GALLERY, "GetFacets"),
    (_GALLERY, "ListImages"),
    (_GALLERY, "GetGallery"),
    (_GALLERY, "ListGalleries"),
    (_STANDING, "ListStandingQueries"),
    (_REPORT, "ReportSearch"),
    (_REPORT, "ReportPair"),
)
"""(service, method). Health is left out: a check asks whether the server answers now."""

# At most 0.42 s in all, so that a missing server is still reported quickly.
_POLICY = {
    "maxAttempts": 4,
    "initialBackoff": "0.05s",
    "maxBackoff": "0.2s",
    "backoffMultiplier": 2,
    "retryableStatusCodes": ["UNAVAILABLE"],
}
_NAMES = [{"service": service, "method": method} for service, method in READS]

REPEATED_BYTES = 64 * 2**20
"""Largest request that is retried; gRPC's default, 256 KiB, is smaller than a photograph."""

READ_RETRIES: Options = (
    (
        "grpc.service_config",
        json.dumps({"methodConfig": [{"name": _NAMES, "retryPolicy": _POLICY}]}),
    ),
    ("grpc.per_rpc_retry_buffer_size", REPEATED_BYTES),
)
