"""What is kept in memory is what the newest commit holds, whatever was added and deleted before."""

from dataclasses import replace

import numpy as np
from gallery_images import image
from hypothesis import given, settings
from hypothesis import strategies as st

from partlens.explainer.stored import Stored
from partlens.indexer.gallery import Correction, Gallery, Metadata, NewImage
from partlens.indexer.gallery.kept_rows import KeptRows
from partlens.indexer.gallery.records import Place

IDS = [f"{number:02}" for number in range(12)]


def numbered(id: str, number: int) -> NewImage:
    return replace(image(id, number), thumbnail=f"{id} {number}".encode() * 40)


def require_as_added(gallery: Gallery, added: dict[str, NewImage]) -> None:
    """Twice, as the second time comes from memory."""
    for _ in range(2):
        ids = sorted(added)
        assert gallery.view.thumbnails(ids) == [added[id].thumbnail for id in ids]
        for id in ids:
            kept = Stored.of(added[id].contributions[None], gallery.bound.storage)
            contributions, bias = gallery.view.decomposition(id)
            np.testing.assert_array_equal(contributions, kept[0])
            np.testing.assert_array_equal(bias, added[id].bias)


def test_an_image_is_never_shown_as_an_earlier_revision_of_it(gallery: Gallery) -> None:
    random, added = np.random.default_rng(0), dict[str, NewImage]()
    for number in range(15):
        fresh = {id: numbered(id, number) for id in random.choice(IDS, 4, replace=False).tolist()}
        gallery.add(list(fresh.values()))
        added |= fresh
        if number % 4 == 3:
            gone = random.choice(sorted(added), 2, replace=False).tolist()
            gallery.delete(gone)
            added = {id: one for id, one in added.items() if id not in gone}
        if number % 5 == 4:
            gallery.compact()
        require_as_added(gallery, added)
    gallery.correct([Correction(id, "sha256:0", "new", Metadata("c2")) for id in sorted(added)])
    require_as_added(gallery, added)


def test_a_reader_drops_what_another_gallery_object_deleted(gallery: Gallery) -> None:
    gallery.add([numbered(id, 0) for id in IDS])
    reader = Gallery.open(gallery.path)
    reader.view.thumbnails(IDS)
    for id in IDS:
        reader.view.decomposition(id)
    kept, before = reader.view.kept, reader.view
    gallery.delete(IDS[:5])
    reader.refresh()
    assert len(kept.thumbnails) == len(kept.decompositions) == 7
    # A request that began on the earlier view keeps nothing.
    kept.thumbnails.keep(before.live, {before.live.find(IDS[:1])[IDS[0]]: b"erased"})
    assert len(kept.thumbnails) == 7
    # A purge writes new segments, of which nothing is kept yet.
    gallery.purge()
    reader.refresh()
    assert len(kept.thumbnails) == len(kept.decompositions) == kept.thumbnails.bytes == 0
    require_as_added(reader, {id: numbered(id, 0) for id in IDS[5:]})
    reader.close()


@settings(max_examples=30)
@given(
    sizes=st.lists(st.integers(0, 900), min_size=1, max_size=12),
    asked=st.lists(st.integers(0, 11), max_size=30),
)
def test_the_most_recently_used_are_kept_as_far_as_they_fit(
    gallery_of_twelve: Gallery, sizes: list[int], asked: list[int]
) -> None:
    """Against a list of what was used, the last one first."""
    live, kept = gallery_of_twelve.view.live, KeptRows[bytes](len, most_bytes=3000)
    kept.follow(live)
    used = list[int]()
    for row in asked:
        place, value = Place(0, row), bytes(sizes[row % len(sizes)])
        (found,) = kept.find(live, [place])
        assert found == (value if row in used else None)
        if found is None:
            kept.keep(live, {place: value})
        used = [row, *(one for one in used if one != row)]
        while sum(len(bytes(sizes[one % len(sizes)])) + 256 for one in used) > 3000:
            used.pop()
        assert len(kept) == len(used) and kept.bytes <= 3000
