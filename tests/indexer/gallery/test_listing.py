"""Listing by id is what looking at every id would give."""

from collections.abc import Iterator

import pytest
from gallery_images import SPEC, image
from hypothesis import example, given
from hypothesis import strategies as st

from partlens.common.ids import MAX_ID
from partlens.indexer.gallery import Filter, Gallery
from partlens.indexer.gallery.view import GalleryView

# Composed and decomposed letters, letters outside the 16-bit range, and signs of patterns.
IDS = [
    "a", "a/1.jpg", "a/10.jpg", "a/2.jpg", "A/1.jpg", "a%", "a_", "a.*", "a\\",
    "caf\u00e9", "cafe\u0301", "stra\u00dfe", "strasse", "\u4eba/1", "\u4eba/2",
    "\U0001f9e2", "\U0001f9e2\U0001f3fd", "\ue000", "\uffff", "x" * MAX_ID,
]  # fmt: skip
GONE = ["a/11.jpg", "\u4eba/3"]
prefixes = st.one_of(
    st.text(max_size=3),
    st.builds(lambda id, end: id[:end], st.sampled_from(IDS + GONE), st.integers(0, 8)),
)


@pytest.fixture(scope="module")
def view(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GalleryView]:
    with Gallery.create(tmp_path_factory.mktemp("galleries") / "ids", SPEC) as gallery:
        for some in (IDS[::2] + GONE, IDS[1::2]):
            gallery.add([image(id, camera=str(len(id) % 2)) for id in some])
        gallery.delete(GONE)
        yield gallery.view


@example("", "", 30, "")
@example("a/1", "a/1.jpg", 5, "")
@given(prefixes, st.one_of(st.just(""), prefixes), st.integers(1, 30), st.sampled_from(["", "1"]))
def test_a_page_is_what_comparing_each_id_gives(
    view: GalleryView, prefix: str, after: str, limit: int, camera: str
) -> None:
    where = Filter(cameras={camera}) if camera else None
    expected = [
        id
        for id in sorted(IDS)
        if id.startswith(prefix) and id > after and camera in ("", str(len(id) % 2))
    ]
    found = view.list(after, limit, where, prefix=prefix)
    assert [one.id for one in found] == expected[:limit]
