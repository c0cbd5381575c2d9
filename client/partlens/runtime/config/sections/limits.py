"""Settings that limit requests."""

from partlens.common.metadata import MAX_ATTRIBUTES
from partlens.common.pictures import ImageLimits
from partlens.runtime.config.sections.section import Section
from partlens.runtime.config.sections.values import Count, Duration, Rate, Share, Size, Timeout


class LimitsSection(Section):
    """Limits on requests. A request over a limit is refused with a reason."""

    request_bytes: Count = 32 * 2**20
    """largest picture in bytes; a request message may be 72 KiB larger"""
    response_bytes: Count = 64 * 2**20
    """largest response message, in bytes; choose page sizes that fit"""
    image_pixels: Count = 64_000_000
    """most decoded pixels of a picture; larger ones are refused before they are decoded. A JPEG
    that is decoded at a part of its size may have 4 times as many in the file"""
    decoding_bytes: Count = 1536 * 2**20
    """memory that pictures being decoded may take together; others wait, and one token uses at most
    half, or one picture; 12 to 20 bytes a decoded pixel"""
    query_images: Count = 8
    """most pictures in one search"""
    regions: Count = 32
    """most regions in one request"""
    marks: Count = 16
    """most marked images (more or less like this) in one search"""
    pairs: Count = 65_536
    """most pairs of positions in one explanation"""
    corners: Count = 10_000
    """most corners of all polygons in one request"""
    filter_values: Count = 1000
    """most cameras, tracks, excluded cameras or values of attributes in one filter, including the
    filters inside it"""
    filter_attributes: Count = MAX_ATTRIBUTES
    """most attributes in one filter"""
    nested_filters: Count = 64
    """most filters inside one filter, at any depth, for each of all_of, any_of and none_of"""
    exclude_ids: Count = 10_000
    """most ids, excluded ids, and excluded media digests in one filter"""
    delete_ids: Count = 10_000
    """most images in one deletion"""
    update_images: Count = 256
    """most images in one update of metadata"""
    watched_queries: Count = 1000
    """most standing queries named by one watcher"""
    message_fields: Count = 25_000
    """most fields in one request message, counted before it is parsed"""
    text_bytes: Count = 4 * 2**20
    """most bytes of one request message besides its pictures and masks"""
    search_page_size: Count = 100
    """most hits on one page of a search"""
    search_depth: Count = 1000
    """most hits over all pages of a search"""
    list_page_size: Count = 1000
    """most images on one page of a listing"""
    kept_queries: Count = 4096
    """most query images kept for later calls, each rows * cols * dimensions * 4 bytes"""
    kept_query_bytes: Count = 256 * 2**20
    """most bytes of the features of kept query images"""
    kept_picture_bytes: Size = 256 * 2**20
    """most bytes of kept pictures of query images, which GetPicture returns; 0 keeps none"""
    upsert_batch: Count = 32
    """most uploaded images in one commit; they wait for it in memory"""
    upsert_batch_bytes: Count = 64 * 2**20
    """most bytes of one call's upload messages in one commit"""
    upload_bytes: Count = 512 * 2**20
    """most bytes of upload messages waiting in memory, over all streams; streams wait for room"""
    arrived_bytes: Count = 512 * 2**20
    """most bytes of requests that have arrived and are not handled yet, over all calls; more are
    refused immediately"""
    concurrent_calls: Count = 128
    """most calls in progress, not counting upload streams; more are refused immediately"""
    upload_streams: Count = 128
    """most upload streams in progress; more are refused immediately"""
    watch_streams: Count = 64
    """most WatchMatches streams in progress; more are refused immediately"""
    open_calls: Count = 64
    """most health checks in progress, and most health and reflection streams; they need no token"""
    token_share: Share = 0.5
    """share of the calls, upload streams, watchers, arrived and uploaded bytes and standing queries
    that one token may have"""
    network_share: Share = 0.75
    """share of the calls, upload streams and watchers that one network (an IPv4 address, or an IPv6
    /64) may have; this machine is not limited. Set 1 if all callers come through one proxy"""
    connections: Count = 1000
    """most connections over gRPC, and as many over HTTP, together never more than half of the file
    descriptors that the server may open; more are closed at once"""
    connection_streams: Count = 100
    """most calls in progress on one connection; more wait in the client"""
    idle_connection_seconds: Timeout = 300.0
    """how long a connection without calls is kept"""
    first_message_seconds: Timeout = 10.0
    """how long a call may take to send its first request, and over HTTP its head"""
    idle_stream_seconds: Timeout = 300.0
    """how long an upload stream may send nothing"""
    send_seconds: Timeout = 60.0
    """how long a caller may take to read a response"""
    calls_per_second: Rate = 100.0
    """sustained rate of calls per token; faster calls are refused"""
    burst_calls: Count = 200
    """calls that one token may make in a burst after a pause"""
    failed_logins_per_second: Rate = 10.0
    """failed logins per second of one network that are logged one by one; more are only counted"""
    pass_images: Count = 16
    """most images, from different calls, in one pass through the model"""
    pass_wait_ms: Duration = 2.0
    """how long the first image of a pass waits for more, if the last pass had several, in
    milliseconds"""
    waiting_images: Count = 128
    """most query images waiting for the model; calls that would add more are refused"""

    @property
    def image_limits(self) -> ImageLimits:
        """Limits on a picture to decode."""
        return ImageLimits(max_bytes=self.request_bytes, max_pixels=self.image_pixels)
