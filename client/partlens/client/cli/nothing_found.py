"""Why a search or a list found nothing, from what the gallery holds."""

from collections.abc import Iterator

from partlens.client.answers import Facet, Facets
from partlens.client.sync_client import Client
from partlens.common.filters import Filter, is_empty
from partlens.common.text import visible
from partlens.common.where_text import where_text

_ASKED = 1000
_SHOWN = 8
"""Most values to name."""


def why_nothing(
    client: Client, where: Filter, *, exclude_identical: bool = False, prefix: str = ""
) -> str:
    """Why there is no result, in one line; no score is too low to be a hit.

    Args:
        where: filter of the search or list.
        exclude_identical: whether a search left images out that are identical to its own.
        prefix: what the ids of a list begin with.
    """
    held = client.get_facets(values=_ASKED)
    if not held.images:
        return f"nothing found: {_empty(client)}"
    passing = held if is_empty(where) else client.get_facets(where)
    if passing.images and prefix:
        images = f"{passing.images} images"
        which = f"the {images}" if is_empty(where) else f"the {images} that pass the filter"
        return f"nothing found: none of {which} has an id that begins with {prefix!r}"
    if passing.images and exclude_identical:
        return (
            f"nothing found: every image that passes the filters ({passing.images}) was left out"
            " as identical to a query image (--exclude-identical)"
        )
    if passing.images:
        return "nothing found, although images pass the filters; they may have been added just now"
    reasons = list(_unmet(where, held)) or [
        f"none of the {held.images} images meets all conditions together"
    ]
    return visible(
        f"nothing found: no image passes the filter {where_text(where)}; {'; '.join(reasons)}"
    )


def _empty(client: Client) -> str:
    if client.get_gallery().images:
        return "the token may see none of the gallery's images"
    return (
        "the gallery is empty, or the token may see none of its images; add pictures with"
        " `partlens images add`, or on the server's machine with `partlens index add`"
    )


def _unmet(where: Filter, held: Facets) -> Iterator[str]:
    """The conditions that no image of the gallery meets, each with what there is."""
    for of, wanted in ((held.cameras, where.cameras), (held.tracks, where.tracks)):
        if wanted and _lack(of, set(wanted)):
            yield _there_is(of, f"{of.name}s")
    if where.exclude_cameras and not _lets_some_pass(held.cameras, set(where.exclude_cameras)):
        yield _there_is(held.cameras, "cameras")
    attributes = {one.name: one for one in held.attributes}
    for name, value in where.attributes.items():
        of_name = attributes.get(name)
        if of_name is None:
            yield _attributes(name, held)
        elif isinstance(value, str) and _lack(of_name, {value}):
            yield _there_is(of_name, f"values of {name}")
    if _misses(where, held):
        yield _times(held)
    for one in where.all_of:
        yield from _unmet(one, held)


def _lets_some_pass(facet: Facet, excluded: set[str]) -> bool:
    is_complete = facet.distinct <= len(facet.values)
    return bool(facet.unknown) or not is_complete or not set(facet.values) <= excluded


def _misses(where: Filter, held: Facets) -> bool:
    """Whether the filter's span of time has none of the images' capture times."""
    after, before = where.captured_after, where.captured_before
    if held.captured_first is None or held.captured_last is None:
        return (after or before) is not None
    return (after is not None and after > held.captured_last) or (
        before is not None and before <= held.captured_first
    )


def _lack(facet: Facet, wanted: set[str]) -> bool:
    """Whether no image has any of these values, as far as the facet says; "" means unknown."""
    if facet.distinct > len(facet.values) or ("" in wanted and facet.unknown):
        return False
    return not wanted & set(facet.values)


def _there_is(facet: Facet, what: str) -> str:
    if not facet.values:
        return f"no image has a {facet.name}"
    return f"{what} are {_listed(list(facet.values), facet.distinct)}"


def _attributes(name: str, held: Facets) -> str:
    names = [one.name for one in held.attributes]
    known = f"attributes are {_listed(names, len(names))}" if names else "no image has attributes"
    return f"no image has an attribute {name}; {known}"


def _times(held: Facets) -> str:
    if held.captured_first is None or held.captured_last is None:
        return "no image has a capture time"
    first, last = (
        at.isoformat(timespec="seconds") for at in (held.captured_first, held.captured_last)
    )
    return f"images were captured from {first} to {last}"


def _listed(values: list[str], distinct: int) -> str:
    shown = ", ".join(sorted(values[:_SHOWN]))
    more = distinct - min(len(values), _SHOWN)
    return f"{shown} and {more} more" if more else shown
