"""Query images that were taken through the model, kept so that another region costs no pass."""

import hashlib
from collections import OrderedDict
from dataclasses import dataclass
from functools import cached_property
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from partlens.server.errors import UnknownQueryError


@dataclass(frozen=True, eq=False)
class Query:
    """One query image as the model sees it: E = contributions.sum(0) + bias.

    Attributes:
        id: tells it from every other image and model; see query_id.
        image_size: (width, height) of the upright image, in pixels.
        contributions: float32 [P, D].
        bias: float32 [D].
        image_id: of the gallery, if it came from there.
    """

    id: str
    image_size: tuple[int, int]
    contributions: NDArray[np.float32]
    bias: NDArray[np.float32]
    image_id: str = ""

    @cached_property
    def embedding(self) -> NDArray[np.float32]:
        """E before L2 normalisation, shape [D]."""
        return np.asarray(self.contributions.sum(0) + self.bias, np.float32)


@dataclass(frozen=True, eq=False)
class Unseen:
    """A query image that the model has not seen.

    Attributes:
        id: as Query.id.
        image_size: (width, height) of the upright image, in pixels.
        pixels: ready for the model, float32 [3, height, width].
    """

    id: str
    image_size: tuple[int, int]
    pixels: NDArray[np.float32]


def query_id(model_digest: str, kind: str, *parts: bytes) -> str:
    """The id of a query image: a digest, so that the same image has the same id in every process.

    Args:
        kind: where it came from; a gallery's image is stored with fewer digits than a picture's
            own pass gives, so the two must not share an id.
        parts: what identifies it there.

    >>> query_id("sha256:m", "data", b"ab") == query_id("sha256:m", "data", b"a", b"b")
    False
    """
    total = hashlib.sha256()
    for part in (model_digest.encode(), kind.encode(), *parts):
        total.update(len(part).to_bytes(8, "big") + part)
    return f"q-{total.hexdigest()[:40]}"


class QueryCache:
    """The query images used last, by id. Safe to use from several threads.

    Args:
        capacity: how many are kept; beyond it the one not used for longest is forgotten.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._queries: OrderedDict[str, Query] = OrderedDict()
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._queries)

    def keep(self, query: Query) -> Query:
        """Keeps a query image, or marks it as just used, and gives it back."""
        with self._lock:
            kept = self._queries.setdefault(query.id, query)
            self._queries.move_to_end(query.id)
            while len(self._queries) > self._capacity:
                self._queries.popitem(last=False)
            return kept

    def find(self, id: str) -> Query | None:
        """The query image of an id, marked as just used; None if it is not kept."""
        with self._lock:
            if query := self._queries.get(id):
                self._queries.move_to_end(id)
            return query

    def forget(self, id: str) -> None:
        """Keeps the query image of an id no longer."""
        with self._lock:
            self._queries.pop(id, None)

    def get(self, id: str) -> Query:
        """The query image of an id, marked as just used.

        Raises:
            UnknownQueryError: it was forgotten or never given.
        """
        if query := self.find(id):
            return query
        raise UnknownQueryError(
            f"query id {id[:64]!r} is not known: the server keeps the {self._capacity} query images"
            " used last; send the picture again"
        )
