"""The gallery: images by id, with what explains them, on disk and searchable."""

from partlens.indexer.gallery.gallery import Gallery
from partlens.indexer.gallery.records import Candidate, Correction, NewImage, StoredImage
from partlens.indexer.metadata import Filter, GroupBy, Metadata

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
