"""Reads and searches changed FAISS files within little memory, in a process that may die of it."""

import random
import resource
import sys
from pathlib import Path

import faiss
import numpy as np

from partlens.indexer.gallery.candidates import _nearest
from partlens.indexer.gallery.faiss_files import read_index

DIMENSIONS, COUNT = 32, 2000
ROOM = 300 * 2**20
_HEADER = 400
_LARGE = (b"\xff" * 8, b"\0" * 8, (2**40).to_bytes(8, "little"), b"\xff" * 7 + b"\x7f",
          (2**31).to_bytes(8, "little"), (COUNT + 1).to_bytes(8, "little"))  # fmt: skip


def written(path: Path, factory: str) -> np.ndarray:
    """Write an index; returns a few of its vectors."""
    vectors = np.random.default_rng(0).standard_normal((COUNT, DIMENSIONS)).astype(np.float32)
    index = faiss.index_factory(DIMENSIONS, factory, faiss.METRIC_INNER_PRODUCT)
    index.train(vectors)
    if faiss.try_extract_index_ivf(index) is None:
        index = faiss.IndexIDMap2(index)
    index.add_with_ids(vectors, np.arange(COUNT))
    faiss.write_index(index, str(path))
    return vectors[:4]


def changed(data: bytes, seed: int) -> bytes:
    """Data with one to four changes, most of them of its numbers at the beginning."""
    made, out = random.Random(seed), bytearray(data)
    for _ in range(made.choice((1, 1, 2, 4))):
        place = made.randrange(_HEADER if made.random() < 0.7 else len(data))
        length = made.choice((1, 4, 8))
        out[place : place + length] = made.choice(_LARGE)[:length]
    return bytes(out[: made.randrange(len(out))] if made.random() < 0.05 else out)


def try_all(folder: Path, factory: str, count: int) -> None:
    """Print each file's seed before it is read, and in the end how many were refused."""
    path = folder / "index.faiss"
    queries = written(path, factory)
    whole, refused = path.read_bytes(), 0
    held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (held + ROOM, before[1]))
    for seed in range(count):
        path.write_bytes(changed(whole, seed))
        print(factory, seed, flush=True)
        try:
            index = read_index(path, DIMENSIONS, COUNT)
        except MemoryError:
            raise
        except (ValueError, OSError, RuntimeError) as error:
            if "bad_alloc" in str(error):
                raise
            refused += 1
            continue
        for query in queries:
            _, ids = _nearest(index, query[None], np.arange(COUNT), COUNT, 1, 10)
            if ids.max(initial=0) >= COUNT:
                raise IndexError(f"id {ids.max()}")
    resource.setrlimit(resource.RLIMIT_AS, before)
    print(factory, "refused", refused)


if __name__ == "__main__":
    for name in sys.argv[3:]:
        try_all(Path(sys.argv[1]), name, int(sys.argv[2]))
