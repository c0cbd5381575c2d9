"""What differs between an answer in a report and the same answer now, in words."""

from collections.abc import Iterator
from datetime import UTC, datetime

import numpy as np

from partlens.client.answers import GalleryImage
from partlens.client.search_answers import Hit, Query
from partlens.common.activation_map import ActivationMap
from partlens.common.explained_pair import PartialMap
from partlens.common.regions import Box

TOLERANCE = 1e-4
"""Largest difference of numbers that agree: another processor rounds differently."""
_BOX_PIXELS = 0.01


def moved(name: str, reported: float, again: float) -> list[str]:
    """Whether a number differs."""
    if abs(reported - again) <= TOLERANCE:
        return []
    return [f"{name} {again:.6f}, in the report {reported:.6f}".strip()]


def inconsistent(hit: Hit) -> list[str]:
    """Whether a hit of the report contradicts itself."""
    if hit.map is None:
        return []
    total = float(hit.map.values.sum(dtype=np.float64)) + hit.constant
    if abs(total - hit.score) <= TOLERANCE:
        return []
    return [f"the report's map and constant add up to {total:.6f}"]


def other_box(reported: Box, again: Box) -> list[str]:
    """Whether a place differs."""
    ours, theirs = (np.array(list(vars(box).values())) for box in (reported, again))
    if np.abs(ours - theirs).max() <= _BOX_PIXELS:
        return []
    shown = ", ".join(f"{one:g}" for one in theirs)
    return [f"box at {shown} (x, y, width, height)"]


def other_map(reported: ActivationMap | None, again: ActivationMap | None) -> list[str]:
    """Whether a map differs."""
    if again is None:
        return []
    if reported is None:
        return ["the report has no map"]
    if reported.values.shape != again.values.shape:
        return [f"map of shape {again.values.shape}, in the report {reported.values.shape}"]
    most = float(np.abs(reported.values - again.values).max(initial=0.0))
    return [] if most <= TOLERANCE else [f"map differs by up to {most:.6f}"]


def other_facts(reported: GalleryImage, again: GalleryImage) -> list[str]:
    """Whether what is known of an image differs: its size, its location and its metadata."""
    ours, theirs = dict(_facts(reported)), dict(_facts(again))
    names = [*ours, *(name for name in theirs if name not in ours)]
    return [
        f"{name} {theirs.get(name, 'none')}, in the report {ours.get(name, 'none')}"
        for name in names
        if ours.get(name) != theirs.get(name)
    ]


def other_image(reported: Query, again: Query) -> list[str]:
    """Whether the size of a query image, or the part of it that the model sees, differs."""
    ours, theirs = (f"{one.width}x{one.height}" for one in (reported, again))
    details = [] if ours == theirs else [f"size {theirs}, in the report {ours}"]
    if reported.grid != again.grid:
        details.append(f"grid {again.grid}, in the report {reported.grid}")
    return details + other_box(reported.extent, again.extent)


def contribution(partial: PartialMap) -> float:
    """What a region contributes to a similarity."""
    return float(partial.map.values.sum(dtype=np.float64)) + partial.constant


def _facts(image: GalleryImage) -> Iterator[tuple[str, str]]:
    """Name and text of each fact that is known."""
    metadata, captured = image.metadata, image.metadata.captured_at
    yield "size", f"{image.width}x{image.height}"
    for name, value in (
        ("location", image.uri),
        ("camera", metadata.camera),
        ("track", metadata.track),
        ("capture time", "" if captured is None else _instant(captured)),
    ):
        if value:
            yield name, repr(value)
    for name in sorted(metadata.attributes):
        yield f"attribute {name!r}", repr(metadata.attributes[name])


def _instant(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat()
