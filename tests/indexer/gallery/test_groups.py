"""A search by group is the ranking of all images, of which each group's best is kept."""

from collections.abc import Iterator, Sequence

import numpy as np
import pytest
from gallery_images import GRID, SPEC, image, parts

from partlens.indexer.gallery import Candidate, Filter, Gallery, GroupBy
from partlens.indexer.gallery.search import RERANKED, search

COUNT = 90
TRACK, CAMERA, COLOUR = GroupBy(), GroupBy("camera"), GroupBy(attribute="colour")
BY = {"track": TRACK, "camera": CAMERA, "attribute": COLOUR, "of no image": GroupBy(attribute="x")}
WHERE = {"all": Filter(), "two cameras": Filter(cameras={"c1", "c2"})}


@pytest.fixture(scope="module")
def gallery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gallery]:
    random = np.random.default_rng(0)
    with Gallery.create(tmp_path_factory.mktemp("groups") / "gallery", SPEC) as made:
        for start in range(0, COUNT, 30):  # groups reach over segments
            made.add(
                [
                    image(
                        f"{number:03}",
                        track=str(random.integers(0, 12)) if number % 7 else "",
                        camera=f"c{random.integers(0, 4)}",
                        attributes={} if number % 5 == 0 else {"colour": "rgb"[number % 3]},
                    )
                    for number in range(start, start + 30)
                ]
            )
        made.delete(["003", "044"])
        yield made


def value(one: Candidate, by: GroupBy) -> str:
    known = one.stored.metadata
    return known.attributes.get(by.attribute, "") if by.attribute else getattr(known, by.column)


def naive(gallery: Gallery, where: Filter, by: GroupBy) -> list[tuple[str, str, int]]:
    """(id, group, others) of each group's best."""
    everything = gallery.view.search(parts(), "context", where, COUNT)
    groups = [value(one, by) for one in everything]
    return [
        (one.id, group, groups.count(group) - 1 if group else 0)
        for i, (one, group) in enumerate(zip(everything, groups, strict=True))
        if not group or group not in groups[:i]
    ]


@pytest.mark.parametrize("where", WHERE)
@pytest.mark.parametrize("by", BY)
@pytest.mark.parametrize("top", [1, 5, COUNT])
def test_each_groups_best_and_how_many_others(
    gallery: Gallery, by: str, where: str, top: int
) -> None:
    found = gallery.view.search(parts(), "context", WHERE[where], top, by=BY[by])
    expected = naive(gallery, WHERE[where], BY[by])
    assert [(one.id, one.group, one.others) for one in found] == expected[:top]


@pytest.mark.parametrize("top", [1, 5, COUNT])
def test_candidates_of_few_groups_are_not_the_end(
    gallery: Gallery, top: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here the index names two images at first: of too few groups."""
    monkeypatch.setitem(RERANKED, "context", 2)
    snapshot = gallery.view.live
    args = (snapshot, parts(), "context", Filter(), top, GRID, gallery.indexes.of)
    found = search(*args, exact_bytes=0, by=CAMERA)  # type: ignore[arg-type]
    assert len(found) == min(top, 4)
    assert len({one.group for one in found}) == len(found)


def test_cameras_can_be_left_out(gallery: Gallery) -> None:
    def ids(found: Sequence[Candidate]) -> list[str]:
        return [one.id for one in found]

    everything = gallery.view.search(parts(), "context", Filter(), COUNT)
    left = gallery.view.search(parts(), "context", Filter(exclude_cameras={"c0", "c3"}), COUNT)
    assert ids(left) == [
        one.id for one in everything if one.stored.metadata.camera not in ("c0", "c3")
    ]
    none = gallery.view.search(
        parts(), "context", Filter(cameras={"c1"}, exclude_cameras={"c1"}), 5
    )
    assert ids(none) == []
