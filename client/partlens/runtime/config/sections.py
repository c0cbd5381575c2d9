"""The sections of the configuration: every setting, its default and its help text."""

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import parse_qs, urlsplit

from annotated_types import Ge, Gt, Le
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError
from pydantic_settings import NoDecode

from partlens.client import address as addresses
from partlens.client.errors import AddressError
from partlens.common.compute import Device, Precision
from partlens.common.gallery_names import RULE, is_gallery_name
from partlens.common.metadata import MAX_ATTRIBUTES
from partlens.common.moments import duration
from partlens.common.pictures import ImageLimits

# Within what gRPC, Redis and the system's clocks can represent.
_MOST = 2_000_000_000
Count = Annotated[int, Ge(1), Le(_MOST)]
Size = Annotated[int, Ge(0), Le(_MOST)]
Rate = Annotated[float, Gt(0), Le(_MOST), Field(allow_inf_nan=False)]
Timeout = Annotated[float, Gt(0), Le(2_000_000), Field(allow_inf_nan=False)]
Share = Annotated[float, Gt(0), Le(1), Field(allow_inf_nan=False)]
Duration = Annotated[float, Ge(0), Le(_MOST), Field(allow_inf_nan=False)]


def _server_address(text: str) -> str:
    return _checked(lambda: str(addresses.parse(text)))


def _listening_address(text: str) -> str:
    return _checked(lambda: str(addresses.parse(text, listening=True)))


def _host_names(text: str) -> str:
    for name in text.split():
        if re.search(r"[,/@\[\]]|:\d+$", name) and name.count(":") < 2:
            raise ValueError("must be names or IP addresses, with spaces between them, no ports")
    return text


def _web_address(text: str) -> str:
    return _url(text, {"http": 80, "https": 443})


def _url(text: str, ports: Mapping[str, int]) -> str:
    def check() -> str:
        addresses.of_url(text, ports)
        return text

    if "@" not in text:
        return _checked(check)
    try:
        return check()
    except AddressError as error:
        raise PydanticCustomError("password", "{problem}", {"problem": error.problem}) from error


def _period(text: str) -> str:
    duration(text)
    return text


def _period_or_never(text: str) -> str:
    if text != "never":
        try:
            duration(text)
        except ValueError as error:
            raise ValueError(f"{error}, or never") from error
    return text


def _folders(given: object) -> object:
    return [one for one in given.split(os.pathsep) if one] if isinstance(given, str) else given


def _checked(check: Callable[[], str]) -> str:
    try:
        return check()
    except AddressError as error:
        raise ValueError(error.problem) from error


ServerAddress = Annotated[str, AfterValidator(_server_address)]
"""HOST:PORT to connect to."""
ListeningAddress = Annotated[str, AfterValidator(_listening_address)]
"""HOST:PORT to listen on; port 0 picks a free port."""
Folders = Annotated[tuple[Path, ...], NoDecode, BeforeValidator(_folders)]
"""Folders; a text names several like PATH does."""
RetentionPeriod = Annotated[str, AfterValidator(_period)]
"""Hours, days or weeks, such as 12h, 30d or 8w."""
GalleryRetention = Annotated[str, AfterValidator(_period_or_never)]
"""A retention period, or never."""
HostNames = Annotated[str, AfterValidator(_host_names)]
"""Names or IP addresses without ports, with spaces between them."""
WebAddress = Annotated[str, AfterValidator(_web_address)]
"""http:// or https:// address."""


def _gallery_name(text: str) -> str:
    if not is_gallery_name(text):
        raise ValueError(f"must be a name: {RULE}")
    return text


OptionalFolder = Annotated[Path | None, BeforeValidator(lambda given: given or None)]
"""A folder; an empty text is none, so that a flag can take back what a file sets."""
GalleryName = Annotated[str, AfterValidator(_gallery_name)]
"""Name of a gallery."""


@dataclass(frozen=True)
class Secret:
    """Marks a setting that is never shown, since any part of it may be a secret."""


SecretAddress = Annotated[WebAddress, Secret()]
"""The same, with a password or a token in it."""


