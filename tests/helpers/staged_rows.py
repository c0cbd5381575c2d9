"""Rows that are staged in this process, as workers stage them in theirs."""

from collections.abc import Iterable

from partlens.indexer.gallery import Gallery, NewImage
from partlens.indexer.gallery.schema import packed
from partlens.indexer.gallery.staging import Staged, stage


def staged(gallery: Gallery, folder: str, images: Iterable[NewImage], revision: int) -> Staged:
    """Rows of these images at a place that Gallery.staging gives."""
    tables = [packed([one], revision, gallery.bound).table for one in images]
    return stage(gallery.home, folder, tables, gallery.storage_version)
