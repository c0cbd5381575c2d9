"""Trained indexes find what scoring every image finds, and are made again when they are damaged."""

import json
import shutil
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pytest
from click.testing import CliRunner
from gallery_images import GRID
from indexed_gallery import (
    COUNT,
    DIMENSIONS,
    SHARES,
    WIDE,
    fill,
    made,
    marked_queries,
    queries,
    recall,
)

from partlens.explainer.scoring import MIXTURES, Score, whole_part
from partlens.indexer.cli import index
from partlens.indexer.gallery import Filter, Gallery, NewImage, checksums
from partlens.indexer.gallery.erasure import erase
from partlens.indexer.gallery.estimates import plan
from partlens.indexer.gallery.findings import Finding
from partlens.indexer.gallery.indexes import INDEXES, FactoryError
from partlens.indexer.gallery.plan import INDEXED_ROWS, IndexChoice
from partlens.indexer.gallery.scrub_record import Pass, beside
from partlens.indexer.gallery.scrubbing import Scrubber
from partlens.indexer.gallery.search import search
from partlens.indexer.gallery.verification import repair, verify


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("large") / "gallery"
    with Gallery.create(path, WIDE) as gallery:
        fill(gallery)
    return path


@pytest.fixture
def gallery(folder: Path) -> Iterator[Gallery]:
    with Gallery.open(folder) as opened:
        yield opened


@pytest.mark.parametrize("kept", [*SHARES, "none"])
def test_recall_does_not_collapse_under_a_filter(gallery: Gallery, kept: str) -> None:
    where = Filter(attributes={kept: "yes"})
    assert recall(gallery, where) >= 0.95
    for parts in queries():
        hits = gallery.view.search(parts, "context", where, 50)
        assert all(hit.stored.metadata.attributes.get(kept) == "yes" for hit in hits)
        assert all(int(hit.id) % 50 != 7 for hit in hits)


def test_deleted_images_are_not_found_through_an_index(folder: Path, tmp_path: Path) -> None:
    with Gallery.create(tmp_path / "gallery", WIDE) as gallery:
        fill(gallery)
        parts = next(queries())
        where = Filter()
        best = [hit.id for hit in gallery.view.search(parts, "context", where, 5)]
        gallery.delete(best[:3])
        index_of, snapshot = gallery.indexes.of, gallery.view.live
        after = search(snapshot, parts, "context", where, 5, GRID, index_of, 0)
        assert [one.id for one in after][:2] == best[3:]


@pytest.mark.parametrize(("score", "least"), [("whole", 1), ("context", 0.95), ("part", 0.9)])
def test_every_score_finds_its_best(gallery: Gallery, score: Score, least: float) -> None:
    assert recall(gallery, Filter(), score) >= least


@pytest.mark.parametrize(("score", "least"), [("whole", 1), ("context", 0.95), ("part", 0.9)])
def test_after_feedback_candidates_are_those_of_the_changed_region(
    gallery: Gallery, score: Score, least: float
) -> None:
    assert recall(gallery, Filter(), score, marked_queries(gallery)) >= least


def test_fresh_segments_beside_an_indexed_one_do_not_hide_it(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "gallery")
    with Gallery.open(tmp_path / "gallery") as gallery:
        before = recall(gallery, Filter())
        for start in range(COUNT + 100, COUNT + 220, 30):
            gallery.add([made(number) for number in range(start, start + 30)])
        assert len(gallery.view.live.segments) > 2
        assert recall(gallery, Filter()) >= before - 0.02


def test_an_index_knows_whole_images(gallery: Gallery) -> None:
    (segment,) = gallery.view.live.segments
    sums, index = segment.contributions[:].sum(1), gallery.indexes.of(segment)
    lengths = np.linalg.norm(sums, axis=1)
    np.testing.assert_allclose(index.units, sums / lengths[:, None], atol=1e-3)
    embeddings = np.linalg.norm(sums + segment.bias, axis=1)
    np.testing.assert_allclose(index.lengths, np.stack([lengths, embeddings], 1), rtol=1e-5)


