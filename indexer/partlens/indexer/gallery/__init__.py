"""The gallery: images by id, with what explains them, on disk and searchable."""

from partlens.indexer.gallery.gallery import Gallery
from partlens.indexer.gallery.records import Candidate, NewImage, StoredImage
from partlens.indexer.metadata import Filter, Metadata

__all__ = ["Candidate", "Filter", "Gallery", "Metadata", "NewImage", "StoredImage"]