class Section(BaseModel):
    """Base of the sections. Unknown settings are rejected."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class GallerySettings(Section):
    """One of several galleries."""

    path: Path
    """gallery folder"""
    model: Path | None = None
    """model folder; by default server.model"""
    keep: GalleryRetention | None = None
    """how long to keep an image, or never to erase any on schedule; by default retention.keep"""


class ServerSection(Section):
    """What to serve, and where."""

    model: Path | None = None
    """model folder; required"""
    gallery: OptionalFolder = None
    """gallery folder; required, unless galleries names some"""
    galleries: dict[GalleryName, GallerySettings] = Field(default_factory=dict)
    """several galleries by name, instead of gallery: a table with path and, unless it is the model
    above, model; also keep, instead of retention.keep; see several-galleries.md"""
    default_gallery: GalleryName | None = None
    """name that calls without a gallery mean; by default the first of galleries"""
    aliases: Path | None = None
    """file of the aliases of galleries; by default galleries.aliases.json, next to the default
    gallery"""
    originals: Folders = ()
    """folders of the originals that GetPicture may read, as the images' uris name them"""
    listen: ListeningAddress = "127.0.0.1:50051"
    """HOST:PORT to listen on; port 0 picks a free port"""
    address_file: Path | None = None
    """file to write HOST:PORT to once the server is ready; removed on stop"""
    http_listen: ListeningAddress | None = None
    """HOST:PORT to serve the page and the methods on over HTTP; port 0 picks a free port; none
    disables it"""
    http_address_file: Path | None = None
    """file to write the address of the page to once the server is ready; removed on stop"""
    http_hosts: HostNames = ""
    """names by which the server may be called over HTTP, with spaces between them; localhost always
    may. Empty: any name if callers need tokens, otherwise only its address"""
    reflection: bool = False
    """enable gRPC server reflection, which grpcurl uses"""
    device: Device = "cpu"
    """cuda: put the backbone and the positions of large segments on the first NVIDIA GPU"""
    precision: Precision = "float32"
    """precision inside the backbone: float32, or float16 (for GPUs)"""
    workers: Count = 4
    """number of threads for searches and explanations; one token uses at most all but one"""
    read_workers: Count = 2
    """number of threads for GetImage, ListImages, GetGallery and other lists, shared likewise"""
    decoding_workers: Count = 4
    """number of threads that decode query pictures and uploads, shared likewise"""
    grace_seconds: Duration = 10.0
    """how long calls may take to finish when the server stops"""
    scrub_bytes_per_second: Duration = 20e6
    """how fast to read the gallery's files in the background to find damage; 0 disables this"""
    scrub_every_seconds: Rate = 3600.0
    """minimum time between the starts of two such scans"""


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
    """most bytes of upload messages in one commit"""
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


class AccessSection(Section):
    """Access control and the audit log. Beyond loopback, a server needs TLS and tokens."""

    tls_certificate: Path | None = None
    """PEM file of the server's certificate and its chain; reloaded when it changes"""
    tls_key: Path | None = None
    """PEM file of the certificate's private key, without a passphrase"""
    client_ca: Path | None = None
    """PEM file of the authority that must have issued clients' certificates (mutual TLS)"""
    tokens: Path | None = None
    """token file written by `partlens token`; without one, anyone who can connect has access"""
    audit_log: Path | None = None
    """audit log file; by default GALLERY.audit.jsonl, next to the gallery"""
    audit_log_bytes: Annotated[int, Ge(0), Le(2**40)] = 256 * 2**20
    """size from which the audit log continues in a new file; 0 for never"""

    @model_validator(mode="after")
    def _pair(self) -> "AccessSection":
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("give both tls_certificate and tls_key, or neither")
        if self.client_ca is not None and self.tls_certificate is None:
            raise ValueError("client_ca needs tls_certificate and tls_key")
        return self


class ObserveSection(Section):
    """Metrics and logs."""

    metrics_listen: ListeningAddress | None = None
    """HOST:PORT to serve Prometheus metrics on, over HTTP without TLS; none disables them"""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """lowest level to log; info logs one line per call"""
    log_format: Literal["auto", "json", "text"] = "auto"
    """json: one object per line; auto: text on a terminal, json otherwise"""


class RedisSection(Section):
    """A Redis server (7 or later) shared by the servers of one gallery. One server needs none."""

    url: str | None = None
    """redis://HOST:PORT/NUMBER, or rediss:// for TLS; never with a password"""
    user: str | None = None
    """Redis user name, if Redis has several users"""
    password_file: Path | None = None
    """file that holds the Redis password"""
    ca: Path | None = None
    """PEM file of the authority that must have issued its certificate; default: the system's"""
    certificate: Path | None = None
    """PEM file of the client certificate, if Redis asks for one"""
    key: Path | None = None
    """PEM file of its private key"""
    prefix: str = "partlens"
    """prefix of every key, stream and channel name; the same only for servers of the same
    galleries"""
    query_seconds: Count = 3600
    """how long a query picture and its features are kept in Redis after their last use"""
    picture_bytes: Size = 8 * 2**20
    """largest query picture that is kept in Redis, in bytes; 0 keeps none there"""

    @field_validator("url")
    @classmethod
    def _without_password(cls, url: str | None) -> str | None:
        if url and "@" in url:
            # Not quoted: it may hold a password.
            raise PydanticCustomError(
                "password", "must hold no user or password; use password_file"
            )
        if url is not None:
            _url(url, {"redis": 6379, "rediss": 6379})
            if {"password", "username"} & parse_qs(urlsplit(url).query).keys():
                raise PydanticCustomError(
                    "password", "must hold no user or password; use password_file"
                )
            if not re.fullmatch(r"/?\d{0,9}", urlsplit(url).path):
                raise ValueError("must end in a database number, such as redis://HOST:PORT/0")
        return url


