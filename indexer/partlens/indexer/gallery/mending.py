"""Rebuilds damaged segments from the truth while searches continue."""

from collections.abc import Callable, Sequence

from partlens.indexer.gallery import segments
from partlens.indexer.gallery.durability import refusals
from partlens.indexer.gallery.findings import Finding
from partlens.indexer.gallery.gallery_spec import GallerySpec
from partlens.indexer.gallery.loading import SEGMENTS, not_held, stored
from partlens.indexer.gallery.segments import Segment
from partlens.indexer.gallery.view import GalleryView


def segments_of(finding: Finding, view: GalleryView) -> Sequence[Segment]:
    """The segments of a view that a finding is about; none if they are no longer used."""
    name = finding.place.rpartition("/")[2]
    return [one for one in view.live.segments if one.path is not None and one.path.name == name]


def rebuilt(
    view: GalleryView, damaged: Segment, bound: GallerySpec, require_going: Callable[[], None]
) -> Sequence[Segment]:
    """Write what a damaged segment should hold into new segments.

    Args:
        require_going: called between steps; if it raises, the new segments are removed.

    Returns:
        The new segments; together with the view's others, they hold every image.

    Raises:
        StorageError: the disk refused the write.
        DamagedError: the truth is damaged too.
    """
    others, made = [one for one in view.live.segments if one is not damaged], list[Segment]()
    try:
        with refusals(view.home.name):
            for part in stored(view.version, not_held(view.version, others), bound):
                require_going()
                made.append(segments.write(view.path / SEGMENTS, *part))
    except BaseException:
        segments.remove(one.path for one in made if one.path)
        raise
    return made
