"""Where images come from: a folder, a manifest that lists them, or an object store."""

from partlens.indexer.sources.image import ImageFile, MissingImage, SourceImage
from partlens.indexer.sources.listing import Listing, Source, read_source
from partlens.indexer.sources.objects import ObjectImage

__all__ = [
    "ImageFile",
    "Listing",
    "MissingImage",
    "ObjectImage",
    "Source",
    "SourceImage",
    "read_source",
]
