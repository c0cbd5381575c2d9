"""Where images come from: a folder, or a manifest that lists them."""

from partlens.indexer.sources.image import ImageFile, MissingImage, SourceImage
from partlens.indexer.sources.listing import Listing, Source, read_source

__all__ = ["ImageFile", "Listing", "MissingImage", "Source", "SourceImage", "read_source"]
