"""The sections of the configuration; every setting with its default and what it is for."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from annotated_types import Ge, Gt, Le
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from partlens.client import address as addresses
from partlens.client.errors import AddressError
from partlens.common.compute import Device, Precision
from partlens.common.pictures import ImageLimits

# Below what gRPC, Redis and the system's clocks can count to.
_MOST = 2_000_000_000
Count = Annotated[int, Ge(1), Le(_MOST)]
Rate = Annotated[float, Gt(0), Le(_MOST), Field(allow_inf_nan=False)]
Duration = Annotated[float, Ge(0), Le(_MOST), Field(allow_inf_nan=False)]


def _server_address(text: str) -> str:
    return _checked(lambda: str(addresses.parse(text)))


def _listening_address(text: str) -> str:
    return _checked(lambda: str(addresses.parse(text, listening=True)))


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


def _checked(check: Callable[[], str]) -> str:
    try:
        return check()
    except AddressError as error:
        raise ValueError(error.problem) from error


ServerAddress = Annotated[str, AfterValidator(_server_address)]
"""HOST:PORT to connect to."""
ListeningAddress = Annotated[str, AfterValidator(_listening_address)]
"""HOST:PORT to listen on; port 0 takes a free one."""
WebAddress = Annotated[str, AfterValidator(_web_address)]
"""http:// or https:// address."""


class Section(BaseModel):
    """Base of the sections: what they do not know they refuse."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class ServerSection(Section):
    """What is served, and where."""

    model: Path | None = None
    """model folder; must be given"""
    gallery: Path | None = None
    """gallery folder; must be given"""
    listen: ListeningAddress = "127.0.0.1:50051"
    """HOST:PORT to listen on; port 0 takes a free one"""
    address_file: Path | None = None
    """file that gets HOST:PORT once serving, and is removed on stop"""
    reflection: bool = False
    """let callers ask for the contract, as grpcurl does"""
    device: Device = "cpu"
    """cuda: the backbone, and the positions of large segments, on the first NVIDIA GPU"""
    precision: Precision = "float32"
    """of the numbers inside the backbone: float32, or float16, which is for GPUs"""
    workers: Count = 4
    """threads that decode pictures and search the gallery"""
    grace_seconds: Duration = 10.0
    """how long a stopping server lets calls finish"""
    scrub_bytes_per_second: Duration = 20e6
    """how fast the gallery's files are read in the background to find damage; 0: not at all"""
    scrub_every_seconds: Rate = 3600.0
    """least time from the beginning of one such reading of all files to that of the next"""


class LimitsSection(Section):
    """What callers may ask for. What is too much is refused with a reason."""

    request_bytes: Count = 32 * 2**20
    """largest picture, and (with 64 KiB beside it) largest request message, in bytes"""
    response_bytes: Count = 64 * 2**20
    """largest response message, in bytes; page sizes must keep below it"""
    image_pixels: Count = 64_000_000
    """largest picture, in pixels after decoding; what has more is never decoded"""
    query_images: Count = 8
    """pictures in one search at most"""
    regions: Count = 32
    """regions in one request at most"""
    search_page_size: Count = 100
    """hits on one page of a search at most"""
    search_depth: Count = 1000
    """hits over all pages of a search at most"""
    list_page_size: Count = 1000
    """images on one page of a listing at most"""
    kept_queries: Count = 256
    """query images kept for the next call, each rows * cols * dimensions * 4 bytes"""
    upsert_batch: Count = 32
    """uploaded images that share one commit at most, and that wait for it in memory"""
    upsert_batch_bytes: Count = 64 * 2**20
    """their size together, in bytes"""
    concurrent_calls: Count = 64
    """calls in progress at most, streams of uploads aside; others are refused at once"""
    upload_streams: Count = 256
    """streams of uploads in progress at most; others are refused at once"""
    watch_streams: Count = 64
    """watchers of matches at most; others are refused at once"""
    calls_per_second: Rate = 100.0
    """calls of one token in the long run; those that come faster are refused"""
    burst_calls: Count = 200
    """calls of one token at once after a pause"""
    pass_images: Count = 16
    """images of different calls that share one pass through the model at most"""
    pass_wait_ms: Duration = 2.0
    """how long the first image of a pass waits for others, in milliseconds"""
    waiting_images: Count = 128
    """query images that may wait for the model; calls with more are refused at once"""

    @property
    def image_limits(self) -> ImageLimits:
        """What decoding a picture accepts."""
        return ImageLimits(max_bytes=self.request_bytes, max_pixels=self.image_pixels)


class AccessSection(Section):
    """Who may ask, and what is written down. Beyond loopback a server needs TLS and tokens."""

    tls_certificate: Path | None = None
    """PEM file of the server's certificate and its chain; read again when it changes"""
    tls_key: Path | None = None
    """PEM file of its private key, without a pass phrase"""
    client_ca: Path | None = None
    """PEM file of the authority that clients' certificates must come from (mutual TLS)"""
    tokens: Path | None = None
    """file of tokens that `partlens token` writes; none lets in whoever reaches the server"""
    audit_log: Path | None = None
    """file of what was asked by whom; by default beside the gallery, as GALLERY.audit.jsonl"""

    @model_validator(mode="after")
    def _pair(self) -> "AccessSection":
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("tls_certificate and tls_key are given together or not at all")
        if self.client_ca is not None and self.tls_certificate is None:
            raise ValueError("client_ca needs tls_certificate and tls_key")
        return self


