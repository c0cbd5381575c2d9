"""An index of a segment that lost or gained images keeps its lists, and nothing that is gone."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pytest
from indexed_gallery import DIMENSIONS, WIDE, made, recall
from numpy.typing import NDArray

from partlens.indexer.gallery import Filter, Gallery, NewImage
from partlens.indexer.gallery.erasure import erase
from partlens.indexer.gallery.inherited import add_to_lists, give_centres
from partlens.indexer.gallery.plan import INDEXED_ROWS, IndexChoice
from partlens.indexer.gallery.verification import verify

COUNT = INDEXED_ROWS + 200
STRANGE = [f"{number:05}" for number in range(0, 600, 30)]
"""Images like nothing else in the gallery, so that their positions have lists of their own."""


def strange(number: int) -> NewImage:
    random = np.random.default_rng([7, number])
    alone = 10 * np.eye(DIMENSIONS)[3] + 0.01 * random.standard_normal((12, DIMENSIONS))
    return replace(made(number), contributions=alone.astype(np.float32))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("inherited") / "gallery"
    with Gallery.create(path, WIDE) as gallery:
        gallery.add(
            [
                strange(number) if f"{number:05}" in STRANGE else made(number)
                for number in range(COUNT)
            ]
        )
        gallery.compact()
    return path


def index_of(path: Path) -> tuple[list[str], Any]:
    """Ids of the images by row, and the index of their positions."""
    with Gallery.open(path) as gallery:
        (segment,) = gallery.view.live.segments
        rows = np.arange(len(segment))
        return list(segment.columns.ids(rows)), gallery.indexes.of(segment).positions


def centres(index: Any) -> NDArray[np.float32]:
    return np.asarray(index.quantizer.reconstruct_n(0, index.nlist))


def members(ids: list[str], index: Any) -> dict[tuple[str, int], int]:
    """(image, position) -> its list."""
    found = {}
    for number in range(index.nlist):
        size = index.invlists.list_size(number)
        if size:
            for id in faiss.rev_swig_ptr(index.invlists.get_ids(number), size).tolist():
                found[ids[id // 12], id % 12] = number
    return found


@pytest.mark.parametrize("factory", ["auto", "IVF64,SQ8", "IVF64,RaBitQ"])
def test_centres_are_means_of_the_vectors_that_remain(
    folder: Path, tmp_path: Path, factory: str
) -> None:
    path = Path(shutil.copytree(folder, tmp_path / "gallery"))
    with Gallery.open(path) as gallery:
        if factory != "auto":
            gallery.indexes.choose(IndexChoice(factory))
        gallery.compact()
    before = members(*index_of(path))
    assert erase(path, STRANGE).gone
    ids, index = index_of(path)
    after = members(ids, index)
    assert after == {of: number for of, number in before.items() if of[0] not in STRANGE}
    with Gallery.open(path) as gallery:
        vectors = gallery.view.decompositions(ids)[0].astype(np.float64)
        vectors /= np.linalg.norm(vectors, axis=2, keepdims=True)
        assert recall(gallery, Filter()) >= 0.95
    sums = np.zeros((index.nlist, DIMENSIONS))
    for row, id in enumerate(ids):
        for position in range(12):
            sums[after[id, position]] += vectors[row, position]
    lengths = np.linalg.norm(sums, axis=1, keepdims=True)
    some = lengths[:, 0] > 0
    np.testing.assert_allclose(centres(index)[some], sums[some] / lengths[some], atol=1e-5)
    assert not verify(path).findings


def test_a_list_of_erased_images_only_keeps_nothing_of_them(folder: Path, tmp_path: Path) -> None:
    path = Path(shutil.copytree(folder, tmp_path / "gallery"))
    axis = np.eye(DIMENSIONS, dtype=np.float32)[3]
    with Gallery.open(path) as gallery:
        gallery.indexes.choose(IndexChoice("IVF64,SQ8"))
        gallery.compact()
    assert (centres(index_of(path)[1]) @ axis).max() > 0.999
    assert erase(path, STRANGE).gone
    assert (centres(index_of(path)[1]) @ axis).max() < 0.9


def test_an_index_with_another_number_of_lists_is_trained_anew(
    folder: Path, tmp_path: Path
) -> None:
    path = Path(shutil.copytree(folder, tmp_path / "gallery"))
    with Gallery.open(path) as gallery:
        gallery.indexes.choose(IndexChoice("IVF64,SQ8"))
        gallery.compact()
        gallery.indexes.choose(IndexChoice("IVF32,SQ8"))
    assert erase(path, STRANGE).gone
    ids, index = index_of(path)
    assert index.nlist == 32 and len(members(ids, index)) == 12 * (COUNT - len(STRANGE))


def test_a_vector_of_no_list_is_added_to_the_nearest() -> None:
    index: Any = faiss.index_factory(2, "IVF2,SQfp16", faiss.METRIC_INNER_PRODUCT)
    vectors = np.array([[1, 0], [0, 1], [0.6, 0.8]], np.float32)
    lists = np.array([0, 1, -1], np.int32)
    give_centres(index, [(vectors, lists)])
    assert np.allclose(centres(index), np.eye(2), atol=1e-6)
    index.train(np.tile(vectors, (100, 1)))
    add_to_lists(index, vectors, np.arange(3), lists)
    assert members(list("abc"), index) == {("a", 0): 0, ("a", 1): 1, ("a", 2): 1}


def grown(path: Path, first: int, count: int) -> tuple[list[str], Any]:
    """index_of, after images were added and segments merged."""
    with Gallery.open(path) as gallery:
        gallery.add([made(number) for number in range(first, first + count)])
        gallery.compact()
    return index_of(path)


def test_a_segment_that_grows_keeps_its_lists_for_a_while(folder: Path, tmp_path: Path) -> None:
    path = Path(shutil.copytree(folder, tmp_path / "gallery"))
    with Gallery.open(path) as gallery:
        gallery.compact(IndexChoice("IVF64,SQfp16"))
    first = members(*index_of(path))
    ids, index = grown(path, COUNT, 1500)
    after = members(ids, index)
    assert {of: number for of, number in after.items() if of in first} == first
    with Gallery.open(path) as gallery:
        vectors = gallery.view.decompositions(ids)[0].astype(np.float64)
        assert recall(gallery, Filter()) >= 0.95
    vectors /= np.linalg.norm(vectors, axis=2, keepdims=True)
    expected, nearest = np.zeros((index.nlist, DIMENSIONS)), vectors @ centres(index).T
    for row, id in enumerate(ids):
        for position in range(12):
            number = after[id, position]
            if (id, position) in first:
                expected[number] += vectors[row, position]
            else:
                assert nearest[row, position, number] > nearest[row, position].max() - 1e-5
    lengths = np.linalg.norm(expected, axis=1, keepdims=True)
    some = lengths[:, 0] > 0
    np.testing.assert_allclose(centres(index)[some], expected[some] / lengths[some], atol=1e-5)

    ids, index = grown(path, COUNT + 1500, 2500)
    again = members(ids, index)
    assert any(again[of] != number for of, number in first.items())
    assert not verify(path).findings


def test_an_image_erased_while_segments_merge_is_in_no_centre(folder: Path, tmp_path: Path) -> None:
    path = Path(shutil.copytree(folder, tmp_path / "gallery"))
    axis = np.eye(DIMENSIONS, dtype=np.float32)[3]
    with Gallery.open(path) as gallery:
        gallery.compact(IndexChoice("IVF64,SQ8"))
        gallery.add([made(number) for number in range(COUNT, COUNT + 1500)])
        largest = max(gallery.view.live.segments, key=len)
        before = centres(gallery.indexes.of(largest).positions)
    assert (before @ axis).max() > 0.999
    assert erase(path, STRANGE).gone
    ids, index = index_of(path)
    assert len(ids) == COUNT + 1500 - len(STRANGE)
    assert (centres(index) @ axis).max() < 0.9
