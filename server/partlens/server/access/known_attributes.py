"""Refuses attributes that no image has, which are most often misspelt."""

from collections.abc import Iterator

from partlens.common.filters import Filter, GroupBy, every
from partlens.common.waiting import RequireWaiting
from partlens.indexer.gallery.view import GalleryView
from partlens.server.errors import RequestError

_SHOWN = 20
"""Most attributes that an error lists."""


def require_known(
    view: GalleryView,
    visible: Filter,
    where: Filter,
    by: GroupBy | None,
    require_waiting: RequireWaiting,
) -> None:
    """Raise RequestError if no visible image has an attribute of a filter or of groups.

    An empty gallery knows no attribute, so there every name is allowed.

    Args:
        visible: the images that the caller may see.
    """
    named = dict(_named(where))
    if by is not None and by.attribute:
        named.setdefault(by.attribute, "group_by")
    if not named:
        return
    lacking = view.lacking(named.keys(), visible, require_waiting)
    unknown = next((name for name in named if name in lacking), None)
    if unknown is None:
        return
    found = view.facets(visible, 1, require_waiting)
    if not found.images:
        return
    names = [facet.name for facet in found.attributes]
    shown = ", ".join(repr(name[:80]) for name in names[:_SHOWN])
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    known = f"the attributes are {shown}{more}" if names else "the images have no attributes"
    raise RequestError(
        named[unknown], f"no image has an attribute {unknown[:80]!r}; {known}", "ATTRIBUTE_UNKNOWN"
    )


def _named(where: Filter) -> Iterator[tuple[str, str]]:
    """Name of each attribute of a filter, with the path of its condition; the outermost last."""
    for path, one in reversed(list(every(where, "filter"))):
        for name in one.attributes:
            yield name, f"{path}.attributes"