class IngestSection(Section):
    """`partlens ingest`: how it reads the Redis stream, and the server that it uploads to."""

    server: ServerAddress = "127.0.0.1:50051"
    """HOST:PORT of the server"""
    gallery: GalleryName | None = None
    """name of the gallery to add pictures to; by default the server's default gallery"""
    token_file: Path | None = None
    """file that holds a token with scope ingest"""
    tls: bool = False
    """use TLS for the server; implied by ca or certificate"""
    ca: Path | None = None
    """PEM file of the authority that must have issued the server's certificate"""
    certificate: Path | None = None
    """PEM file of our own certificate (mutual TLS)"""
    key: Path | None = None
    """PEM file of its private key"""
    batch: Count = 32
    """most entries that a worker holds"""
    call_seconds: Rate = 120.0
    """how long the server may take for a batch"""
    claim_seconds: Rate = 30.0
    """a worker that is silent for this long counts as dead, and others take over its entries"""
    attempts: Count = 3
    """how often workers may die on an entry, or calls fail, before it becomes a dead letter"""
    waiting: Count = 10_000
    """most entries in the stream; producers wait for room"""
    dead_letters: Count = 10_000
    """approximate number of dead letters kept; the oldest are removed"""


class StandingSection(Section):
    """Standing queries, and where to send matches besides WatchMatches."""

    folder: Path | None = None
    """folder of the standing queries; by default GALLERY.standing, next to the gallery, and always
    there for named galleries"""
    keep_pictures: bool = False
    """keep the pictures of standing queries on disk, so that these can be carried over to another
    model (`partlens index reindex`); gallery images are found by their id"""
    queries: Count = 1000
    """most standing queries, counted over all callers"""
    webhook: SecretAddress | None = None
    """http:// or https:// address to POST every match to; set it on one server only"""
    webhook_secret_file: Path | None = None
    """file that holds the secret for signing webhook requests"""
    kept_matches: Count = 10_000
    """approximate number of matches kept in the Redis stream; the oldest are removed"""


class RetentionSection(Section):
    """Erasing old images while the server runs. Off unless `keep` is set."""

    keep: RetentionPeriod | None = None
    """how long to keep an image after its captured_at, such as 12h, 30d or 8w; images without one
    are never erased; none: erase nothing. A gallery of server.galleries may have its own `keep`"""
    every_hours: Rate = 24.0
    """time between two erasures; the first is when the server starts"""
    delete_standing: bool = False
    """delete the standing queries that are made from an erased image; otherwise the log and the
    receipt list them"""
    receipts: Path | None = None
    """folder of the receipts, with a folder in it for each named gallery; by default
    GALLERY.receipts, next to the gallery"""


class BridgeSection(Section):
    """`partlens bridge frigate`: the MQTT broker, and where to fetch snapshots."""

    mqtt: ServerAddress = "127.0.0.1:1883"
    """HOST:PORT of the MQTT broker that Frigate publishes to"""
    mqtt_user: str | None = None
    """user name at the broker, if it has users"""
    mqtt_password_file: Path | None = None
    """file that holds the user's password"""
    mqtt_tls: bool = False
    """use TLS for the broker; implied by mqtt_ca or mqtt_certificate"""
    mqtt_ca: Path | None = None
    """PEM file of the authority that must have issued the broker's certificate"""
    mqtt_certificate: Path | None = None
    """PEM file of our own certificate (mutual TLS)"""
    mqtt_key: Path | None = None
    """PEM file of its private key"""
    client_id: Annotated[str, Field(min_length=1, max_length=64)] = "partlens-bridge"
    """id under which the broker keeps messages while the bridge is down; one per bridge"""
    topic_prefix: Annotated[str, Field(pattern=r"^[^#+\x00/][^#+\x00]*$")] = "frigate"
    """Frigate's mqtt.topic_prefix"""
    frigate: WebAddress = "http://127.0.0.1:5000"
    """http:// or https:// address of Frigate's API, without /api"""
    frigate_token_file: Path | None = None
    """file that holds a token for Frigate's authenticated port"""
    frigate_ca: Path | None = None
    """PEM file of the authority for Frigate's certificate; default: the system's authorities"""
    labels: str = "person"
    """labels of the objects to send, separated by commas"""
    moments: Literal["best", "each"] = "best"
    """best: one picture per object, once it is gone; each: also every better one until then"""
    wait_seconds: Duration = 10.0
    """how long to wait for a snapshot that Frigate does not have yet"""

    @field_validator("frigate")
    @classmethod
    def _without_password(cls, frigate: str) -> str:
        if "@" in frigate:
            raise PydanticCustomError(
                "password", "must hold no user or password; use frigate_token_file"
            )
        if re.search("[?#]", frigate):
            raise PydanticCustomError(
                "password", "must end before any ? or #; use frigate_token_file for a token"
            )
        return frigate

    @model_validator(mode="after")
    def _pair(self) -> "BridgeSection":
        if (self.mqtt_certificate is None) != (self.mqtt_key is None):
            raise ValueError("give both mqtt_certificate and mqtt_key, or neither")
        return self

    @property
    def chosen_labels(self) -> frozenset[str]:
        """The labels as a set."""
        return frozenset(label.strip() for label in self.labels.split(","))
