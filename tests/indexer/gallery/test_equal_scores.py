"""Equal scores in order of id: whatever the page, the segments, the index and the number of copies.

The oracle scores every image by itself and sorts by (-score, id).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from gallery_images import DIMENSIONS, GRID, SPEC, image, parts
from gpu_on_cpu import Copies as CopiesOnCpu
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from partlens.explainer.scoring import Score, score_images
from partlens.indexer.gallery import Filter, Gallery, GroupBy, NewImage, segments
from partlens.indexer.gallery import search as searching
from partlens.indexer.gallery.gallery_spec import GallerySpec
from partlens.indexer.gallery.gpu import GpuIndex, Owner
from partlens.indexer.gallery.image_columns import ImageColumns
from partlens.indexer.gallery.indexes import Indexes, SegmentIndex
from partlens.indexer.gallery.live_rows import LiveRows
from partlens.indexer.gallery.plan import IndexChoice
from partlens.indexer.gallery.ranking import Found
from partlens.indexer.gallery.schema import packed
from partlens.indexer.gallery.segments import Segment

IndexOf = Callable[[Segment], SegmentIndex]
Listed = list[tuple[str, float]]
EVERYTHING = 2**40
SCORES = st.sampled_from(get_args(Score))
FILTERS = st.sampled_from([Filter(), Filter(cameras={"c0", "c2"})])
GROUPS = st.sampled_from([None, GroupBy(), GroupBy("camera")])


@cache
def copy(name: int, content: int) -> NewImage:
    """An image with an id, and what all images of this content show."""
    shown = image("content", content)
    return replace(
        image(f"{name:05}", track=f"t{name % 7}" if name % 5 else "", camera=f"c{name % 3}"),
        contributions=shown.contributions,
        bias=shown.bias,
    )


def segment(images: Sequence[NewImage]) -> Segment:
    """One in memory."""
    rows = packed(images, 1, GallerySpec(SPEC, "float16"))
    columns = ImageColumns.of_truth(rows.table, np.arange(len(images)))
    return segments.in_memory(columns, rows.contributions, rows.bias)


@dataclass(frozen=True)
class Ranked:
    """What the oracle says of one image."""

    id: str
    score: float
    content: tuple[bytes, bytes]
    group: str


@cache
def alone(score: Score, contributions: bytes, bias: bytes) -> float:
    """The score of an image that nothing else is scored with."""
    one = np.frombuffer(contributions, np.float32).reshape(1, -1, DIMENSIONS)
    scored = score_images(score, parts(), one, np.frombuffer(bias, np.float32)[None], GRID)
    return float(scored.scores[0])


def oracle(snapshot: LiveRows, score: Score, where: Filter, by: GroupBy | None) -> list[Ranked]:
    """Every image that passes, or the best of each group, best first."""
    ranked, kept = list[Ranked](), list[Ranked]()
    for of, live in zip(snapshot.segments, snapshot.live, strict=True):
        for row, stored in enumerate(of.columns.stored(np.arange(len(of)))):
            known = stored.metadata
            if live[row] and (not where.cameras or known.camera in where.cameras):
                content = of.contributions[row].tobytes(), of.bias[row].tobytes()
                group = "" if by is None else getattr(known, by.column)
                ranked.append(Ranked(stored.id, alone(score, *content), content, group))
    groups = set[str]()
    for each in sorted(ranked, key=lambda each: (-each.score, each.id)):
        if each.group not in groups:
            kept.append(each)
            groups |= {each.group} - {""}
    return kept


def listed(found: Sequence[Found] | Sequence[Ranked]) -> Listed:
    return [(one.id, one.score) for one in found]


def require_pages(find: Callable[[int], Listed], count: int, size: int) -> Listed:
    """What a search for `count` gives, after pages of a size are joined to it."""
    whole, joined = find(count), Listed()
    for start in range(0, count, size):
        joined += find(min(start + size, count))[start:]
    assert joined == whole
    assert whole == sorted(whole, key=lambda one: (-one[1], one[0]))
    assert len({id for id, _ in whole}) == len(whole)
    return whole


@st.composite
def snapshots(draw: st.DrawFn, contents: int) -> LiveRows:
    """Up to 70 images of a few contents, in any order, in up to four segments; some deleted."""
    random = np.random.default_rng(draw(st.integers(0, 2**16)))
    count = draw(st.integers(1, 70))
    different = draw(st.integers(1, contents))
    images = [
        copy(int(name), int(random.integers(different))) for name in random.permutation(count)
    ]
    cuts = [0, *sorted(random.integers(0, count + 1, draw(st.integers(0, 3))).tolist()), count]
    made = [segment(images[a:b]) for a, b in pairwise(cuts) if a < b]
    return LiveRows(made, [random.random(len(one)) < 0.9 for one in made])


@settings(max_examples=25, phases=[Phase.reuse, Phase.generate])
@given(
    snapshot=snapshots(12),
    score=SCORES,
    where=FILTERS,
    by=GROUPS,
    size=st.integers(1, 80),
    chunk=st.sampled_from([1, 500, 2**21]),
)
def test_a_search_of_all_is_the_oracle_in_pages_of_any_size(
    snapshot: LiveRows, score: Score, where: Filter, by: GroupBy | None, size: int, chunk: int
) -> None:
    def find(top: int) -> Listed:
        found = searching.search(snapshot, parts(), score, where, top, GRID, index_of, by=by)
        return listed(found)

    index_of = indexes().of
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(searching, "_CHUNK_BYTES", chunk)
        assert require_pages(find, 80, size) == listed(oracle(snapshot, score, where, by))


@settings(max_examples=25, phases=[Phase.reuse, Phase.generate])
@given(
    snapshot=snapshots(12),
    score=SCORES,
    where=FILTERS,
    by=GROUPS,
    size=st.integers(1, 80),
    reranked=st.sampled_from([1, 2, 16]),
)
def test_candidates_are_ranked_with_all_their_copies_in_pages_of_any_size(
    snapshot: LiveRows, score: Score, where: Filter, by: GroupBy | None, size: int, reranked: int
) -> None:
    """So few candidates that indexes are cut amid copies; what is shown, is with its copies."""

    def find(top: int) -> Listed:
        return listed(
            searching.search(snapshot, parts(), score, where, top, GRID, index_of, 0, by=by)
        )

    index_of = indexes().of
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(searching.RERANKED, score, reranked)
        found = require_pages(find, 80, size)
    expected = oracle(snapshot, score, where, by)
    known = dict(found)
    assert known.keys() <= {one.id for one in oracle(snapshot, score, where, None)}
    if by is None:
        shown = {one.content for one in expected if one.id in known}
        assert found == [(one.id, one.score) for one in expected if one.content in shown]
    else:
        best = {one.group for one in expected if one.group}
        assert len(found) <= len(best) + sum(not one.group for one in expected)


@cache
def indexes() -> Indexes:
    """Those of segments that are in memory."""
    return Indexes(Path("/nonexistent"), DIMENSIONS)


CONTENTS, CROWD, COUNT = 24, 1500, 4300


@pytest.fixture(scope="module")
def crowded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gallery]:
    """An indexed segment and a small one; of the best content there are more copies than an index
    is asked for."""
    random = np.random.default_rng(0)
    best = oracle(
        LiveRows([segment([copy(i, i) for i in range(CONTENTS)])], [np.ones(CONTENTS, bool)]),
        "context",
        Filter(),
        None,
    )[0]
    shown = random.integers(0, CONTENTS, COUNT)
    shown[random.permutation(COUNT)[:CROWD]] = int(best.id)
    images = [copy(int(name), int(shown[name])) for name in random.permutation(COUNT)]
    with Gallery.create(tmp_path_factory.mktemp("crowded") / "gallery", SPEC) as gallery:
        gallery.add(images[:4200])
        gallery.compact(IndexChoice("IVF16,SQ8"))
        assert not gallery.indexes.missing(gallery.view.live.segments)
        gallery.add(images[4200:])
        gallery.delete(["00003", "00020"])
        yield gallery


def on_gpu(index_of: IndexOf) -> IndexOf:
    """Positions on a GPU, for which a copy on the CPU stands."""
    owner = Owner(CopiesOnCpu())
    known = dict[Segment, SegmentIndex]()

    def of(one: Segment) -> SegmentIndex:
        if one not in known:
            made = index_of(one)
            known[one] = replace(made, positions=GpuIndex(made.positions, owner))
        return known[one]

    return of


@pytest.mark.parametrize("by", [None, GroupBy()], ids=["images", "tracks"])
@pytest.mark.parametrize("where", [Filter(), Filter(cameras={"c1"})], ids=["all", "filtered"])
@pytest.mark.parametrize("device", ["cpu", "gpu"])
@pytest.mark.parametrize("score", get_args(Score))
def test_more_copies_than_candidates_are_the_first_by_id(
    crowded: Gallery, score: Score, device: str, where: Filter, by: GroupBy | None
) -> None:
    snapshot, on_cpu = crowded.view.live, crowded.indexes.of
    index_of = on_cpu if device == "cpu" else on_gpu(on_cpu)

    def find(top: int) -> Listed:
        return listed(
            searching.search(snapshot, parts(), score, where, top, GRID, index_of, 0, by=by)
        )

    expected = listed(oracle(snapshot, score, where, by))
    for top in (1, 2, 20, 33, 200, 1000):
        assert find(top) == expected[:top]
