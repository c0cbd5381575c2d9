"""Facets say what counting over every image would."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pytest
from gallery_images import SPEC, image
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.indexer.gallery.test_image_columns import filters, metadata

from partlens.indexer.gallery import Filter, Gallery, Metadata
from partlens.indexer.gallery.facets import MOST_ATTRIBUTES, Facet, Facets
from partlens.indexer.gallery.view import GalleryView


def counted(name: str, texts: Iterable[str], values: int) -> Facet:
    texts = list(texts)
    counts = Counter(text for text in texts if text)
    ranked = sorted(counts.items(), key=lambda one: (-one[1], one[0]))
    return Facet(name, ranked[:values], len(counts), texts.count(""))


def expected(view: GalleryView, where: Filter, values: int) -> Facets:
    """By a look at each image."""
    of = [one.metadata for one in view.list(limit=1000, where=where)]
    names = sorted({name for one in of for name, text in one.attributes.items() if text})
    times = [one.captured_at for one in of if one.captured_at]
    return Facets(
        len(of),
        counted("camera", (one.camera for one in of), values),
        counted("track", (one.track for one in of), values),
        [counted(name, (one.attributes.get(name, "") for one in of), values) for name in names],
        min(times, default=None),
        max(times, default=None),
    )


def as_tuples(facet: Facet) -> Facet:
    return Facet(facet.name, list(facet.values), facet.distinct, facet.unknown)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("galleries")


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(metadata, min_size=1, max_size=12),
    st.lists(st.tuples(filters, st.integers(1, 4)), min_size=1, max_size=12),
)
def test_facets_are_what_counting_every_image_gives(
    folder: Path, of_images: list[Metadata], asked: list[tuple[Filter, int]]
) -> None:
    with Gallery.create(folder / str(len(list(folder.iterdir()))), SPEC) as gallery:
        half = len(of_images) // 2
        for some in (range(half), range(half, len(of_images))):
            gallery.add([image(str(i), i % 3, **vars(of_images[i])) for i in some])
        gallery.delete(["1"])
        for where, values in [*asked, (Filter(), 3)]:
            found = gallery.view.facets(where, values)
            plain = Facets(
                found.images,
                as_tuples(found.cameras),
                as_tuples(found.tracks),
                list(map(as_tuples, found.attributes)),
                found.first,
                found.last,
            )
            assert plain == expected(gallery.view, where, values)


def test_of_too_many_attributes_those_of_most_images_are_kept(folder: Path) -> None:
    many = {f"{n:03}": "x" for n in range(MOST_ATTRIBUTES + 50)}
    with Gallery.create(folder / "many", SPEC) as gallery:
        gallery.add([image("a", attributes=many), image("b", attributes={"149": "y", "zz": ""})])
        found = gallery.view.facets(Filter(), 10)
    assert len(found.attributes) == MOST_ATTRIBUTES
    assert [one.name for one in found.attributes] == [*sorted(many)[: MOST_ATTRIBUTES - 1], "149"]
    assert found.attributes[-1] == Facet("149", [("x", 1), ("y", 1)], 2, 0)


def test_counting_ends_when_its_caller_leaves(folder: Path) -> None:
    class GoneError(Exception):
        pass

    def require_waiting() -> None:
        raise GoneError

    with Gallery.create(folder / "left", SPEC) as gallery:
        gallery.add([image("a")])
        with pytest.raises(GoneError):
            gallery.view.facets(Filter(), 10, require_waiting)
