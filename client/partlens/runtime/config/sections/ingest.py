"""Settings of `partlens ingest`."""

from pathlib import Path

from partlens.runtime.config.sections.section import Section
from partlens.runtime.config.sections.values import Count, GalleryName, Rate, ServerAddress


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
