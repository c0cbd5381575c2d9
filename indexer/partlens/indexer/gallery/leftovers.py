"""What killed writers leave in a gallery's folder, and its removal by the next writer."""

from collections.abc import Iterable
from pathlib import Path

from partlens.indexer.gallery.committed import COMMITTED, SUMS
from partlens.indexer.gallery.durability import remove_entry
from partlens.indexer.gallery.indexes import CHOICE, INDEXES
from partlens.indexer.gallery.loading import SEGMENTS
from partlens.indexer.gallery.segments import Segment


def remove_leftovers(path: Path, used: Iterable[Segment]) -> None:
    """Remove drafts, half-removed folders and segments that no image needs, readable or not.

    Only for the holder of the writer's lock, and not while it writes segments or indexes.

    Args:
        path: path of the gallery.
        used: the segments that hold the images of the newest version.
    """
    names = {segment.path.name for segment in used if segment.path}
    for folder in (path / SEGMENTS, path / INDEXES):
        for each in list(folder.iterdir()) if folder.is_dir() else ():
            if each.name not in names and each != path / INDEXES / CHOICE:
                remove_entry(each)
    for draft in list(path.iterdir()):
        if draft.name.startswith((f".{COMMITTED}", f".{SUMS}")):
            draft.unlink(missing_ok=True)