@pytest.mark.parametrize(
    "factory", ["auto", "IVF64,SQ8", "IVF64,RaBitQ", "RR32,IVF64,SQ8", "HNSW16,SQ8", "Flat"]
)
def test_any_factory_string_gives_an_index(gallery: Gallery, factory: str) -> None:
    gallery.compact(IndexChoice(factory))
    assert recall(gallery, Filter()) >= 0.9
    again = Gallery.open(gallery.path)
    assert again.indexes.choice == IndexChoice(factory)
    assert not again.indexes.missing(again.view.live.segments)
    assert recall(again, Filter()) >= 0.9


def test_what_is_no_factory_string_is_refused(gallery: Gallery) -> None:
    with pytest.raises(FactoryError, match="'IVF64,nonsense'"):
        gallery.compact(IndexChoice("IVF64,nonsense"))
    gallery.compact(IndexChoice())
    assert gallery.indexes.choice == IndexChoice()


@pytest.mark.parametrize(
    "file",
    [
        "positions.faiss",
        "images.faiss",
        "embeddings.faiss",
        "images.npy",
        "lengths.npy",
        "index.json",
    ],
)
def test_a_damaged_index_is_found_passed_over_and_made_again(folder: Path, file: str) -> None:
    (index,) = (path for path in (folder / INDEXES).iterdir() if path.is_dir())
    data = bytearray((index / file).read_bytes())
    data[len(data) // 2] ^= 1
    (index / file).write_bytes(data)
    with Gallery.open(folder) as gallery:
        assert gallery.indexes.missing(gallery.view.live.segments)
        assert recall(gallery, Filter()) >= 0.95
    findings = verify(folder).findings
    assert [finding.place for finding in findings] == [f"{INDEXES}/{index.name}"]
    assert findings[0].repairable and file in findings[0].problem
    assert not repair(folder).findings
    with Gallery.open(folder) as gallery:
        assert not gallery.indexes.missing(gallery.view.live.segments)


class Heard:
    """Takes note of what a Scrubber clears."""

    def __init__(self) -> None:
        self.mended = list[str]()

    def read(self, count: int) -> None: ...

    def found(self, finding: Finding) -> None: ...

    def passed(self, done: Pass) -> None: ...

    def cleared(self, finding: Finding, *, mended: bool) -> None:
        assert mended
        self.mended.append(finding.place)


@pytest.mark.parametrize("file", ["positions.faiss", "images.npy"])
def test_an_index_that_is_damaged_in_use_is_made_again(folder: Path, file: str) -> None:
    with Gallery.open(folder) as gallery:
        before, heard = recall(gallery, Filter()), Heard()
        (segment,) = gallery.view.live.segments
        assert segment.path is not None
        place = folder / INDEXES / segment.path.name
        with closing(Scrubber(gallery, beside(folder), heard, 1e9, every=0.05)):
            with (place / file).open("r+b") as opened:
                opened.seek(5000)
                opened.write(bytes(range(0x81, 0xC1)))
            end = time.monotonic() + 60
            while not heard.mended:
                assert time.monotonic() < end
                time.sleep(0.02)
        assert heard.mended == [f"{INDEXES}/{place.name}"]
        assert gallery.indexes.of(segment).on_disk
        assert recall(gallery, Filter()) >= before - 0.02
    assert not verify(folder).findings


def test_an_index_of_wrong_numbers_with_right_checksums_is_not_used(
    folder: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "gallery"
    shutil.copytree(folder, copy)
    (place,) = (one for one in (copy / INDEXES).iterdir() if one.is_dir())
    for file in ("positions.faiss", "images.faiss"):
        whole = (place / file).read_bytes()
        changed: Any = faiss.read_index(str(place / file))
        if faiss.try_extract_index_ivf(changed) is None:
            ids = faiss.rev_swig_ptr(changed.id_map.data(), changed.ntotal)
        else:
            inverted: Any = faiss.try_extract_index_ivf(changed)
            lists = inverted.invlists
            ids = faiss.rev_swig_ptr(lists.get_ids(0), lists.list_size(0))
        ids += 10**9
        faiss.write_index(changed, str(place / file))
        checksums.record(place / "files.sha256", [place / file])
        with Gallery.open(copy) as gallery:
            (segment,) = gallery.view.live.segments
            assert not gallery.indexes.of(segment).on_disk
            assert recall(gallery, Filter()) >= 0.95
            assert gallery.indexes.missing([segment]) == [segment], "to be made again"
        (place / file).write_bytes(whole)
        checksums.record(place / "files.sha256", [place / file])
    with Gallery.open(copy) as gallery:
        (segment,) = gallery.view.live.segments
        assert gallery.indexes.of(segment).on_disk


def test_memory_is_what_the_plan_says(gallery: Gallery) -> None:
    gallery.compact(IndexChoice())
    (index,) = (path for path in (gallery.path / INDEXES).iterdir() if path.is_dir())
    size = sum(file.stat().st_size for file in index.iterdir())
    planned = plan(len(gallery.view), 12, DIMENSIONS, IndexChoice()).memory_bytes
    assert planned / 1.5 < size < 1.5 * planned


def test_a_budget_chooses_the_storage() -> None:
    free = plan(10**6, 32, 128, IndexChoice())
    assert free.positions_factory.endswith("SQfp16") and free.fits
    tight = plan(10**6, 32, 128, IndexChoice(memory_bytes=6 * 2**30))
    assert tight.positions_factory.endswith("SQ8") and tight.fits
    tighter = plan(10**6, 32, 128, IndexChoice(memory_bytes=2 * 2**30))
    assert tighter.positions_factory.endswith("RaBitQ") and tighter.fits
    assert not plan(10**6, 32, 128, IndexChoice(memory_bytes=2**30)).fits
    assert plan(INDEXED_ROWS, 32, 128, IndexChoice("Flat")).recall_at_10 is None


def test_the_commands_plan_and_index_again(folder: Path) -> None:
    planned = CliRunner().invoke(
        index, ["plan", "--images", "1000000", "--memory", "8GiB", "--json"]
    )
    assert json.loads(planned.stdout)["memory_bytes"] < 8 * 2**30
    refused = CliRunner().invoke(index, ["plan", "--images", "1000000", "--memory", "1GiB"])
    assert refused.exit_code == 1 and "allow more memory" in refused.output
    assert CliRunner().invoke(index, ["plan", "--images", "1", "--memory", "8 GB"]).exit_code == 2
    compacted = CliRunner().invoke(index, ["compact", str(folder), "--index", "IVF32,SQ8"])
    assert compacted.exit_code == 0, compacted.output
    with Gallery.open(folder) as opened:
        (segment,) = opened.view.live.segments
        assert opened.indexes.of(segment).positions.nlist == 32


def test_an_erased_image_is_in_no_index(folder: Path, tmp_path: Path) -> None:
    path = Path(shutil.copytree(folder, tmp_path / "gallery"))
    contributions = stored(path, "00100")
    assert nearest(path, contributions).min() > 0.98  # whatever the index keeps of them
    receipt = erase(path, ["00100"])
    assert receipt.gone and any(name.startswith(INDEXES) for name in receipt.files_removed)
    assert nearest(path, contributions).max() < 0.98
    assert not verify(path).findings


def stored(path: Path, id: str) -> np.ndarray:
    with Gallery.open(path) as gallery:
        return np.asarray(gallery.view.decompositions([id])[0][0])


def nearest(path: Path, vectors: np.ndarray) -> np.ndarray:
    """The largest cosine of each vector with one in an index of positions."""
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    with Gallery.open(path) as gallery:
        assert not gallery.indexes.missing(gallery.view.live.segments)
        found = []
        for segment in gallery.view.live.segments:
            index = gallery.indexes.of(segment).positions
            index.nprobe = index.nlist
            found.append(index.search(unit, 1)[0][:, 0])
    return np.asarray(np.max(found, axis=0))


def nothing(number: int) -> NewImage:
    """An image that contributes nothing: its embedding is its bias."""
    return replace(made(number), contributions=np.zeros((12, DIMENSIONS), np.float32))


@pytest.mark.parametrize("score", MIXTURES)
def test_a_segment_of_images_that_contribute_nothing_does_not_hinder_a_search(
    folder: Path, tmp_path: Path, score: Score
) -> None:
    shutil.copytree(folder, tmp_path / "gallery")
    with Gallery.open(tmp_path / "gallery") as gallery:
        gallery.add([nothing(COUNT)])
        assert recall(gallery, Filter(), score) >= 0.7


def test_regions_that_cancel_out_find_images_all_the_same(gallery: Gallery) -> None:
    ((part,), *_) = queries()
    parts = [part, replace(part, weight=-1.0)]
    for score in MIXTURES:
        found = search(gallery.view.live, parts, score, Filter(), 10, GRID, gallery.indexes.of, 0)
        assert [one.score for one in found] == pytest.approx([0.0] * 10, abs=1e-6)


@pytest.mark.parametrize("seen", [0, 3])
@pytest.mark.parametrize("factory", ["auto", "SQ8"])
def test_a_gallery_of_images_that_contribute_nothing_is_indexed(
    tmp_path: Path, factory: str, seen: int
) -> None:
    with Gallery.create(tmp_path / "gallery", WIDE) as gallery:
        gallery.compact(IndexChoice(factory))
        gallery.add([nothing(number) for number in range(INDEXED_ROWS)])
        gallery.add([made(INDEXED_ROWS + number) for number in range(seen)])
        gallery.compact()
        assert not gallery.indexes.missing(gallery.view.live.segments)
        (parts, *_) = queries()
        for score in MIXTURES:
            found = search(
                gallery.view.live, parts, score, Filter(), 3, GRID, gallery.indexes.of, 0
            )
            assert len(found) == 3


@pytest.mark.parametrize("kept", [["positions.faiss", "index.json"], []])
def test_an_index_of_an_earlier_version_is_made_again_with_the_next_commit(
    folder: Path, tmp_path: Path, kept: list[str]
) -> None:
    shutil.copytree(folder, tmp_path / "gallery")
    (place,) = (path for path in (tmp_path / "gallery" / INDEXES).iterdir() if path.is_dir())
    for path in place.iterdir():
        if path.name not in kept:
            path.unlink()
    if kept:
        checksums.record(place / "files.sha256", [place / name for name in kept])
    else:
        place.rmdir()
    with Gallery.open(tmp_path / "gallery") as gallery:
        gallery.add([made(COUNT)])
        until = time.monotonic() + 20
        while gallery.indexes.lacks_files(gallery.view.live.segments):
            assert time.monotonic() < until
            time.sleep(0.05)
        assert not gallery.indexes.missing(gallery.view.live.segments)


def test_whole_pictures_are_found_where_the_bias_differs(tmp_path: Path) -> None:
    """As in models whose class token is part of the bias, and may be most of the embedding."""

    def with_bias(number: int) -> NewImage:
        bias = np.random.default_rng([2, number]).standard_normal(DIMENSIONS) * 12
        return replace(made(number), bias=np.asarray(bias, np.float32))

    with Gallery.create(tmp_path / "gallery", WIDE) as gallery:
        gallery.add([with_bias(number) for number in range(INDEXED_ROWS)])
        gallery.compact()
        searched = [
            [whole_part(one.contributions, one.bias, np.ones(12, np.float32), GRID)]
            for one in map(with_bias, range(COUNT, COUNT + 6))
        ]
        assert recall(gallery, Filter(), "whole", searched) >= 0.95
