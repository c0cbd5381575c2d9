"""Settings of shards, which answer searches on other machines."""

from pathlib import Path
from typing import Literal

from partlens.runtime.config.sections.section import Section
from partlens.runtime.config.sections.values import Count, GalleryName, Rate, Timeout


class ShardsSection(Section):
    """Shards that answer searches on a Ray cluster, for galleries that outgrow one machine; see
    shards.md."""

    kind: Literal["none", "ray"] = "none"
    """ray: searches are answered by Ray Serve deployments; none: by the server itself"""
    address: str | None = None
    """HOST:PORT of the head of a Ray cluster, or auto for the one on this machine; none starts a
    cluster on this machine that ends with the server"""
    count: Count = 2
    """number of shards of each gallery"""
    replicas: Count | None = None
    """processes that hold the same shard, each on another node if there are as many; by default 2
    on a cluster with two nodes or more, otherwise 1"""
    folder: Path | None = None
    """folder on every node's own disk for the segments and indexes of its shards; by default
    partlens/shards in the user's cache folder there"""
    name: GalleryName = "partlens"
    """beginning of the names of the shards' Serve applications; servers with the same name and the
    same galleries share shards"""
    block_rows: Count = 4096
    """images of a block, which goes to one shard as a whole; the same for all servers"""
    cpus: Rate = 1.0
    """CPUs that Ray reserves for each replica of a shard"""
    workers: Count = 4
    """searches that a replica works on at the same time; more of them wait"""
    seconds: Timeout = 30.0
    """longest time that a search waits for the shards"""
    late_seconds: Timeout = 2.0
    """time after which a search asks another replica too, as the first one may hang"""
    load_seconds: Timeout = 3600.0
    """longest time that shards may take to load a gallery when the server starts"""
    unused_seconds: Timeout = 300.0
    """time after which a server removes the shards of its galleries that were started with other
    settings and that no server uses any longer"""
    poll_seconds: Rate = 0.25
    """how often a shard looks for new commits"""
    unauthenticated: bool = False
    """use a Ray cluster of other machines without Ray's token authentication: anyone who can
    connect to it can run programs there"""
