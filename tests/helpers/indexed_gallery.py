"""A gallery large enough for trained indexes, and their recall."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np
import pytest
from gallery_images import GRID, SPEC, image

from partlens.explainer.scoring import Mark, QueryPart, Score, best_place, query_part, with_marks
from partlens.indexer.gallery import Filter, Gallery, NewImage
from partlens.indexer.gallery.search import search

COUNT, DIMENSIONS = 6000, 32
_MARKED = {0: 1.0, 1: 1.0, 4: -0.4}
WIDE = replace(SPEC, dimensions=DIMENSIONS)
# Every n-th image has this attribute.
SHARES = {"all": 1, "tenth": 10, "hundredth": 100, "thousandth": 1000}


def contributions(seed: int) -> np.ndarray:
    """c_p of an image; each position roughly shows one of 40 things."""
    things = np.random.default_rng(0).standard_normal((40, DIMENSIONS))
    random = np.random.default_rng([1, seed])
    shown = things[random.integers(0, 40, 12)] * random.lognormal(0, 0.3, (12, 1))
    return np.asarray(shown + 0.4 * random.standard_normal(shown.shape), np.float32)


def made(number: int) -> NewImage:
    """The image with this number, with its attributes by SHARES."""
    return replace(
        image(
            f"{number:05}",
            attributes={name: "yes" for name, each in SHARES.items() if number % each == 0},
        ),
        contributions=contributions(number),
        bias=np.full(DIMENSIONS, 0.1, np.float32),
    )


def fill(gallery: Gallery) -> None:
    """COUNT images, a fiftieth of them deleted, in one segment with an index."""
    for start in range(0, COUNT, 2000):
        gallery.add([made(number) for number in range(start, start + 2000)])
    gallery.delete([f"{number:05}" for number in range(7, COUNT, 50)])
    gallery.compact()
    assert not gallery.indexes.missing(gallery.view.live.segments)
    assert [len(one) for one in gallery.view.live.segments] == [len(gallery.view)]


def queries() -> Iterator[list[QueryPart]]:
    """Regions of twelve images that are not in the gallery."""
    region = np.array([1, 0.5, 0, 1, 1] + 7 * [0], np.float32)
    for seed in range(COUNT, COUNT + 12):
        yield [query_part(contributions(seed), np.zeros(DIMENSIONS, np.float32), region, GRID)]


def marked_queries(gallery: Gallery) -> Iterator[list[QueryPart]]:
    """The same regions after feedback: more like the first and second hit, less like the fifth."""
    for (part,) in queries():
        hits = gallery.view.search([part], "context", Filter(), 5)
        marks = [Mark(_laid(part, int(hits[i].id)), weight) for i, weight in _MARKED.items()]
        yield [with_marks(part, marks)]


def _laid(part: QueryPart, number: int) -> QueryPart:
    there = contributions(number)
    covered = best_place(part, there, GRID)
    return query_part(there, np.zeros(DIMENSIONS, np.float32), covered, GRID)


def recall(
    gallery: Gallery,
    where: Filter,
    score: Score = "context",
    searched: Iterable[list[QueryPart]] | None = None,
) -> float:
    """Fraction of the exact ten best that the index finds."""
    found, wanted = 0, 0
    for parts in queries() if searched is None else searched:
        exact, indexed = (
            search(gallery.view.live, parts, score, where, 10, GRID, gallery.indexes.of, size)
            for size in (2**40, 0)
        )
        by_id = {one.id: one for one in exact}
        wanted += len(exact)
        found += sum(one.id in by_id for one in indexed)
        for one in indexed:
            if one.id in by_id:
                assert one.score == pytest.approx(by_id[one.id].score, abs=1e-6)
                np.testing.assert_allclose(one.map, by_id[one.id].map, atol=1e-6)
    return found / wanted if wanted else 1.0
