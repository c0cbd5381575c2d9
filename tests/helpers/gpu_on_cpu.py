"""Stands in for a GPU: copies of indexes that stay on the CPU."""

import threading
from typing import Any

import faiss

from partlens.indexer.gallery import candidates
from partlens.indexer.gallery.gpu import MOST


class Copies:
    """Copies on the CPU, and the threads that created and searched them."""

    def __init__(self) -> None:
        self.threads: set[str] = set()
        self.alive = 0

    def __call__(self, index: Any) -> Any:
        outer, copied = self, faiss.clone_index(index)

        class Copy:
            nlist = getattr(copied, "nlist", 1)

            def __init__(self) -> None:
                outer.threads.add(threading.current_thread().name)
                outer.alive += 1
                self.nprobe = 1

            def search(self, query: Any, count: int) -> Any:
                outer.threads.add(threading.current_thread().name)
                assert count <= MOST
                parameters = candidates._parameters(copied, self.nprobe, None)
                return copied.search(query, count, params=parameters)

            def __del__(self) -> None:
                outer.threads.add(threading.current_thread().name)
                outer.alive -= 1

        return Copy()
