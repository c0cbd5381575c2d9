"""The gallery: images by id, with what explains them, on disk and searchable."""

from partlens.common.filters import Filter, GroupBy
from partlens.common.metadata import Metadata
from partlens.indexer.gallery.gallery import Gallery
from partlens.indexer.gallery.records import Candidate, Correction, NewImage, StoredImage

__all__ = [
    "Candidate",
    "Correction",
    "Filter",
    "Gallery",
    "GroupBy",
    "Metadata",
    "NewImage",
    "StoredImage",
]
