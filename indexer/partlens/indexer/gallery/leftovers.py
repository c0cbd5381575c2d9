"""What killed writers leave in a gallery's folder, and its removal by the next writer."""

from collections.abc import Iterable
from pathlib import Path

from partlens.common.durable import is_draft
from partlens.indexer.gallery.committed import COMMITTED, SUMS
from partlens.indexer.gallery.durability import remove_entry
from partlens.indexer.gallery.indexes import CHOICE, INDEXES
from partlens.indexer.gallery.loading import SEGMENTS
from partlens.indexer.gallery.segments import Segment, entries
from partlens.indexer.gallery.unfinished import FILE as UNFINISHED


def remove_leftovers(path: Path, used: Iterable[Segment]) -> None:
    """Remove drafts, half-removed folders, and segments that no image needs, readable or not.
    Files that a gallery does not name like this are someone else's and stay.

    Only for the holder of the writer's lock, and not while it writes segments or indexes.

    Args:
        path: path of the gallery.
        used: the segments that hold the images of the newest version.
    """
    names = {segment.path.name for segment in used if segment.path}
    for folder in (path / SEGMENTS, path / INDEXES):
        for each in entries(folder):
            if each.name not in names:
                remove_entry(each)
    drafts = [(path, COMMITTED), (path, SUMS), (path, UNFINISHED), (path / INDEXES, CHOICE)]
    for folder, name in drafts:
        for each in list(folder.iterdir()) if folder.is_dir() else ():
            if is_draft(each, name):
                each.unlink(missing_ok=True)
