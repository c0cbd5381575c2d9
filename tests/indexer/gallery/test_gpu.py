"""Indexes on a GPU: the same results as on the CPU, filters and deletions included.

What runs everywhere takes a copy on the CPU for the one on the GPU, and asks of it no more than a
GPU can: no selectors, few results. What is marked cuda runs on a GPU.
"""

import gc
import threading
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pytest
from gallery_images import GRID, SPEC
from gpu_on_cpu import Copies
from indexed_gallery import WIDE, fill, queries, recall

from partlens.indexer.gallery import Filter, Gallery, candidates
from partlens.indexer.gallery.gpu import (
    ENOUGH,
    LEAST_SHARE,
    MOST,
    GpuError,
    GpuIndex,
    Owner,
    gpu_copy,
)
from partlens.indexer.gallery.plan import PROBES, IndexChoice
from partlens.indexer.gallery.search import search

ROWS, EACH, DIMENSIONS = 3000, 4, 16


@pytest.fixture
def index() -> Any:
    """Of ROWS * EACH vectors of length 1."""
    random = np.random.default_rng(0)
    vectors = random.standard_normal((ROWS * EACH, DIMENSIONS)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    made = faiss.index_factory(DIMENSIONS, "IVF32,SQfp16", faiss.METRIC_INNER_PRODUCT)
    made.train(vectors)
    made.add(vectors)
    return made


def query(seed: int) -> np.ndarray:
    made = np.random.default_rng([1, seed]).standard_normal((1, DIMENSIONS)).astype(np.float32)
    return np.asarray(made / np.linalg.norm(made), np.float32)


@pytest.mark.parametrize("share", [1.0, 0.98, 0.7, 0.55])
def test_what_passes_a_filter_is_what_the_cpu_finds_with_selectors(
    index: Any, share: float
) -> None:
    there = GpuIndex(index, Owner(Copies()))
    random = np.random.default_rng(2)
    rows = np.sort(random.choice(ROWS, int(share * ROWS), replace=False))
    for seed in range(10):
        found = there.nearest(query(seed), rows, ROWS, EACH, 100)
        assert found is not None
        bits = candidates._bitmap(rows, ROWS, EACH)
        selector = faiss.IDSelectorBitmap(len(bits), faiss.swig_ptr(bits))
        every = candidates._parameters(index, index.nlist, selector)
        near, ids = index.search(query(seed), 100, params=every)
        np.testing.assert_array_equal(found[1], ids[0])
        np.testing.assert_array_equal(found[0], near[0])


def test_what_a_gpu_cannot_do_is_left_to_the_cpu(index: Any) -> None:
    there = GpuIndex(index, Owner(Copies()))
    few = np.arange(int(LEAST_SHARE * ROWS) - 1)
    assert there.nearest(query(0), few, ROWS, EACH, 10) is None
    many = int(MOST / ENOUGH)
    found = there.nearest(query(0), np.arange(ROWS), ROWS, EACH, many)
    assert found is not None and len(found[1]) == MOST
    assert there.nearest(query(0), np.arange(ROWS), ROWS, EACH, many + 1) is None
    near, ids = candidates._nearest(there, query(0), few, ROWS, EACH, 10)
    on_cpu = candidates._nearest(index, query(0), few, ROWS, EACH, 10)
    np.testing.assert_array_equal(ids, on_cpu[1])
    np.testing.assert_array_equal(near, on_cpu[0])


def test_one_thread_touches_the_gpu_and_gives_its_memory_back(index: Any) -> None:
    copies = Copies()
    owner = Owner(copies)
    some = [GpuIndex(index, owner) for _ in range(3)]
    callers = [
        threading.Thread(
            target=lambda one=one: one.nearest(query(1), np.arange(ROWS), ROWS, EACH, 10)
        )
        for one in some
        for _ in range(4)
    ]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(20)
    assert copies.alive == 3
    del some[0], callers
    gc.collect()
    owner.search(id(some[0]), query(1), 1)  # behind what gives the memory back
    assert copies.alive == 2 and len(copies.threads) == 1


def test_an_index_that_a_gpu_does_not_know_stays_on_the_cpu(
    index: Any, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(one: Any) -> Any:
        raise RuntimeError("not implemented on GPU")

    assert gpu_copy(index, Owner(refuse)) is index
    assert "not implemented on GPU" in caplog.text


@pytest.mark.skipif(
    hasattr(faiss, "StandardGpuResources") and faiss.get_num_gpus() > 0, reason="there is a GPU"
)
def test_without_a_gpu_a_gallery_says_so(tmp_path: Path) -> None:
    Gallery.create(tmp_path / "gallery", SPEC).close()
    with pytest.raises(GpuError, match=r"faiss-gpu|finds no GPU"):
        Gallery.open(tmp_path / "gallery", SPEC, "cuda")


@pytest.mark.cuda
@pytest.mark.parametrize("factory", ["auto", "IVF64,SQ8", "IVF64,Flat"])
def test_a_gallery_on_a_gpu_finds_what_it_finds_on_the_cpu(tmp_path: Path, factory: str) -> None:
    with Gallery.create(tmp_path / "gallery", WIDE) as gallery:
        fill(gallery)
        gallery.compact(IndexChoice(factory))
    here = Gallery.open(tmp_path / "gallery", WIDE)
    with Gallery.open(tmp_path / "gallery", WIDE, "cuda") as there:
        index_of = there.indexes.of
        assert isinstance(index_of(there.view.live.segments[0]).positions, GpuIndex)
        everything = Filter()
        assert recall(there, everything) >= recall(here, everything) - 0.02
        for kept in ("tenth", "hundredth", "thousandth"):
            assert recall(there, Filter(attributes={kept: "yes"})) >= 0.95
        gone = [hit.id for hit in there.view.search(next(queries()), "context", everything, 5)]
        there.delete(gone)
        found = search(
            there.view.live, next(queries()), "context", everything, 5, GRID, index_of, 0
        )
        assert not {one.id for one in found} & set(gone)


def test_no_list_is_left_out_that_the_cpu_would_look_into(index: Any) -> None:
    made: list[Any] = []

    def copy(one: Any) -> Any:
        made.append(Copies()(one))
        return made[-1]

    GpuIndex(index, Owner(copy))
    assert made[0].nprobe == min(32, round(PROBES / LEAST_SHARE))
