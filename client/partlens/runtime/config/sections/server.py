"""Settings of the server and its galleries."""

from pathlib import Path

from pydantic import Field

from partlens.common.compute import Device, Precision
from partlens.runtime.config.sections.section import Section
from partlens.runtime.config.sections.values import (
    Count,
    Duration,
    Folders,
    GalleryName,
    GalleryPlace,
    GalleryRetention,
    HostNames,
    ListeningAddress,
    OptionalGalleryPlace,
    Rate,
)


class GallerySettings(Section):
    """One of several galleries."""

    path: GalleryPlace
    """gallery folder, or s3://BUCKET/NAME"""
    model: Path | None = None
    """model folder; by default server.model"""
    keep: GalleryRetention | None = None
    """how long to keep an image, or never to erase any on schedule; by default retention.keep"""


class ServerSection(Section):
    """What to serve, and where."""

    model: Path | None = None
    """model folder; required"""
    gallery: OptionalGalleryPlace = None
    """gallery folder, or s3://BUCKET/NAME; required, unless galleries names some"""
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