class ObserveSection(Section):
    """What the server tells its operators."""

    metrics_listen: ListeningAddress | None = None
    """HOST:PORT to serve Prometheus metrics on, over HTTP without TLS; none serves none"""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """least level of a line in the log; info has one line a call"""
    log_format: Literal["auto", "json", "text"] = "auto"
    """json: one object a line; auto: text on a terminal, json otherwise"""


class RedisSection(Section):
    """A Redis server (7 or later), which servers of one gallery share. None is needed for one."""

    url: str | None = None
    """redis://HOST:PORT/NUMBER, or rediss:// for TLS; never with a password"""
    user: str | None = None
    """its user, where it has several"""
    password_file: Path | None = None
    """file that holds its password"""
    ca: Path | None = None
    """PEM file of the authority that its certificate must come from; the system's if none"""
    certificate: Path | None = None
    """PEM file of our own certificate, where it asks for one"""
    key: Path | None = None
    """PEM file of its private key"""
    prefix: str = "partlens"
    """begins the name of every key, stream and channel; give each gallery its own"""
    query_seconds: Count = 3600
    """how long the features of a query picture are kept there after their last use"""

    @field_validator("url")
    @classmethod
    def _without_password(cls, url: str | None) -> str | None:
        if url and "@" in url:
            # Not quoted: what is wrong with it is that it may hold a password.
            raise PydanticCustomError(
                "password", "must hold no user or password; use password_file"
            )
        if url is not None:
            _url(url, {"redis": 6379, "rediss": 6379})
            if not re.fullmatch(r"/?\d{0,9}", urlsplit(url).path):
                raise ValueError("must end in the number of a database, as redis://HOST:PORT/0")
        return url


class IngestSection(Section):
    """What `partlens ingest` takes from the Redis stream, and the server it brings it to."""

    server: ServerAddress = "127.0.0.1:50051"
    """HOST:PORT of the server"""
    token_file: Path | None = None
    """file that holds a token of scope ingest"""
    tls: bool = False
    """speak TLS to the server; ca and certificate say so too"""
    ca: Path | None = None
    """PEM file of the authority that the server's certificate must come from"""
    certificate: Path | None = None
    """PEM file of our own certificate (mutual TLS)"""
    key: Path | None = None
    """PEM file of its private key"""
    batch: Count = 32
    """entries that a worker holds at most"""
    call_seconds: Rate = 120.0
    """how long the server may take for a batch"""
    claim_seconds: Rate = 30.0
    """a worker silent for so long is taken for dead, and what it holds is taken over"""
    attempts: Count = 3
    """workers, or calls, that may end with an entry before it becomes a dead letter"""
    waiting: Count = 10_000
    """entries in the stream at most; producers wait for room"""
    dead_letters: Count = 10_000
    """dead letters kept, about; the oldest go"""


class StandingSection(Section):
    """Standing queries, and where their matches go beside the callers that watch."""

    folder: Path | None = None
    """folder of the standing queries; by default beside the gallery, as GALLERY.standing"""
    queries: Count = 1000
    """standing queries at most, of all callers together"""
    webhook: WebAddress | None = None
    """http:// or https:// address that gets every match by POST; set it on one server only"""
    webhook_secret_file: Path | None = None
    """file with the secret that signs what the webhook gets"""
    kept_matches: Count = 10_000
    """matches kept in the Redis stream, about; the oldest go"""


class BridgeSection(Section):
    """What `partlens bridge frigate` listens to, and where it fetches snapshots."""

    mqtt: ServerAddress = "127.0.0.1:1883"
    """HOST:PORT of the MQTT broker that Frigate publishes to"""
    mqtt_user: str | None = None
    """user there, where it has any"""
    mqtt_password_file: Path | None = None
    """file that holds the user's password"""
    mqtt_tls: bool = False
    """speak TLS to the broker; mqtt_ca and mqtt_certificate say so too"""
    mqtt_ca: Path | None = None
    """PEM file of the authority that the broker's certificate must come from"""
    mqtt_certificate: Path | None = None
    """PEM file of our own certificate (mutual TLS)"""
    mqtt_key: Path | None = None
    """PEM file of its private key"""
    client_id: Annotated[str, Field(min_length=1, max_length=64)] = "partlens-bridge"
    """what the broker keeps our messages under while we are away; each bridge needs its own"""
    topic_prefix: Annotated[str, Field(pattern=r"^[^#+\x00/][^#+\x00]*$")] = "frigate"
    """Frigate's mqtt.topic_prefix; its events are below it"""
    frigate: WebAddress = "http://127.0.0.1:5000"
    """http:// or https:// address of Frigate's API, without /api"""
    frigate_token_file: Path | None = None
    """file that holds a token for its authenticated port"""
    frigate_ca: Path | None = None
    """PEM file of the authority that its certificate must come from; the usual ones if none"""
    labels: str = "person"
    """which objects are taken, with commas between"""
    moments: Literal["best", "each"] = "best"
    """best: one picture of an object, when it is gone; each: every better one on the way too"""
    wait_seconds: Duration = 10.0
    """how long a snapshot is waited for that Frigate does not have yet"""

    @field_validator("frigate")
    @classmethod
    def _without_password(cls, frigate: str) -> str:
        if "@" in frigate:
            raise PydanticCustomError(
                "password", "must hold no user or password; use frigate_token_file"
            )
        return frigate

    @model_validator(mode="after")
    def _pair(self) -> "BridgeSection":
        if (self.mqtt_certificate is None) != (self.mqtt_key is None):
            raise ValueError("mqtt_certificate and mqtt_key are given together or not at all")
        return self

    @property
    def chosen_labels(self) -> frozenset[str]:
        """Each of `labels`."""
        return frozenset(label.strip() for label in self.labels.split(","))
